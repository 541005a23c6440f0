package chaim_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

const testRole = "arn:aws:iam::111111111111:role/CrossAccountReadOnly"

// stsFor returns an STS that asks srv in memory, with the keys of an IAM user.
func stsFor(srv *chaimtest.Server) *chaim.STS {
	return &chaim.STS{
		RoleARN:    testRole,
		Region:     "eu-west-1",
		Duration:   time.Hour,
		Keys:       credentials.StaticCredentialsProvider{Value: srv.AddKeys("sredev", "chris")},
		HTTPClient: srv.HTTPClient(),
	}
}

// noSDKConfig hides the real configuration of this machine from the SDK.
func noSDKConfig(t *testing.T) {
	t.Helper()
	chaimtest.NewServer(t).Setenv(t)
	require.NoError(t, os.Unsetenv("AWS_ENDPOINT_URL_STS"))
	for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN"} {
		require.NoError(t, os.Unsetenv(name))
	}
}

// assertNoSecretIn checks an error and all its causes.
func assertNoSecretIn(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%d"} {
		for _, secret := range secrets {
			assert.NotContains(t, fmt.Sprintf(verb, err), secret, verb)
		}
	}
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			assertNoSecretIn(t, cause, secrets...)
		}
	case interface{ Unwrap() error }:
		if cause := e.Unwrap(); cause != nil {
			assertNoSecretIn(t, cause, secrets...)
		}
	}
}

func TestSTS(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		s := stsFor(srv)
		creds, err := s.Retrieve(t.Context())
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(creds.AccessKeyID, "ASIA"))
		assert.Equal(t, "111111111111", creds.AccountID)
		assert.Equal(t, time.Now().Add(time.Hour), creds.Expires.Local())

		other, err := s.Retrieve(t.Context())
		require.NoError(t, err)
		assert.NotEqual(t, creds.AccessKeyID, other.AccessKeyID)
		requests := srv.Requests()
		require.Len(t, requests, 2)
		assert.Equal(t, time.Hour, requests[0].Duration)
		for _, r := range requests {
			assert.Equal(t, "sts.eu-west-1.amazonaws.com", r.Host)
			assert.Regexp(t, `^asia-(release|dev)-946684800-[a-z2-7]{8}$`, r.Parameters["RoleSessionName"])
			assert.Len(t, r.Parameters, 3, "%v", r.Parameters)
		}
		assert.NotEqual(t, requests[0].Parameters["RoleSessionName"], requests[1].Parameters["RoleSessionName"], "in one second")
	})
}

func TestSTSSendsEverything(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	srv.RequireExternalID("sredev", "CANARY-external")
	srv.RequireMFA("sredev", "arn:aws:iam::111111111111:mfa/chris", "123456")
	s := stsFor(srv)
	s.SessionName, s.SourceIdentity, s.ExternalID = "nightly", "chris@example", "CANARY-external"
	s.Policy, s.PolicyARNs = `{"Version":"2012-10-17","Statement":[]}`, []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	s.MFASerial, s.TokenCode = "arn:aws:iam::111111111111:mfa/chris", func(context.Context) (string, error) { return "123456", nil }
	s.Tags, s.TransitiveTags = map[string]string{"team": "sre", "cost": ""}, []string{"team"}
	s.Duration = 15 * time.Minute
	_, err := s.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"RoleArn": testRole, "RoleSessionName": "nightly", "DurationSeconds": "900", "SourceIdentity": "chris@example",
		"ExternalId": "***", "Policy": "***", "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
		"SerialNumber": "arn:aws:iam::111111111111:mfa/chris", "TokenCode": "***",
		"Tags.member.1.Key": "cost", "Tags.member.1.Value": "", "Tags.member.2.Key": "team", "Tags.member.2.Value": "sre",
		"TransitiveTagKeys.member.1": "team",
	}, srv.Requests()[0].Parameters)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		assert.NotContains(t, fmt.Sprintf(verb, s), "CANARY", verb)
		assert.NotContains(t, fmt.Sprintf(verb, struct{ S chaim.STS }{*s}), "CANARY", verb)
	}

	s.ExternalID = "CANARY-wrong"
	_, err = s.Retrieve(t.Context())
	require.ErrorIs(t, err, chaim.ErrDenied)
	assert.NotContains(t, err.Error(), "CANARY")
}

