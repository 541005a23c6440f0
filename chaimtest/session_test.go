package chaimtest_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

const mfaSerial = "arn:aws:iam::111111111111:mfa/ci"

// begun begins a session of an IAM user.
func begun(t testing.TB, srv *chaimtest.Server, user aws.Credentials, code string, seconds int32) (aws.Credentials, *sts.GetSessionTokenOutput, error) {
	t.Helper()
	in := &sts.GetSessionTokenInput{}
	if code != "" {
		in.SerialNumber, in.TokenCode = aws.String(mfaSerial), &code
	}
	if seconds != 0 {
		in.DurationSeconds = &seconds
	}
	out, err := stsClient(srv, user).GetSessionToken(t.Context(), in)
	if err != nil {
		return aws.Credentials{}, nil, err
	}
	c := out.Credentials
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}, out, nil
}

func TestSTSGetSessionToken(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.AddMFADevice("ci", mfaSerial)
	srv.RequireMFA("sredev", mfaSerial, "")
	user := srv.AddKeys("sredev", "ci")

	plain, out, err := begun(t, srv, user, "", 0)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(12*time.Hour), *out.Credentials.Expiration, 5*time.Second)
	assume := func(c aws.Credentials, seconds int32) error {
		_, err := stsClient(srv, c).AssumeRole(t.Context(), &sts.AssumeRoleInput{
			RoleArn: aws.String(readOnly), RoleSessionName: aws.String("ci"), DurationSeconds: &seconds,
		})
		return err
	}
	requireAPIError(t, assume(plain, 3600), "AccessDenied", "not authorized to perform: sts:AssumeRole")

	session, out, err := begun(t, srv, user, srv.MFACode(mfaSerial), 129600)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(36*time.Hour), *out.Credentials.Expiration, 5*time.Second)
	arn, err := whoami(t, srv, session)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::111111111111:user/ci", arn)
	require.NoError(t, assume(session, 3600))
	requireAPIError(t, assume(session, 3601), "ValidationError", "exceeds the 1 hour session limit for roles assumed by role chaining")
	_, _, err = begun(t, srv, session, "", 0)
	requireAPIError(t, err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	for _, seconds := range []int32{899, 129601} {
		_, _, err = begun(t, srv, user, "", seconds)
		requireAPIError(t, err, "ValidationError", "durationSeconds")
	}
	srv.SetLifetime(-time.Second)
	session, _, err = begun(t, srv, user, "", 0)
	require.NoError(t, err)
	_, err = whoami(t, srv, session)
	requireAPIError(t, err, "ExpiredToken", "")
}

func TestMFACodesWorkOnce(t *testing.T) {
	const wrong = "MultiFactorAuthentication failed with invalid MFA one time pass code"
	srv := chaimtest.NewServer(t)
	srv.AddMFADevice("ci", mfaSerial)
	user, other := srv.AddKeys("sredev", "ci"), srv.AddKeys("sredev", "other")
	code := srv.MFACode(mfaSerial)
	require.Regexp(t, `^[0-9]{6}$`, code)
	require.Equal(t, code, srv.MFACode(mfaSerial), "until it is used or ends")
	_, _, err := begun(t, srv, other, code, 0)
	requireAPIError(t, err, "AccessDenied", "unable to validate MFA code")
	_, _, err = begun(t, srv, user, code, 0)
	require.NoError(t, err)
	_, _, err = begun(t, srv, user, code, 0)
	requireAPIError(t, err, "AccessDenied", wrong)
	late := srv.MFACode(mfaSerial)
	require.NotEqual(t, code, late)
	srv.Advance(91 * time.Second)
	_, _, err = begun(t, srv, user, late, 0)
	requireAPIError(t, err, "AccessDenied", wrong)
	require.Panics(t, func() { srv.MFACode("GAHT00000000") })
	for _, r := range srv.Requests() {
		require.NotContains(t, r.Parameters["TokenCode"], code)
	}
}
