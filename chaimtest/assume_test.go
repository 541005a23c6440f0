package chaimtest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

// assumeRole asks for the read-only role of sredev. change, if it is not nil, changes the request.
func assumeRole(
	ctx context.Context, srv *chaimtest.Server, c aws.Credentials, change func(*sts.AssumeRoleInput),
) (*sts.AssumeRoleOutput, error) {
	in := &sts.AssumeRoleInput{RoleArn: strPtr(readOnly), RoleSessionName: strPtr("session")}
	if change != nil {
		change(in)
	}
	return stsClient(srv, c).AssumeRole(ctx, in)
}

func TestAssumeRoleEverything(t *testing.T) {
	srv := chaimtest.NewServer(t)
	out, err := assumeRole(t.Context(), srv, srv.AddKeys("sredev", "ci"), func(in *sts.AssumeRoleInput) {
		in.DurationSeconds = aws.Int32(900)
		in.ExternalId = strPtr("+=,.@:/-_1")
		in.SourceIdentity = strPtr("jo.doe@example.com")
		in.SerialNumber, in.TokenCode = strPtr("arn:aws:iam::111111111111:mfa/ci"), strPtr("123456")
		in.Policy = strPtr(`{"Version":"2012-10-17","Statement":[]}`)
		in.PolicyArns = []types.PolicyDescriptorType{{Arn: strPtr("arn:aws:iam::aws:policy/ReadOnlyAccess")}}
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
	mfa := func(in *sts.AssumeRoleInput) {
		in.SerialNumber, in.TokenCode = strPtr("GAHT12345678"), strPtr("123456")
	}
	_, err := assumeRole(t.Context(), srv, c, mfa)
	require.NoError(t, err)
	_, err = assumeRole(t.Context(), srv, c, func(in *sts.AssumeRoleInput) { mfa(in); in.TokenCode = nil })
	requireAPIError(t, err, "AccessDenied", "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	_, err = assumeRole(t.Context(), srv, c, func(in *sts.AssumeRoleInput) { mfa(in); in.SerialNumber = nil })
	requireAPIError(t, err, "AccessDenied", "must provide both MFA serial number and one time pass code.")
	require.Contains(t, last(t, srv).Error, "AccessDenied: ")
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

// TestPartitions sends requests to the SDK's endpoints.
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