func TestSTSKeepsTheTokenOutOfAnErrorThatQuotesIt(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	chained := stsFor(srv)
	keys, err := chained.Retrieve(t.Context())
	require.NoError(t, err)
	keys.SecretAccessKey = "CANARY" + strings.Repeat("x", 34)
	s := stsFor(srv)
	s.Keys = credentials.StaticCredentialsProvider{Value: keys}
	_, err = s.Retrieve(t.Context())
	require.ErrorIs(t, err, chaim.ErrDenied)
	var refusal smithy.APIError
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, "SignatureDoesNotMatch", refusal.ErrorCode())
	assertNoSecretIn(t, err, "CANARY", keys.SessionToken[20:60])
	assert.Contains(t, err.Error(), testRole)
}

func TestSTSOddSecretsDoNotPanic(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	s := stsFor(srv)
	s.Policy = "{\"Sid\":\"CANARY-caf\xe9\"}"
	srv.Inject(-1, chaimtest.STSError(403, "AccessDenied", "no, "+s.Policy))
	_, err := s.Retrieve(t.Context())
	require.ErrorIs(t, err, chaim.ErrDenied)
	assertNoSecretIn(t, err, "CANARY")
}

func TestSTSKeysAreCancelledAndChecked(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		s := stsFor(srv)
		why := errors.New("enough")
		s.Keys = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			<-ctx.Done()
			return aws.Credentials{}, ctx.Err()
		})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		_, err := s.Retrieve(ctx)
		assert.ErrorIs(t, err, why)
		assert.ErrorContains(t, err, "no keys to ask STS with")

		s.Keys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil })
		_, err = s.Retrieve(t.Context())
		assert.ErrorContains(t, err, "without keys")
		assert.Empty(t, srv.Requests())
	})
}

// TestSTSConfigurationErrors: configuration errors do not look like network errors.
func TestSTSConfigurationErrors(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	s := stsFor(srv)
	s.Endpoint = "https://sts.example"
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
	_, err := s.Retrieve(t.Context())
	assert.ErrorContains(t, err, "FIPS")
	s.Endpoint, s.Region = "", ""
	t.Setenv("AWS_REGION", "a/b?c=evil\n")
	_, err = s.Retrieve(t.Context())
	assert.ErrorContains(t, err, "not an AWS region name")
	assert.Empty(t, srv.Requests())
}

func (s slowBody) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	assumeRole(s.content)(w, req)
	resp := w.Result()
	resp.Request = req
	resp.Header.Set("Date", time.Now().Add(s.skew).UTC().Format(http.TimeFormat))
	body := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{readerFunc(func(p []byte) (int, error) {
		select {
		case <-time.After(8 * time.Second):
			return body.Read(p)
		case <-req.Context().Done():
			return 0, req.Context().Err()
		}
	}), body}
	return resp, nil
}

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestSTSExpirationDoesNotGrowWhileTheReplyArrives(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		s := stsFor(chaimtest.NewServer(t))
		end := time.Now().Add(time.Hour)
		s.HTTPClient = &http.Client{Transport: slowBody{content: credentialsXML()}, Timeout: time.Minute}
		creds, err := s.Retrieve(t.Context())
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(end.Add(-time.Hour)), 8*time.Second)
		assert.Equal(t, end, creds.Expires.Local())
	})
}

