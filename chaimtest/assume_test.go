package chaimtest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

// assumeRole asks for the read-only role of sredev unless change says otherwise; change may be nil.
func assumeRole(
	ctx context.Context, srv *chaimtest.Server, c aws.Credentials, change func(*sts.AssumeRoleInput),
) (*sts.AssumeRoleOutput, error) {
	in := &sts.AssumeRoleInput{RoleArn: strPtr(readOnly), RoleSessionName: strPtr("session")}
	if change != nil {
		change(in)
	}
	return stsClient(srv, c).AssumeRole(ctx, in)
}

// tags makes tags of keys, all with the same value.
func tags(keys ...string) (list []types.Tag) {
	for _, k := range keys {
		list = append(list, types.Tag{Key: strPtr(k), Value: strPtr("value")})
	}
	return list
}

func policyARNs(n int) (list []types.PolicyDescriptorType) {
	for range n {
		list = append(list, types.PolicyDescriptorType{Arn: strPtr("arn:aws:iam::aws:policy/ReadOnlyAccess")})
	}
	return list
}

func numbered(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("k", i))
	}
	return list
}

func TestAssumeRoleEverything(t *testing.T) {
	srv := chaimtest.NewServer(t)
	out, err := assumeRole(t.Context(), srv, srv.AddKeys("sredev", "ci"), func(in *sts.AssumeRoleInput) {
		in.DurationSeconds = aws.Int32(900)
		in.ExternalId = strPtr("+=,.@:/-_1")
		in.SourceIdentity = strPtr("jo.doe@example.com")
		in.SerialNumber, in.TokenCode = strPtr("arn:aws:iam::111111111111:mfa/ci"), strPtr("123456")
		in.Policy = strPtr(`{"Version":"2012-10-17","Statement":[]}`)
		in.PolicyArns = policyARNs(1)
		in.Tags = []types.Tag{{Key: strPtr("Team"), Value: strPtr("straße 7")}, {Key: strPtr("Empty"), Value: strPtr("")}}
		in.TransitiveTagKeys = []string{"team"}
	})
	require.NoError(t, err)
	require.Equal(t, "jo.doe@example.com", *out.SourceIdentity)
	require.Equal(t, map[string]string{
		"RoleArn": readOnly, "RoleSessionName": "session", "DurationSeconds": "900",
		"ExternalId": "***", "SourceIdentity": "jo.doe@example.com",
		"SerialNumber": "arn:aws:iam::111111111111:mfa/ci", "TokenCode": "***", "Policy": "***",
		"PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
		"Tags.member.1.Key":       "Team", "Tags.member.1.Value": "straße 7",
		"Tags.member.2.Key": "Empty", "Tags.member.2.Value": "",
		"TransitiveTagKeys.member.1": "team",
	}, last(t, srv).Parameters)

	last(t, srv).Parameters["RoleArn"] = "changed"
	require.Equal(t, readOnly, last(t, srv).Parameters["RoleArn"], "the record is the server's own")
}

