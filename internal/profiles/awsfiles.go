package profiles

import (
	"context"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// AWSFiles are the files that the AWS SDK reads, for packages that read none themselves.
type AWSFiles struct{}

// Input returns the text of a file that the user names and that chaim never writes. A pipe's writer has until ctx ends.
func (AWSFiles) Input(ctx context.Context, path string) ([]byte, error) {
	text, _, err := sharedfile.ReadInput(ctx, path)
	return text, err
}

// IsOnlyOnce reports whether a file gives what it holds only once, or not before another program writes.
func (AWSFiles) IsOnlyOnce(path string) bool { return sharedfile.IsOnlyOnce(path) }

// localKeys are those of the AWS files under which names and paths stand that the user chose, and nothing secret.
var localKeys = lazyregexp.New(`^(ca_bundle|mfa_serial|role_arn|role_session_name|services|source_profile|sso_role_name|sso_session|web_identity_token_file)$`)

// longName is as long as a secret access key, and made of the same letters.
var longName = lazyregexp.New(`[A-Za-z0-9+/=_%\\-]{40,}`)

// Names are those in the AWS files that look like secrets: of sections, and what localKeys have.
func (f AWSFiles) Names() (names []string) {
	config, _ := awsenv.ConfigPath()
	credentials, _ := awsenv.CredentialsPath("")
	for _, path := range []string{config, credentials} {
		if path == "" || f.IsOnlyOnce(path) {
			continue
		}
		doc, err := Open(path, nil, nil).Read()
		if err != nil {
			continue // what cannot be read names nothing
		}
		sections := doc.Sections()
		for i := range sections {
			names = append(names, strings.Fields(sections[i].Name())...) // such as [profile NAME]
			for line := range sections[i].Lines() {
				if localKeys().MatchString(line.Key) {
					names = append(names, line.Value)
				}
			}
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !longName().MatchString(name) })
}

// IsLent reports whether chaim has put this access key id, or this credential_process, into the profile of that name in the
// credentials file: as the profile's own, or as a copy in [default].
func (AWSFiles) IsLent(profile, keyID, process string) bool {
	path, err := awsenv.CredentialsPath("")
	if err != nil {
		return false
	}
	doc, err := Open(path, nil, nil).Read()
	if err != nil {
		return false // what cannot be read lends nothing
	}
	lent, _, err := doc.Managed(profile)
	key, own := lent["aws_access_key_id"], lent[inifile.ProcessKey]
	switch isTaken := key != "" && key == keyID || own != "" && own == process; {
	case err != nil || !isTaken:
		return false
	case profile == inifile.DefaultSection:
		return hasCopy(doc)
	}
	return lent[inifile.MarkerKey] != ""
}