func TestSTSRoleChaining(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	var log bytes.Buffer
	s := stsFor(srv)
	s.Keys = &chaim.STS{RoleARN: testRole, Region: s.Region, Duration: time.Hour, Keys: s.Keys, HTTPClient: s.HTTPClient}
	s.Duration, s.Logger = 12*time.Hour, slog.New(slog.NewTextHandler(&log, nil))
	creds, err := s.Retrieve(t.Context())
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, time.Minute)
	var asked []time.Duration
	for _, r := range srv.Requests() {
		asked = append(asked, r.Duration)
	}
	assert.Equal(t, []time.Duration{time.Hour, 12 * time.Hour, time.Hour}, asked)
	assert.Contains(t, log.String(), "one hour only")

	srv.Reset()
	srv.Inject(-1, chaimtest.STSError(400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."))
	s.Keys = stsFor(srv).Keys
	_, err = s.Retrieve(t.Context())
	assert.ErrorContains(t, err, "MaxSessionDuration")
	assert.Len(t, srv.Requests(), 1, "that is the role's limit, and the caller's to heed")
}

func TestSTSEndpoints(t *testing.T) {
	for _, tt := range []struct{ region, role, env, host string }{
		{"eu-west-1", "aws", "", "sts.eu-west-1.amazonaws.com"},
		{"us-east-1", "aws", "AWS_USE_FIPS_ENDPOINT", "sts-fips.us-east-1.amazonaws.com"},
		{"us-east-1", "aws", "AWS_USE_DUALSTACK_ENDPOINT", "sts.us-east-1.api.aws"},
		{"cn-north-1", "aws-cn", "", "sts.cn-north-1.amazonaws.com.cn"},
		{"us-gov-west-1", "aws-us-gov", "", "sts.us-gov-west-1.amazonaws.com"},
		{"us-iso-east-1", "aws-iso", "", "sts.us-iso-east-1.c2s.ic.gov"},
		{"us-isob-east-1", "aws-iso-b", "", "sts.us-isob-east-1.sc2s.sgov.gov"},
		{"eusc-de-east-1", "aws-eusc", "", "sts.eusc-de-east-1.amazonaws.eu"},
		{"", "aws", "", "sts.eu-west-1.amazonaws.com"},
		{"", "aws-cn", "", "sts.cn-north-1.amazonaws.com.cn"},
		{"", "aws-iso-e", "", "sts.eu-isoe-west-1.cloud.adc-e.uk"},
		{"", "aws-iso-f", "", "sts.us-isof-south-1.csp.hci.ic.gov"},
	} {
		t.Run(tt.region+" "+tt.role+" "+tt.env, func(t *testing.T) {
			noSDKConfig(t)
			require.NoError(t, os.Unsetenv("AWS_REGION"))
			require.NoError(t, os.Unsetenv("AWS_DEFAULT_REGION"))
			if tt.env != "" {
				t.Setenv(tt.env, "true")
			}
			srv := chaimtest.NewServer(t)
			s := stsFor(srv)
			s.Region, s.RoleARN = tt.region, "arn:"+tt.role+":iam::111111111111:role/CrossAccountReadOnly"
			_, err := s.Retrieve(t.Context())
			require.NoError(t, err)
			assert.Equal(t, tt.host, srv.Requests()[0].Host)
		})
	}
}

// TestSTSSkew: the server's clock is hours off. The keys keep their lifetime, by our clock.
func TestSTSSkew(t *testing.T) {
	noSDKConfig(t)
	for _, skew := range []time.Duration{-6 * time.Hour, -time.Hour, -2 * time.Minute, 0, 2 * time.Minute, time.Hour, 6 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				srv.Advance(skew)
				var log bytes.Buffer
				s := stsFor(srv)
				s.Logger = slog.New(slog.NewTextHandler(&log, nil))
				m, err := chaim.NewMonitor(t.Context(), s, chaim.MonitorOptions{})
				require.NoError(t, err)
				defer m.Close()
				creds, err := m.Retrieve(t.Context())
				require.NoError(t, err)
				assert.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, 5*time.Second, "less what the SDK waits before it signs again")
				started := time.Now()
				<-m.Updated()
				elapsed := time.Since(started)
				assert.True(t, 30*time.Minute <= elapsed && elapsed <= 40*time.Minute, "renewed after %s", elapsed)
				require.NoError(t, m.Close())
				assert.Equal(t, skew.Abs() > time.Minute, strings.Contains(log.String(), "clock"))
			})
		})
	}
}

