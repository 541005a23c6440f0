// Package partition knows the parts of AWS that know nothing of each other.
package partition

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// DefaultRegion is taken where nothing else is known.
const DefaultRegion = "eu-west-1"

// partitions are all of them, each with what its regions begin with, the region taken where none is given, and the domains
// of its services and of its console. The last is everything else.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html and the AWS SDKs' partitions.json
var partitions = []struct{ name, prefix, region, services, console string }{
	{"aws-cn", "cn-", "cn-north-1", "amazonaws.com.cn", "amazonaws.cn"},
	{"aws-us-gov", "us-gov-", "us-gov-west-1", "amazonaws.com", "amazonaws-us-gov.com"},
	{"aws-eusc", "eusc-", "eusc-de-east-1", "amazonaws.eu", "amazonaws-eusc.eu"},
	{"aws-iso", "us-iso-", "us-iso-east-1", "c2s.ic.gov", "c2shome.ic.gov"},
	{"aws-iso-b", "us-isob-", "us-isob-east-1", "sc2s.sgov.gov", "sc2shome.sgov.gov"},
	{"aws-iso-e", "eu-isoe-", "eu-isoe-west-1", "cloud.adc-e.uk", "csphome.adc-e.uk"},
	{"aws-iso-f", "us-isof-", "us-isof-south-1", "csp.hci.ic.gov", "csphome.hci.ic.gov"},
	{"aws", "", DefaultRegion, "amazonaws.com", "aws.amazon.com"},
}

// Domains returns those under which the services, and the console and its sign-in page, of a region's partition are.
func Domains(region string) (services, console string) {
	for _, p := range partitions {
		if p.name == Of(region) {
			return p.services, p.console
		}
	}
	return "", "" // not reached
}

// Of names the partition of a region, or of a name such as "aws-cn-global" or "fips-us-gov-west-1" that SDKs take for one.
func Of(region string) string {
	if name, isGlobal := strings.CutSuffix(region, "-global"); isGlobal && Region(name) != "" {
		return name
	}
	region = strings.TrimPrefix(strings.TrimPrefix(region, "fips-"), "aws-")
	for _, p := range partitions {
		if strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return "" // not reached: the last prefix is empty
}

// Region returns a region of a partition, or "" for one that is not of AWS.
func Region(partition string) string {
	for _, p := range partitions {
		if p.name == partition {
			return p.region
		}
	}
	return ""
}

// RoleRegion returns a region in which the role of an ARN is known, or "" where text is none.
func RoleRegion(text string) string {
	role, _ := arn.Parse(text)
	return Region(role.Partition)
}

// Check refuses a role that STS in that region cannot know. An ARN of some other system passes.
func Check(role arn.ARN, region string) error {
	if Region(role.Partition) != "" && Of(region) != role.Partition {
		return fmt.Errorf("chaim: role %s is of partition %s, but region %s is of partition %s: choose a region there", role, role.Partition, region, Of(region))
	}
	return nil
}

// The names that chaim gateways give to the roles of an account.
var roleAliases = map[string]string{
	"rro": "CrossAccountReadOnly",
	"mpu": "CrossAccountPowerUser",
	"spu": "CrossAccountSysAdmin",
	"apu": "CrossAccountAdminUser",
}

// RoleName is the name of a role that may be given by an alias.
func RoleName(role string) string { return cmp.Or(roleAliases[role], role) }

// IsCommonRole reports whether a name is one that an alias stands for.
func IsCommonRole(name string) bool {
	for _, common := range roleAliases {
		if strings.EqualFold(name, common) {
			return true
		}
	}
	return false
}

// RoleARN is that of a role, given by its name or a gateway's alias, of an account, as it is called in that region.
func RoleARN(region, account, role string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", Of(region), account, RoleName(role))
}
