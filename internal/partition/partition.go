// Package partition knows the partitions of AWS, which share no accounts and keys, and their regions and role names.
package partition

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// DefaultRegion is used if nothing else names a region.
const DefaultRegion = "eu-west-1"

// partitions has for each partition the prefix of its regions, its default region, and the domains of its services and its
// console. The last one takes all other regions.
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

// Domains returns the domain of the services in a region's partition, and that of its console and sign-in page.
func Domains(region string) (services, console string) {
	for _, p := range partitions {
		if p.name == Of(region) {
			return p.services, p.console
		}
	}
	return "", "" // not reached
}

// ServiceDomains returns the domains of the services in all partitions.
func ServiceDomains() (domains []string) {
	for _, p := range partitions {
		domains = append(domains, p.services)
	}
	return domains
}

// ConsoleDomains returns the domains of the console in all partitions.
func ConsoleDomains() (domains []string) {
	for _, p := range partitions {
		domains = append(domains, p.console)
	}
	return domains
}

// Of returns the partition of a region. SDKs also accept names such as "aws-cn-global" or "fips-us-gov-west-1" as regions.
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

// Region returns the default region of a partition, or "" if AWS has no such partition.
func Region(partition string) string {
	for _, p := range partitions {
		if p.name == partition {
			return p.region
		}
	}
	return ""
}

// RoleRegion returns the default region in the partition of a role ARN, or "" if text is no ARN.
func RoleRegion(text string) string {
	role, _ := arn.Parse(text)
	return Region(role.Partition)
}

// Check refuses a role of another partition than the region's. The ARN of another system than AWS passes.
func Check(role arn.ARN, region string) error {
	if Region(role.Partition) != "" && Of(region) != role.Partition {
		return fmt.Errorf("chaim: role %s is of partition %s, but region %s is of partition %s: choose a region there", role, role.Partition, region, Of(region))
	}
	return nil
}

// roleAliases are the aliases that all chaim gateways have.
var roleAliases = map[string]string{
	"rro": "CrossAccountReadOnly",
	"mpu": "CrossAccountPowerUser",
	"spu": "CrossAccountSysAdmin",
	"apu": "CrossAccountAdminUser",
}

// RoleName returns the name of a role that is given by its name or an alias.
func RoleName(role string) string { return cmp.Or(roleAliases[role], role) }

// IsCommonRole reports whether a role has one of the aliases.
func IsCommonRole(name string) bool {
	for _, common := range roleAliases {
		if strings.EqualFold(name, common) {
			return true
		}
	}
	return false
}

// RoleARN returns the ARN of a role, which is given by its name or an alias, in an account, for the region's partition.
func RoleARN(region, account, role string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", Of(region), account, RoleName(role))
}