func TestSTSRefusesBadInputAlone(t *testing.T) {
	srv := chaimtest.NewServer(t)
	code := func(context.Context) (string, error) { return "123456", nil }
	for name, tt := range map[string]struct {
		change func(*chaim.STS)
		says   string
	}{
		"no role":                {func(s *chaim.STS) { s.RoleARN = "" }, "not the ARN of a role"},
		"role name":              {func(s *chaim.STS) { s.RoleARN = "CrossAccountReadOnly" }, "not the ARN of a role"},
		"ARN of a user":          {func(s *chaim.STS) { s.RoleARN = "arn:aws:iam::111111111111:user/x" }, "not the ARN of a role"},
		"ARN of a session":       {func(s *chaim.STS) { s.RoleARN = "arn:aws:sts::111111111111:assumed-role/a/b" }, "not the ARN of a role"},
		"newline in the role":    {func(s *chaim.STS) { s.RoleARN += "\nX" }, "not the ARN of a role"},
		"region":                 {func(s *chaim.STS) { s.Region = "evil.example/" }, "region"},
		"region elsewhere":       {func(s *chaim.STS) { s.Region = "cn-north-1" }, "partition"},
		"role elsewhere":         {func(s *chaim.STS) { s.RoleARN = "arn:aws-us-gov:iam::111111111111:role/x" }, "partition"},
		"short session":          {func(s *chaim.STS) { s.SessionName = "x" }, "session name"},
		"session with a space":   {func(s *chaim.STS) { s.SessionName = "x y" }, "session name"},
		"long session":           {func(s *chaim.STS) { s.SessionName = strings.Repeat("x", 65) }, "session name"},
		"source identity":        {func(s *chaim.STS) { s.SourceIdentity = "x:y" }, "source identity"},
		"external id":            {func(s *chaim.STS) { s.ExternalID = "hush hush" }, "external id"},
		"policy":                 {func(s *chaim.STS) { s.Policy = "[]" }, "policy"},
		"MFA without code":       {func(s *chaim.STS) { s.MFASerial = "arn:aws:iam::111111111111:mfa/x" }, "MFASerial and TokenCode"},
		"code without MFA":       {func(s *chaim.STS) { s.TokenCode = code }, "MFASerial and TokenCode"},
		"transitive without tag": {func(s *chaim.STS) { s.TransitiveTags = []string{"team"} }, "transitive tag"},
		"too short":              {func(s *chaim.STS) { s.Duration = 899 * time.Second }, "duration"},
		"too long":               {func(s *chaim.STS) { s.Duration = 12*time.Hour + time.Second }, "duration"},
		"plain http":             {func(s *chaim.STS) { s.Endpoint = "http://minio.example:9000" }, "plain http"},
		"http to a name":         {func(s *chaim.STS) { s.Endpoint = "http://localhost:9000" }, "plain http"},
		"no URL":                 {func(s *chaim.STS) { s.Endpoint = "minio" }, "https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			s := stsFor(srv)
			tt.change(s)
			_, err := s.Retrieve(t.Context())
			require.ErrorContains(t, err, tt.says)
			assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "), "%v", err)
			assert.NotContains(t, err.Error(), "hush")
		})
	}
	assert.Empty(t, srv.Requests())
}

func TestSTSMFACode(t *testing.T) {
	srv := chaimtest.NewServer(t)
	failure := errors.New("no device")
	for _, tt := range []struct {
		code string
		err  error
	}{{"12345", nil}, {"1234567", nil}, {"12345x", nil}, {"", failure}} {
		s := stsFor(srv)
		s.MFASerial = "arn:aws:iam::111111111111:mfa/chris"
		s.TokenCode = func(context.Context) (string, error) { return tt.code, tt.err }
		_, err := s.Retrieve(t.Context())
		require.ErrorContains(t, err, "no code of MFA device")
		if tt.err != nil {
			assert.ErrorIs(t, err, tt.err)
		}
	}
	assert.Empty(t, srv.Requests())
}

