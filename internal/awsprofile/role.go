package awsprofile

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/partition"
)

var roleResourceRule = lazyregexp.New(`^role/([!-~]+/)?[\w+=,.@-]+$`) // see isRoleResource

// maxName is the longest name of a role. A rule with such a count takes a millisecond to compile.
const maxName = 64

func isRoleResource(resource string) bool {
	return len(RoleName(resource)) <= maxName && roleResourceRule().MatchString(resource)
}

// RoleName returns the last part of a role's ARN, or the text itself.
func RoleName(role string) string { return role[strings.LastIndexByte(role, '/')+1:] }

// ParseRole reads the ARN of a role. It accepts any ARN of another system than AWS.
func ParseRole(text string) (arn.ARN, error) {
	role, err := arn.Parse(text)
	if err != nil || !isPrintable(text) || partition.Region(role.Partition) != "" && !isAWSRole(role) {
		return role, noRole(text)
	}
	return role, nil
}

// ParseAWSRole reads the ARN of a role in an AWS account, also of a partition that AWS may open later. It accepts no ARN of
// another system, whose last part may name anything.
func ParseAWSRole(text string) (arn.ARN, error) {
	role, err := arn.Parse(text)
	isAWS := role.Partition == "aws" || strings.HasPrefix(role.Partition, "aws-")
	if err != nil || !isPrintable(text) || !isAWS || !isAWSRole(role) {
		return role, noRole(text)
	}
	return role, nil
}

func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= 0x20 || r > 0x7e })
}

func isAWSRole(role arn.ARN) bool {
	return role.Service == "iam" && role.Region == "" && keys.IsAccountID(role.AccountID) && isRoleResource(role.Resource)
}

func noRole(text string) error {
	return fmt.Errorf("chaim: %s is not the ARN of a role, such as arn:aws:iam::111111111111:role/Name", keys.QuoteShort(text))
}
