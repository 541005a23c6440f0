// Package awsrole names the roles and sessions that the gateway asks AWS STS for, and prints the IAM policies that go with
// them. It touches no network.
package awsrole

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/awsprofile"
)

// DoctorIdentity names the sessions of the tests of the command doctor. No user can have the name.
const DoctorIdentity = "chaim-gateway-doctor"

// Tags of each session that the gateway makes. CloudTrail shows them.
const (
	TagUser  = "chaim-user"  // the name of the user
	TagIssue = "chaim-issue" // the id of the issue in the audit log
)

// ARN returns the ARN of a role. An empty partition means "aws". A path is "/" or begins and ends with one; empty means "/".
// All parts must come from the policy document.
func ARN(partition, account, path, name string) string {
	if partition == "" {
		partition = "aws"
	}
	path = strings.Trim(path, "/")
	if path != "" {
		path += "/"
	}
	return fmt.Sprintf("arn:%s:iam::%s:role/%s%s", partition, account, path, name)
}

var (
	identityRule = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	notIdentity  = regexp.MustCompile(`[^\w+=,.@-]+`)
)

const (
	maxIdentity = 64
	hexDigits   = 6
)

// IsSourceIdentity reports whether STS takes a text as a source identity and as the name of a session.
func IsSourceIdentity(text string) bool { return identityRule.MatchString(text) }

// SourceIdentity returns the source identity of a new user. That is the name itself if STS takes it and taken reports that no
// user has it. Otherwise it is the name without the characters that STS refuses, "-", and 6 hexadecimal digits. The same
// name with the same answers of taken always gets the same one.
func SourceIdentity(name string, taken func(sourceIdentity string) bool) string {
	if IsSourceIdentity(name) && !taken(name) {
		return name
	}
	plain := notIdentity.ReplaceAllString(name, "-")
	plain = plain[:min(len(plain), maxIdentity-1-hexDigits)]
	for n := 0; ; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", name, n))
		if text := plain + "-" + hex.EncodeToString(sum[:])[:hexDigits]; !taken(text) {
			return text
		}
	}
}

// Principal returns the principal of a trust policy for the identity that GetCallerIdentity names: a role for a session of
// it, else the identity itself. The ARN of a session does not have the path of its role. If the role has one, give the ARN of
// the role.
func Principal(identity string) (string, error) {
	id, err := arn.Parse(identity)
	kind, rest, _ := strings.Cut(id.Resource, "/")
	switch {
	case err != nil || id.AccountID == "":
	case id.Service == "iam" && (id.Resource == "root" || (kind == "user" || kind == "role") && rest != ""):
		return identity, nil
	case id.Service == "sts" && kind == "assumed-role":
		if role, session, ok := strings.Cut(rest, "/"); ok && role != "" && session != "" {
			return ARN(id.Partition, id.AccountID, "/", role), nil
		}
	}
	return "", fmt.Errorf("%q is not the ARN of a role, of a session of a role, of a user or of root", identity)
}

// Name returns the name of a role without its path, from its ARN.
func Name(roleARN string) (string, error) {
	role, err := awsprofile.ParseRole(roleARN)
	if err != nil {
		return "", err
	}
	return awsprofile.RoleName(role.Resource), nil
}