func TestWithAsksSTSWithoutAGateway(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN"} {
		require.NoError(t, os.Unsetenv(name))
	}
	keys := srv.AddKeys("sredev", "chris")
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)

	for _, tt := range [][2]string{
		{"222222222222", "mpu"},
		{"222222222222", "CrossAccountPowerUser"},
		{"222222222222", "arn:aws:iam::222222222222:role/CrossAccountPowerUser"},
		{"Connected Homes", "arn:aws:iam::222222222222:role/CrossAccountPowerUser"},
	} {
		err := chaim.With(tt[0], tt[1], 1, func(profile string) error {
			require.NoError(t, os.Unsetenv("AWS_ACCESS_KEY_ID"))
			defer os.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
			who, err := whoAmI(t, profile)
			assert.Contains(t, who, "arn:aws:sts::222222222222:assumed-role/CrossAccountPowerUser/asia-")
			return err
		})
		require.NoError(t, err, "%v", tt)
	}
	srv.Reset()

	// It finds keys that have changed in the file.
	require.NoError(t, os.Unsetenv("AWS_ACCESS_KEY_ID"))
	require.NoError(t, os.Unsetenv("AWS_SECRET_ACCESS_KEY"))
	login := func(user string) {
		keys := srv.AddKeys("sredev", user)
		write(t, filepath.Join(home, "credentials"), fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", keys.AccessKeyID, keys.SecretAccessKey))
	}
	login("before")
	client, err := chaim.New(chaim.Options{Account: "222222222222", Role: "mpu"})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.RequestKeys(t.Context())
	require.NoError(t, err)
	login("after")
	_, err = client.RequestKeys(t.Context())
	require.NoError(t, err)
	var users []string
	for _, r := range srv.Requests() {
		users = append(users, r.User)
	}
	assert.Equal(t, []string{"before", "after"}, users)
	require.NoError(t, client.Close())
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	srv.Reset()

	// A program that uses its own profile still renews with its first keys.
	opts := chaim.Options{Account: "222222222222", Role: "mpu", Duration: 2 * time.Hour} // role chaining allows less
	err = chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		t.Setenv("AWS_PROFILE", c.Profile())
		t.Setenv("AWS_ACCESS_KEY_ID", c.Creds().AccessKeyID)
		t.Setenv("AWS_SECRET_ACCESS_KEY", c.Creds().SecretAccessKey)
		t.Setenv("AWS_SESSION_TOKEN", c.Creds().SessionToken)
		_, err := c.RequestKeys(ctx)
		return err
	})
	require.NoError(t, err)
	require.Len(t, srv.Requests(), 2)
	for _, r := range srv.Requests() {
		assert.Equal(t, []any{"chris", 2 * time.Hour, 200}, []any{r.User, r.Duration, r.StatusCode})
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN"} {
		require.NoError(t, os.Unsetenv(name))
	}
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	srv.Reset()

	err = chaim.With("sredev", "mpu", 1, func(string) error { t.Error("fn was called"); return nil })
	require.ErrorIs(t, err, chaim.ErrNotConfigured)
	assert.ErrorContains(t, err, "there is no gateway")
	assert.ErrorContains(t, err, "12-digit account ids")
	err = chaim.With("111111111111", "arn:aws:iam::222222222222:role/CrossAccountPowerUser", 1, func(string) error { t.Error("fn was called"); return nil })
	assert.ErrorContains(t, err, "not one of account 111111111111")
	for _, region := range []string{"us-gov-west-1", "cn-north-1"} {
		t.Setenv("AWS_REGION", region)
		err = chaim.With("222222222222", "mpu", 1, func(string) error { return nil })
		require.NoError(t, err)
	}
	write(t, filepath.Join(home, "config"), "[default]\nregion = us-gov-east-1\n")
	require.NoError(t, os.Unsetenv("AWS_REGION"))
	require.NoError(t, os.Unsetenv("AWS_DEFAULT_REGION"))
	err = chaim.With("222222222222", "mpu", 1, func(string) error { return nil })
	require.NoError(t, err)
	var partitions []string
	for _, r := range srv.Requests() {
		partitions = append(partitions, strings.Split(r.Parameters["RoleArn"], ":")[1])
	}
	assert.Equal(t, []string{"aws-us-gov", "aws-cn", "aws-us-gov"}, partitions)
	srv.Reset()
	t.Setenv("CHAIM_TOKEN", "half a configuration")
	err = chaim.With("222222222222", "mpu", 1, func(string) error { t.Error("fn was called"); return nil })
	require.ErrorIs(t, err, chaim.ErrNotConfigured, "a gateway that lacks something is not passed by")
	assert.Empty(t, srv.Requests())
}

