package chaim

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/remote"
)

// partitions are the parts of AWS that know nothing of each other, each with what its regions begin with and the
// region taken where none is given. The last is everything else.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html and the AWS SDKs' partitions.json
var partitions = []struct{ name, prefix, region string }{
	{"aws-cn", "cn-", "cn-north-1"},
	{"aws-us-gov", "us-gov-", "us-gov-west-1"},
	{"aws-eusc", "eusc-", "eusc-de-east-1"},
	{"aws-iso", "us-iso-", "us-iso-east-1"},
	{"aws-iso-b", "us-isob-", "us-isob-east-1"},
	{"aws-iso-e", "eu-isoe-", "eu-isoe-west-1"},
	{"aws-iso-f", "us-isof-", "us-isof-south-1"},
	{"aws", "", defaultRegion},
}

// partitionOf names the partition of a region, or of a name such as "aws-cn-global" or "fips-us-gov-west-1" that SDKs take
// for one.
func partitionOf(region string) string {
	if name, isGlobal := strings.CutSuffix(region, "-global"); isGlobal && regionIn(name) != "" {
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

// regionIn returns a region of a partition, or "" for one that is not of AWS.
func regionIn(partition string) string {
	for _, p := range partitions {
		if p.name == partition {
			return p.region
		}
	}
	return ""
}

// checkPartition refuses a role that STS in that region cannot know. An ARN of some other system passes.
func checkPartition(role arn.ARN, region string) error {
	if regionIn(role.Partition) != "" && partitionOf(region) != role.Partition {
		return fmt.Errorf("chaim: role %s is of partition %s, but region %s is of partition %s: choose a region there", role, role.Partition, region, partitionOf(region))
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

// asksSTS reports whether the options name something that can be had without a gateway, which knows the names of accounts.
func (o *Options) asksSTS() bool { return remote.IsAccountID(o.Account) || arn.IsARN(o.Role) }

// keyVariables are those that tell the SDK which keys to take.
var keyVariables = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
}

func keyEnvironment() string {
	var values []string
	for _, name := range keyVariables {
		values = append(values, os.Getenv(name))
	}
	return strings.Join(values, "\n")
}

// sts returns the source for such options, and completes their region.
func (o *Options) sts(ctx context.Context) (*STS, error) {
	s := &STS{RoleARN: o.Role, Region: o.Region, Duration: o.Duration, HTTPClient: o.HTTPClient, AllowInsecure: o.AllowInsecure, Logger: o.Logger}
	cfg, err := s.config(ctx, false)
	if err != nil {
		return nil, err
	}
	// A renewal finds keys that were changed meanwhile, but not those of this very scope, to which a program that works in
	// it may have pointed its environment.
	environment := keyEnvironment()
	s.Keys = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		provider := cfg.Credentials
		if keyEnvironment() == environment {
			if now, err := s.config(ctx, false); err == nil {
				provider = now.Credentials
			}
		}
		return provider.Retrieve(ctx)
	})
	if !arn.IsARN(o.Role) {
		s.RoleARN = fmt.Sprintf("arn:%s:iam::%s:role/%s", partitionOf(cfg.Region), o.Account, cmp.Or(roleAliases[o.Role], o.Role))
	}
	role, err := s.check()
	switch {
	case err != nil:
		return nil, err
	case remote.IsAccountID(o.Account) && role.AccountID != o.Account:
		return nil, fmt.Errorf("chaim: role %s is not one of account %s", role, o.Account)
	}
	o.Region = cmp.Or(cfg.Region, regionIn(role.Partition), defaultRegion)
	s.Region = o.Region
	return s, checkPartition(role, o.Region)
}