func TestAssumeRoleLimits(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := srv.AddKeys("sredev", "ci")
	long := func(n int) *string { return strPtr(strings.Repeat("x", n)) }
	policy := func(n int) *string {
		const frame = `{"Id":""}`
		return strPtr(frame[:7] + strings.Repeat("x", n-len(frame)) + frame[7:])
	}
	mfa := func(in *sts.AssumeRoleInput) {
		in.SerialNumber, in.TokenCode = strPtr("GAHT12345678"), strPtr("123456")
	}

	for name, change := range map[string]func(*sts.AssumeRoleInput){
		"external id":  func(in *sts.AssumeRoleInput) { in.ExternalId = long(1224) },
		"two letters":  func(in *sts.AssumeRoleInput) { in.ExternalId, in.SourceIdentity = long(2), long(2) },
		"identity":     func(in *sts.AssumeRoleInput) { in.SourceIdentity = long(64) },
		"MFA":          mfa,
		"policy":       func(in *sts.AssumeRoleInput) { in.Policy = policy(2048) },
		"policy ARNs":  func(in *sts.AssumeRoleInput) { in.PolicyArns = policyARNs(10) },
		"tags":         func(in *sts.AssumeRoleInput) { in.Tags = tags(numbered(50)...) },
		"tag key":      func(in *sts.AssumeRoleInput) { in.Tags = tags(strings.Repeat("ß", 128)) },
		"all of a tag": func(in *sts.AssumeRoleInput) { in.Tags = tags("a_.:/=+-@ 1"); in.Tags[0].Value = long(256) },
		"transitive": func(in *sts.AssumeRoleInput) {
			in.Tags, in.TransitiveTagKeys = tags(numbered(50)...), numbered(50)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := assumeRole(t.Context(), srv, c, change)
			require.NoError(t, err)
		})
	}

	const (
		invalid   = "ValidationError"
		malformed = "MalformedPolicyDocument"
		parameter = "InvalidParameterValue"
	)
	for _, tt := range []struct {
		name       string
		change     func(*sts.AssumeRoleInput)
		code, want string
	}{
		{"short external id", func(in *sts.AssumeRoleInput) { in.ExternalId = strPtr("#") }, invalid, "1 validation error detected: Value '#' at 'externalId' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{"empty external id", func(in *sts.AssumeRoleInput) { in.ExternalId = strPtr("") }, invalid, "Value '' at 'externalId'"},
		{"long external id", func(in *sts.AssumeRoleInput) { in.ExternalId = long(1225) }, invalid, "have length less than or equal to 1224"},
		{"external id with a space", func(in *sts.AssumeRoleInput) { in.ExternalId = strPtr("hush #") }, invalid, `Value 'hush #' at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@:\/-]*`},
		{"short identity", func(in *sts.AssumeRoleInput) { in.SourceIdentity = long(1) }, invalid, "'sourceIdentity'"},
		{"long identity", func(in *sts.AssumeRoleInput) { in.SourceIdentity = long(65) }, invalid, "less than or equal to 64"},
		{"reserved identity", func(in *sts.AssumeRoleInput) { in.SourceIdentity = strPtr("aws:me") }, invalid, `pattern: [\w+=,.@-]*`},
		{"short serial", func(in *sts.AssumeRoleInput) { mfa(in); in.SerialNumber = strPtr("GAHT1234") }, invalid, "at 'serialNumber' failed to satisfy constraint: Member must have length greater than or equal to 9"},
		{"short code", func(in *sts.AssumeRoleInput) { mfa(in); in.TokenCode = strPtr("12#45") }, invalid, "Value '12#45' at 'tokenCode' failed to satisfy constraint: Member must have length greater than or equal to 6"},
		{"long code", func(in *sts.AssumeRoleInput) { mfa(in); in.TokenCode = strPtr("123#567") }, invalid, "less than or equal to 6"},
		{"code with letters", func(in *sts.AssumeRoleInput) { mfa(in); in.TokenCode = strPtr("12#456") }, invalid, `pattern: [\d]*`},
		{"no code", func(in *sts.AssumeRoleInput) { mfa(in); in.TokenCode = nil }, "AccessDenied", "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."},
		{"no serial", func(in *sts.AssumeRoleInput) { mfa(in); in.SerialNumber = nil }, "AccessDenied", "must provide both MFA serial number and one time pass code."},
		{"no JSON", func(in *sts.AssumeRoleInput) { in.Policy = strPtr(`{"#`) }, malformed, "This policy contains invalid Json"},
		{"empty policy", func(in *sts.AssumeRoleInput) { in.Policy = strPtr("") }, malformed, "invalid Json"},
		{"policy is a list", func(in *sts.AssumeRoleInput) { in.Policy = strPtr(`["#"]`) }, malformed, "Syntax errors in policy."},
		{"policy is null", func(in *sts.AssumeRoleInput) { in.Policy = strPtr("null") }, malformed, "Syntax errors in policy."},
		{"long policy", func(in *sts.AssumeRoleInput) { in.Policy = policy(2049) }, malformed, "2048"},
		{"many policies", func(in *sts.AssumeRoleInput) { in.PolicyArns = policyARNs(11) }, invalid, "at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10"},
		{"no policy ARN", func(in *sts.AssumeRoleInput) {
			in.PolicyArns = policyARNs(2)
			in.PolicyArns[1].Arn = strPtr(readOnly)
		}, invalid, readOnly + " is invalid"},
		{"many tags", func(in *sts.AssumeRoleInput) { in.Tags = tags(numbered(51)...) }, invalid, "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		{"empty tag key", func(in *sts.AssumeRoleInput) { in.Tags = tags("a", "") }, invalid, "at 'tags.2.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"long tag key", func(in *sts.AssumeRoleInput) { in.Tags = tags(*long(129)) }, invalid, "less than or equal to 128"},
		{"tag key's letters", func(in *sts.AssumeRoleInput) { in.Tags = tags("a*") }, invalid, `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`},
		{"long tag value", func(in *sts.AssumeRoleInput) { in.Tags = tags("a"); in.Tags[0].Value = long(257) }, invalid, "at 'tags.1.member.value' failed to satisfy constraint: Member must have length less than or equal to 256"},
		{"same tag", func(in *sts.AssumeRoleInput) { in.Tags = tags("Team", "b", "tEAM") }, parameter, "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"many transitive", func(in *sts.AssumeRoleInput) {
			in.Tags, in.TransitiveTagKeys = tags("k1"), numbered(51)
		}, invalid, "at 'transitiveTagKeys'"},
		{"not a tag", func(in *sts.AssumeRoleInput) {
			in.Tags, in.TransitiveTagKeys = tags("a"), []string{"A", "b"}
		}, parameter, "The specified transitive tag key must be included in the requested tags."},
		{"transitive without tags", func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"a"} }, parameter, "must be included in the requested tags"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := assumeRole(t.Context(), srv, c, tt.change)
			requireAPIError(t, err, tt.code, tt.want)
			r := last(t, srv)
			require.Contains(t, r.Error, tt.code+": ")
			require.NotContains(t, r.Error+fmt.Sprint(r.Parameters), "#", "a secret is on record")
		})
	}
}

