package chaimtest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

const readOnly = "arn:aws:iam::111111111111:role/CrossAccountReadOnly"

func TestSTSGatewayKeys(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, _ := keys(t, srv, "sredev,rro,1")
	out, err := stsClient(srv, c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/test.user", *out.Arn)
	require.Equal(t, "111111111111", *out.Account)
	require.Regexp(t, `^AROA[A-Z2-7]{17}:test\.user$`, *out.UserId)
	r := last(t, srv)
	require.Equal(t, "GetCallerIdentity", r.Action)
	require.Equal(t, "test.user", r.User)
	require.Equal(t, 200, r.StatusCode)
	require.Contains(t, r.UserAgent, "aws-sdk-go-v2")

	secret := c
	secret.SecretAccessKey = "!" + c.SecretAccessKey[1:]
	_, err = whoami(t, srv, secret)
	requireAPIError(t, err, "SignatureDoesNotMatch", "does not match the signature you provided")
	require.Contains(t, last(t, srv).Error, "SignatureDoesNotMatch: ")
	require.Empty(t, last(t, srv).User)

	token := c
	token.SessionToken = "!" + c.SessionToken[1:]
	_, err = whoami(t, srv, token)
	requireAPIError(t, err, "InvalidClientTokenId", "is invalid")
	token.SessionToken = ""
	_, err = whoami(t, srv, token)
	requireAPIError(t, err, "InvalidClientTokenId", "is invalid")

	unknown := c
	unknown.AccessKeyID = "ASIAAAAAAAAAAAAAAAAA"
	_, err = whoami(t, srv, unknown)
	requireAPIError(t, err, "InvalidClientTokenId", "is invalid")
}

func TestSTSExpiry(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, f := keys(t, srv, "sredev,rro,900")
	sign := func() error {
		// A client with the server's time signs by the server's clock.
		return status(t, srv, handSigned(t, srv, c, srv.Now(), call{}))
	}
	require.NoError(t, sign())
	srv.Advance(15*time.Minute - 2*time.Second)
	require.NoError(t, sign())
	srv.Advance(3 * time.Second)
	require.ErrorContains(t, sign(), "403 ExpiredToken: The security token included in the request is expired")
	requireUnix(t, srv.Now(), f["expires"])

	// For a wrong signature with expired keys the error is about the signature.
	bad := c
	bad.SecretAccessKey = "nonsense"
	err := status(t, srv, handSigned(t, srv, bad, srv.Now(), call{}))
	require.ErrorContains(t, err, "403 SignatureDoesNotMatch")
}

func TestSTSClockSkew(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := srv.AddKeys("sredev", "ci")
	for _, tt := range []struct {
		off  time.Duration
		want string
	}{
		{-14 * time.Minute, ""},
		{14 * time.Minute, ""},
		{-16 * time.Minute, "403 SignatureDoesNotMatch: Signature expired: "},
		{16 * time.Minute, "403 SignatureDoesNotMatch: Signature not yet current: "},
	} {
		err := status(t, srv, handSigned(t, srv, c, srv.Now().Add(tt.off), call{}))
		if tt.want == "" {
			require.NoError(t, err, tt.off)
		} else {
			require.ErrorContains(t, err, tt.want, tt.off)
		}
	}

	// The SDK learns of the skew from the Date header and tries again.
	srv.Advance(-time.Hour)
	client := sts.New(sts.Options{
		Region: "eu-west-1", HTTPClient: srv.HTTPClient(),
		Credentials: stsClient(srv, c).Options().Credentials,
	})
	_, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	list := srv.Requests()
	require.Contains(t, list[len(list)-2].Error, "Signature not yet current")
}

func TestSTSAssumeRole(t *testing.T) {
	srv := chaimtest.NewServer(t)
	first := srv.AddKeys("sredev", "ci")
	arn, err := whoami(t, srv, first)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::111111111111:user/ci", arn)

	assume := func(c aws.Credentials, role, session string, seconds int32) (*sts.AssumeRoleOutput, error) {
		in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session}
		if seconds != 0 {
			in.DurationSeconds = &seconds
		}
		return stsClient(srv, c).AssumeRole(t.Context(), in)
	}
	out, err := assume(first, readOnly, "asia-release-1", 43200)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(12*time.Hour), *out.Credentials.Expiration, 10*time.Second)
	require.Equal(t, "arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/asia-release-1", *out.AssumedRoleUser.Arn)
	require.Regexp(t, `^AROA[A-Z2-7]{17}:asia-release-1$`, *out.AssumedRoleUser.AssumedRoleId)
	r := last(t, srv)
	require.Equal(t, chaimtest.Request{
		Time: r.Time, Action: "AssumeRole", Account: "111111111111", Role: "CrossAccountReadOnly",
		Duration: 12 * time.Hour, User: "ci", Host: "sts.eu-west-1.amazonaws.com", UserAgent: r.UserAgent, StatusCode: 200,
		Parameters: map[string]string{"RoleArn": readOnly, "RoleSessionName": "asia-release-1", "DurationSeconds": "43200"},
	}, r)

	second := issued(out)
	arn, err = whoami(t, srv, second)
	require.NoError(t, err)
	require.Equal(t, *out.AssumedRoleUser.Arn, arn)

	// Role chaining, with a path and another partition in the role's ARN.
	_, err = assume(second, "arn:aws:iam::333333333333:role/CrossAccountAdminUser", "chained", 3601)
	requireAPIError(t, err, "ValidationError",
		"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	out, err = assume(second, "arn:aws-cn:iam::333333333333:role/some/path/CrossAccountAdminUser", "chained", 0)
	require.NoError(t, err)
	require.Equal(t, "arn:aws-cn:sts::333333333333:assumed-role/CrossAccountAdminUser/chained", *out.AssumedRoleUser.Arn)
	require.WithinDuration(t, time.Now().Add(time.Hour), *out.Credentials.Expiration, 10*time.Second)

	srv.Deny("ci", "222222222222", "")
	for _, tt := range []struct {
		role, session string
		seconds       int32
		code, part    string
	}{
		{readOnly, "ok", 899, "ValidationError", "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{readOnly, "ok", 43201, "ValidationError", "less than or equal to 43200"},
		{readOnly, "x", 0, "ValidationError", "at 'roleSessionName'"},
		{readOnly, strings.Repeat("x", 65), 0, "ValidationError", "length less than or equal to 64"},
		{readOnly, "a b", 0, "ValidationError", `[\w+=,.@-]*`},
		{"arn:aws:iam::1:role/CrossAccountReadOnly", "ok", 0, "ValidationError", "is invalid"},
		{
			"arn:aws:iam::999999999999:role/CrossAccountReadOnly", "ok", 0, "AccessDenied",
			"User: arn:aws:iam::111111111111:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::999999999999:role/CrossAccountReadOnly",
		},
		{"arn:aws:iam::111111111111:role/rro", "ok", 0, "AccessDenied", "is not authorized"},
		{"arn:aws:iam::222222222222:role/CrossAccountReadOnly", "ok", 0, "AccessDenied", "is not authorized"},
	} {
		_, err := assume(first, tt.role, tt.session, tt.seconds)
		requireAPIError(t, err, tt.code, tt.part)
		require.Contains(t, last(t, srv).Error, tt.code)
	}
	require.Panics(t, func() { srv.AddKeys("nowhere", "x") })
	require.Equal(t, "999999999999", srv.AddKeys("999999999999", "x").AccountID)
}

// call is a request that handSigned signs: by default a POST of GetCallerIdentity, signed as botocore does.
type call struct {
	method, query, body   string
	host, service, region string
	contentLength         bool // sign it, as the Go SDK does
	path                  string
	change                func(*http.Request)
}

const identityForm = "Action=GetCallerIdentity&Version=2011-06-15"

func handSigned(t testing.TB, srv *chaimtest.Server, c aws.Credentials, at time.Time, k call) *http.Request {
	t.Helper()
	or := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	or(&k.method, http.MethodPost)
	or(&k.host, "127.0.0.1")
	or(&k.service, "sts")
	or(&k.region, "eu-west-1")
	or(&k.path, "/sts")
	if k.method == http.MethodPost {
		or(&k.body, identityForm)
	}
	req, err := http.NewRequestWithContext(t.Context(), k.method, "http://"+k.host+k.path+"?"+k.query, strings.NewReader(k.body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	length := req.ContentLength
	if !k.contentLength {
		req.ContentLength = 0 // leaves it out of the signature
	}
	sum := sha256.Sum256([]byte(k.body))
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), c, req, hex.EncodeToString(sum[:]), k.service, k.region, at))
	require.Equal(t, k.contentLength, strings.Contains(req.Header.Get("Authorization"), "content-length"))
	req.ContentLength = length
	if k.change != nil {
		k.change(req)
	}
	return req
}

