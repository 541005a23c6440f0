package chaimtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

// envelope is the gateway's reply.
type envelope struct {
	ResponseType string            `json:"response_type"`
	StatusCode   string            `json:"statusCode"`
	Text         string            `json:"text"`
	Headers      map[string]string `json:"headers"`
}

// post sends a form to the server in memory. It returns errors instead of failing the test, for use in goroutines.
func post(ctx context.Context, srv *chaimtest.Server, path string, form url.Values) (int, string, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := *srv.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), res.Header, err
}

// defaults returns the default user and the token.
func defaults(srv *chaimtest.Server) (user, token string) {
	s := srv.Settings()
	return s.Username, s.UserToken
}

func askForm(srv *chaimtest.Server, text string) url.Values {
	user, token := defaults(srv)
	return url.Values{
		"text": {text}, "user_name": {user}, "token": {token},
		"response_url": {"ignoreme"}, "useragent": {"chaimtest 1.0"},
	}
}

// ask sends text to the gateway and returns the reply.
func ask(ctx context.Context, srv *chaimtest.Server, text string) (envelope, error) {
	var e envelope
	status, body, _, err := post(ctx, srv, "/prod/", askForm(srv, text))
	if err != nil {
		return e, err
	}
	if status != http.StatusOK {
		return e, fmt.Errorf("status %d: %s", status, body)
	}
	return e, json.Unmarshal([]byte(body), &e)
}

var field = regexp.MustCompile(`'(\w+)': (?:'([^']*)'|"([^"]*)"|(\d+))`)

// fields reads the flat dict of a reply.
func fields(text string) map[string]string {
	m := map[string]string{}
	for _, f := range field.FindAllStringSubmatch(text, -1) {
		m[f[1]] = f[2] + f[3] + f[4]
	}
	return m
}

// keys asks the gateway for keys.
func keys(t testing.TB, srv *chaimtest.Server, text string) (aws.Credentials, map[string]string) {
	t.Helper()
	e, err := ask(t.Context(), srv, text)
	require.NoError(t, err)
	require.Equal(t, "200", e.StatusCode, e.Text)
	f := fields(e.Text)
	return aws.Credentials{
		AccessKeyID: f["accesskeyid"], SecretAccessKey: f["secretkey"], SessionToken: f["sessiontoken"],
	}, f
}

// stsClient is an AWS client in memory that does not retry.
func stsClient(srv *chaimtest.Server, c aws.Credentials) *sts.Client {
	return sts.New(sts.Options{
		Region:      "eu-west-1",
		Credentials: credentials.StaticCredentialsProvider{Value: c},
		HTTPClient:  srv.HTTPClient(),
		Retryer:     aws.NopRetryer{},
	})
}

// issued returns the keys of a reply.
func issued(out *sts.AssumeRoleOutput) aws.Credentials {
	return aws.Credentials{
		AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken: aws.ToString(out.Credentials.SessionToken),
	}
}

func whoami(t testing.TB, srv *chaimtest.Server, c aws.Credentials) (string, error) {
	t.Helper()
	out, err := stsClient(srv, c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Arn), nil
}

// requireAPIError checks code and a part of the message of an AWS error.
func requireAPIError(t testing.TB, err error, code, part string) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode())
	require.Contains(t, api.ErrorMessage(), part)
}

func last(t testing.TB, srv *chaimtest.Server) chaimtest.Request {
	t.Helper()
	list := srv.Requests()
	require.NotEmpty(t, list)
	return list[len(list)-1]
}

// eventually waits until ok returns true.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, time.Millisecond)
}

func unset(t testing.TB, name string) bool {
	t.Helper()
	_, found := os.LookupEnv(name)
	return !found
}