// TestSTSSendsACodeOnce: STS fails after it may have accepted the code of an MFA device. A second request with the code would
// be refused, and would hide why the first one failed.
func TestSTSSendsACodeOnce(t *testing.T) {
	faults := map[string]chaimtest.Fault{
		"500":             chaimtest.Status(500),
		"503":             chaimtest.Status(503),
		"throttled":       chaimtest.Throttle(0),
		"no document":     chaimtest.Body("<html>"),
		"no keys":         chaimtest.Rewrite(func(string) string { return "<AssumeRoleResponse/>" }),
		"connection ends": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"role chaining":   chaimtest.STSError(400, "ValidationError", "exceeds the 1 hour session limit for roles assumed by role chaining"),
	}
	each := func(t *testing.T, source aws.CredentialsProvider) error {
		opts := chaim.EachOptions{Options: chaim.Options{Dir: t.TempDir(), Broker: brokerFunc(func(ctx context.Context, _ chaim.Request) (chaim.Grant, error) {
			creds, err := source.Retrieve(ctx)
			return chaim.Grant{Credentials: creds}, err
		})}}
		return chaim.Each(t.Context(), []chaim.Account{{ID: "111111111111", Name: "sredev"}}, opts, doNothing)
	}
	ways := map[string]func(t *testing.T, s *chaim.STS) error{
		"Retrieve": func(t *testing.T, s *chaim.STS) error { _, err := s.Retrieve(t.Context()); return err },
		"Monitor": func(t *testing.T, s *chaim.STS) error {
			_, err := chaim.NewMonitor(t.Context(), s, chaim.MonitorOptions{})
			return err
		},
		"WithContext": func(t *testing.T, s *chaim.STS) error {
			opts := chaim.Options{Account: "sredev", Source: s, NoProfile: true, Dir: t.TempDir()}
			return chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
		},
		"Each":                func(t *testing.T, s *chaim.STS) error { return each(t, s) },
		"Each with a cache":   func(t *testing.T, s *chaim.STS) error { return each(t, aws.NewCredentialsCache(s)) },
		"Each with a foreign": func(t *testing.T, s *chaim.STS) error { return each(t, aws.CredentialsProviderFunc(s.Retrieve)) },
	}
	noSDKConfig(t)
	for fault, answer := range faults {
		for way, ask := range ways {
			t.Run(fault+"/"+way, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				srv.RequireMFA("sredev", "arn:aws:iam::111111111111:mfa/chris", "123456")
				s, asked := stsFor(srv), 0
				s.Duration = 2 * time.Hour
				s.MFASerial = "arn:aws:iam::111111111111:mfa/chris"
				s.TokenCode = func(context.Context) (string, error) { asked++; return "123456", nil }
				srv.Inject(1, answer) // a second request would succeed
				require.Error(t, ask(t, s))
				assert.Len(t, srv.Requests(), 1)
				assert.Equal(t, 1, asked)
			})
		}
	}
}