func TestAssumeRoleChaining(t *testing.T) {
	srv := chaimtest.NewServer(t)
	const denied = "User: arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/session " +
		"is not authorized to perform: sts:SetSourceIdentity on resource: " + readOnly
	chain := func(c aws.Credentials, change func(*sts.AssumeRoleInput)) *sts.AssumeRoleOutput {
		out, err := assumeRole(t.Context(), srv, c, change)
		require.NoError(t, err)
		return out
	}
	first := chain(srv.AddKeys("sredev", "ci"), func(in *sts.AssumeRoleInput) {
		in.SourceIdentity = strPtr("jo")
		in.Tags, in.TransitiveTagKeys = tags("Team", "Stage"), []string{"Team"}
	})
	second := chain(issued(first), func(in *sts.AssumeRoleInput) {
		in.SourceIdentity = strPtr("jo")
		in.TransitiveTagKeys = []string{"team"}
		in.Tags = tags("stage")
	})
	require.Equal(t, "jo", *second.SourceIdentity)
	third := chain(issued(second), nil)
	require.Equal(t, "jo", *third.SourceIdentity, "the source identity stays")
	_, sent := last(t, srv).Parameters["SourceIdentity"]
	require.False(t, sent)

	for _, out := range []*sts.AssumeRoleOutput{first, second, third} {
		_, err := assumeRole(t.Context(), srv, issued(out), func(in *sts.AssumeRoleInput) { in.SourceIdentity = strPtr("al") })
		requireAPIError(t, err, "AccessDenied", denied)
		_, err = assumeRole(t.Context(), srv, issued(out), func(in *sts.AssumeRoleInput) { in.Tags = tags("tEAM") })
		requireAPIError(t, err, "InvalidParameterValue", "conflicts with a transitive tag key from the calling session")
		_, err = assumeRole(t.Context(), srv, issued(out), func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"Stage"} })
		requireAPIError(t, err, "InvalidParameterValue", "must be included in the requested tags")
	}

	none := chain(srv.AddKeys("sredev", "ci"), nil)
	require.Nil(t, none.SourceIdentity)
	late := chain(issued(none), func(in *sts.AssumeRoleInput) { in.SourceIdentity = strPtr("al") })
	require.Equal(t, "al", *late.SourceIdentity)
}