type statusError string

func (e statusError) Error() string { return string(e) }

// status sends the request and returns an error like "403 Code: message" unless it succeeds.
func status(t testing.TB, srv *chaimtest.Server, req *http.Request) error {
	t.Helper()
	res, err := srv.HTTPClient().Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "text/xml", res.Header.Get("Content-Type"))
	if res.StatusCode == http.StatusOK {
		require.Contains(t, string(body), `xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`)
		return nil
	}
	require.Contains(t, string(body), `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`)
	return statusError(res.Status[:4] + last(t, srv).Error)
}

func TestSTSSignatures(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c := srv.AddKeys("sredev", "ci")
	temp, _ := keys(t, srv, "sredev,rro,1")
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	edit := func(old, replacement string) func(*http.Request) {
		return func(r *http.Request) {
			a := r.Header.Get("Authorization")
			require.Contains(t, a, old)
			r.Header.Set("Authorization", strings.Replace(a, old, replacement, 1))
		}
	}
	const amzDate = "20060102T150405Z"
	day := time.Now().UTC().Format("20060102")
	for _, tt := range []struct {
		name, want string
		call       call
	}{
		{"as botocore", "", call{}},
		{"as the Go SDK", "", call{contentLength: true}},
		{"GET with query", "", call{method: "GET", query: identityForm}},
		{"trailing slash", "", call{path: "/sts/"}},
		{"real host name", "", call{host: "sts.us-east-1.amazonaws.com", path: "/", region: "us-east-1"}},
		{"spaces in query", "400 InvalidAction", call{method: "GET", query: "Action=a+b%20c%2B~*&Version=2011-06-15"}},
		{"unsigned header added", "", call{change: header("X-Other", "x")}},
		{"unknown action", "400 InvalidAction: Could not find operation Foo for version 2011-06-15", call{body: "Action=Foo&Version=2011-06-15"}},
		{"no version", "400 InvalidAction: Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED", call{body: "Action=GetCallerIdentity"}},
		{"FIPS host name", "", call{host: "sts-fips.us-east-1.amazonaws.com", path: "/", region: "us-east-1"}},
		{"tampered body", "403 SignatureDoesNotMatch: The request signature we calculated does not match", call{change: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(identityForm, "15", "16", 1)))
		}}},
		{"tampered query", "403 SignatureDoesNotMatch", call{method: "GET", query: identityForm, change: func(r *http.Request) {
			r.URL.RawQuery += "&x=y"
		}}},
		{"tampered header", "403 SignatureDoesNotMatch", call{change: header("Content-Type", "application/x-www-form-urlencoded")}},
		{"tampered date", "403 SignatureDoesNotMatch", call{change: func(r *http.Request) {
			date, err := time.Parse(amzDate, r.Header.Get("X-Amz-Date"))
			require.NoError(t, err)
			r.Header.Set("X-Amz-Date", date.Add(time.Second).Format(amzDate))
		}}},
		{"tampered host", "403 SignatureDoesNotMatch", call{change: func(r *http.Request) { r.Host = "sts.example.com" }}},
		{"other service", "403 SignatureDoesNotMatch: Credential should be scoped to correct service: 'sts'.", call{service: "s3"}},
		{"other day", "403 SignatureDoesNotMatch: Date in Credential scope", call{change: edit(day, "20010101")}},
		{"other terminator", "403 SignatureDoesNotMatch: Credential should be scoped with a valid terminator", call{change: edit("aws4_request", "aws5_request")}},
		{"host not signed", "403 SignatureDoesNotMatch: 'Host' must be", call{change: edit("host;", "")}},
		{"header not signed", "403 SignatureDoesNotMatch: The request signature", call{change: edit("content-type;", "")}},
		{"token with long-lived keys", "403 InvalidClientTokenId", call{change: header("X-Amz-Security-Token", temp.SessionToken)}},
		{"no date", "400 IncompleteSignature: Authorization header requires", call{change: func(r *http.Request) { r.Header.Del("X-Amz-Date") }}},
		{"other algorithm", "400 IncompleteSignature", call{change: edit("AWS4-HMAC-SHA256", "AWS3")}},
		{"broken scope", "400 IncompleteSignature", call{change: edit("/sts/", "/")}},
		{"no signature", "400 IncompleteSignature", call{change: edit("Signature=", "X=")}},
		{"not signed", "403 MissingAuthenticationToken", call{change: func(r *http.Request) { r.Header.Del("Authorization") }}},
		{"other method", "405 MethodNotAllowed", call{method: "PUT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := status(t, srv, handSigned(t, srv, c, time.Now(), tt.call))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}

	t.Run("temporary keys without a token", func(t *testing.T) {
		temp.SessionToken = ""
		err := status(t, srv, handSigned(t, srv, temp, time.Now(), call{}))
		require.ErrorContains(t, err, "InvalidClientTokenId")
	})
	t.Run("non-integer duration", func(t *testing.T) {
		form := url.Values{
			"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {readOnly},
			"RoleSessionName": {"ok"}, "DurationSeconds": {"1h"},
		}
		err := status(t, srv, handSigned(t, srv, c, time.Now(), call{body: form.Encode()}))
		require.ErrorContains(t, err, "400 ValidationError")
	})
}