// assumeRole is an STS that answers every call with this content.
func assumeRole(content string) chaimtest.Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>%s</AssumeRoleResult></AssumeRoleResponse>`, content)
	}
}

// credentialsXML returns valid credentials with replacements.
func credentialsXML(replace ...string) string {
	text := `<Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>CANARYsecret</SecretAccessKey>` +
		`<SessionToken>CANARYtoken</SessionToken><Expiration>EXPIRATION</Expiration></Credentials>`
	return strings.NewReplacer(append(replace, "EXPIRATION", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))...).Replace(text)
}

func TestSTSReplies(t *testing.T) {
	noSDKConfig(t)
	for _, tt := range []struct {
		name   string
		fault  func() chaimtest.Fault
		says   string // empty for success
		denied bool
		code   string
		calls  int
	}{
		{name: "good", fault: func() chaimtest.Fault { return assumeRole(credentialsXML()) }, calls: 1},
		{name: "fractional seconds", fault: func() chaimtest.Fault {
			return assumeRole(credentialsXML("EXPIRATION", time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z")))
		}, calls: 1},
		{name: "empty", fault: func() chaimtest.Fault { return chaimtest.Body("") }, says: "no credentials", calls: 1},
		{name: "no credentials", fault: func() chaimtest.Fault { return assumeRole("") }, says: "no credentials", calls: 1},
		{name: "no key id", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("ASIAIOSFODNN7EXAMPLE", "")) }, says: "access key id", calls: 1},
		{name: "no secret", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("CANARYsecret", "")) }, says: "secret access key", calls: 1},
		{name: "no token", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("CANARYtoken", "")) }, says: "session token", calls: 1},
		{name: "newline in the token", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("CANARYtoken", "CANARY&#10;[x]")) }, says: "session token", calls: 1},
		{name: "no expiration", fault: func() chaimtest.Fault {
			return assumeRole(credentialsXML("<Expiration>EXPIRATION</Expiration>", ""))
		}, says: "no expiration", calls: 1},
		{name: "unreadable expiration", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("EXPIRATION", "soon CANARY")) }, says: "cannot be read", calls: 1},
		{name: "expired", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("EXPIRATION", "1999-12-31T23:00:00Z")) }, says: "expired", calls: 1},
		{name: "in the far future", fault: func() chaimtest.Fault { return assumeRole(credentialsXML("EXPIRATION", "2036-01-01T00:00:00Z")) }, says: "12 hours", calls: 1},
		{name: "another account", fault: func() chaimtest.Fault {
			return assumeRole(credentialsXML() + `<AssumedRoleUser><Arn>arn:aws:sts::999999999999:assumed-role/a/b</Arn></AssumedRoleUser>`)
		}, says: "another role or account", calls: 1},
		{name: "HTML", fault: func() chaimtest.Fault { return chaimtest.Body("<html>CANARY</html>") }, says: "reply", calls: 1},
		{name: "garbage", fault: chaimtest.Garbage, says: "reply", calls: 1},
		{name: "huge", fault: chaimtest.Huge, says: "reply", calls: 1},
		{name: "redirect", fault: func() chaimtest.Fault { return chaimtest.Redirect("https://evil.example/") }, says: "307", calls: 1, code: "UnknownReply"},
		{name: "server error", fault: func() chaimtest.Fault { return chaimtest.Status(500) }, says: "500", calls: 3, code: "InternalFailure"},
		{name: "throttled", fault: func() chaimtest.Fault { return chaimtest.Throttle(0) }, says: "Throttling", calls: 3, code: "Throttling"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				srv.Inject(-1, tt.fault())
				creds, err := stsFor(srv).Retrieve(t.Context())
				assert.Len(t, srv.Requests(), tt.calls)
				if tt.says == "" {
					require.NoError(t, err)
					assert.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, 0)
					return
				}
				require.ErrorContains(t, err, tt.says)
				assert.Equal(t, aws.Credentials{Source: "chaim"}, creds)
				assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "), "%v", err)
				assertNoSecretIn(t, err, "CANARY")
				var refusal smithy.APIError
				if tt.code != "" && assert.ErrorAs(t, err, &refusal) {
					assert.Equal(t, tt.code, refusal.ErrorCode())
				}
				assert.Equal(t, tt.denied, errors.Is(err, chaim.ErrDenied))
			})
		})
	}
}

// TestSTSOverTLS asks a server with a certificate that only AWS_CA_BUNDLE trusts.
func TestSTSOverTLS(t *testing.T) {
	noSDKConfig(t)
	calls := 0
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		assumeRole(credentialsXML())(w, r)
	}))
	defer srv.Close()
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s := stsFor(chaimtest.NewServer(t))
	s.HTTPClient = nil
	t.Setenv("AWS_ENDPOINT_URL_STS", srv.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")

	_, err := s.Retrieve(t.Context())
	require.ErrorContains(t, err, "failed to verify certificate")
	assert.Zero(t, calls)

	bundle := filepath.Join(t.TempDir(), "ca.pem")
	write(t, bundle, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	t.Setenv("AWS_CA_BUNDLE", bundle)
	creds, err := s.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "ASIAIOSFODNN7EXAMPLE", creds.AccessKeyID)
	assert.Equal(t, 1, calls)
}

// TestSTSCancelledWhileTheReplyArrives: the caller gets a cancellation, not a network error.
func TestSTSCancelledWhileTheReplyArrives(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		s := stsFor(chaimtest.NewServer(t))
		s.HTTPClient = &http.Client{Transport: slowBody{content: credentialsXML()}, Timeout: time.Minute}
		why := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		_, err := s.Retrieve(ctx)
		assert.ErrorIs(t, err, why)
	})
}

// TestSTSDateOfAProxy: a wrong Date makes keys valid for no longer than requested.
func TestSTSDateOfAProxy(t *testing.T) {
	noSDKConfig(t)
	synctest.Test(t, func(t *testing.T) {
		s := stsFor(chaimtest.NewServer(t))
		s.HTTPClient = &http.Client{Transport: slowBody{credentialsXML(), -5 * time.Hour}, Timeout: time.Minute}
		creds, err := s.Retrieve(t.Context())
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Until(creds.Expires), time.Hour)
	})
}

// slowBody is an STS that sets the Date at once, but sends the reply slowly.
type slowBody struct {
	content string
	skew    time.Duration // of its clock
}

type readerFunc func([]byte) (int, error)