func TestRequireExternalID(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := srv.AddKeys("sredev", "ci")
	const (
		serial = "GAHT12345678"
		denied = "User: arn:aws:iam::111111111111:user/ci is not authorized to perform: sts:AssumeRole on resource: " + readOnly
		noCode = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
		noMFA  = "MultiFactorAuthentication failed, unable to validate MFA code."
	)
	try := func(id, serial, code, want string) {
		t.Helper()
		_, err := assumeRole(t.Context(), srv, c, func(in *sts.AssumeRoleInput) {
			for text, field := range map[*string]**string{&id: &in.ExternalId, &serial: &in.SerialNumber, &code: &in.TokenCode} {
				if *text != "" {
					*field = text
				}
			}
		})
		if want == "" {
			require.NoError(t, err)
			return
		}
		requireAPIError(t, err, "AccessDenied", want)
		require.Equal(t, 403, last(t, srv).StatusCode)
	}
	try("any", "", "", "")
	srv.RequireExternalID("sredev", "right")
	try("right", "", "", "")
	try("wrong", "", "", denied)
	try("", "", "", denied)
	srv.RequireMFA("111111111111", serial, "123456")
	try("right", serial, "123456", "")
	try("right", "", "", denied)
	try("", serial, "123456", denied)
	try("right", serial, "654321", noCode)
	try("right", "GAHT00000000", "123456", noMFA)
	try("right", serial, "", "must provide both")
	srv.RequireMFA("sredev", serial, "654321")
	try("right", serial, "654321", "")
	try("right", serial, "123456", noCode)
	srv.RequireMFA("sredev", "", "")
	srv.RequireExternalID("sredev", "")
	try("", "", "", "")
	try("", serial, "000000", "")

	_, err := assumeRole(t.Context(), srv, c, func(in *sts.AssumeRoleInput) {
		in.RoleArn = strPtr("arn:aws:iam::222222222222:role/CrossAccountReadOnly")
	})
	require.NoError(t, err, "the other accounts ask for nothing")
	require.PanicsWithValue(t, `chaimtest: no account "nowhere"`, func() { srv.RequireExternalID("nowhere", "x") })
	require.PanicsWithValue(t, `chaimtest: no account "nowhere"`, func() { srv.RequireMFA("nowhere", "x", "y") })
}

// TestPartitions sends requests where the SDK sends them.
func TestPartitions(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := srv.AddKeys("sredev", "ci")
	for _, tt := range []struct {
		region, partition string
		fips, dualStack   bool
		host              string
	}{
		{"eu-west-1", "aws", false, false, "sts.eu-west-1.amazonaws.com"},
		{"us-east-1", "aws", true, false, "sts-fips.us-east-1.amazonaws.com"},
		{"us-east-1", "aws", false, true, "sts.us-east-1.api.aws"},
		{"us-east-1", "aws", true, true, "sts-fips.us-east-1.api.aws"},
		{"aws-global", "aws", false, false, "sts.amazonaws.com"},
		{"cn-north-1", "aws-cn", false, false, "sts.cn-north-1.amazonaws.com.cn"},
		{"cn-north-1", "aws-cn", false, true, "sts.cn-north-1.api.amazonwebservices.com.cn"},
		{"us-gov-west-1", "aws-us-gov", false, false, "sts.us-gov-west-1.amazonaws.com"},
		{"us-gov-west-1", "aws-us-gov", true, false, "sts.us-gov-west-1.amazonaws.com"},
		{"us-gov-east-1", "aws-us-gov", true, true, "sts-fips.us-gov-east-1.api.aws"},
		{"us-iso-east-1", "aws-iso", false, false, "sts.us-iso-east-1.c2s.ic.gov"},
		{"us-isob-east-1", "aws-iso-b", true, false, "sts-fips.us-isob-east-1.sc2s.sgov.gov"},
		{"eusc-de-east-1", "aws-eusc", false, false, "sts.eusc-de-east-1.amazonaws.eu"},
	} {
		t.Run(fmt.Sprint(tt.region, " ", tt.fips, " ", tt.dualStack), func(t *testing.T) {
			options := stsClient(srv, c).Options()
			options.Region = tt.region
			if tt.fips {
				options.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
			}
			if tt.dualStack {
				options.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
			}
			out, err := sts.New(options).AssumeRole(t.Context(), &sts.AssumeRoleInput{
				RoleArn:         strPtr("arn:" + tt.partition + ":iam::222222222222:role/path/CrossAccountPowerUser"),
				RoleSessionName: strPtr("session"),
			})
			require.NoError(t, err)
			require.Equal(t, tt.host, last(t, srv).Host)
			arn, err := whoami(t, srv, issued(out))
			require.NoError(t, err)
			require.Equal(t, "arn:"+tt.partition+":sts::222222222222:assumed-role/CrossAccountPowerUser/session", arn)
			require.Equal(t, *out.AssumedRoleUser.Arn, arn)
			require.WithinDuration(t, time.Now().Add(time.Hour), *out.Credentials.Expiration, time.Minute)
		})
	}
}
