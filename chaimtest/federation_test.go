package chaimtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

func signInForm(t testing.TB, c aws.Credentials, more ...string) url.Values {
	t.Helper()
	session, err := json.Marshal(map[string]string{
		"sessionId": c.AccessKeyID, "sessionKey": c.SecretAccessKey, "sessionToken": c.SessionToken,
	})
	require.NoError(t, err)
	form := url.Values{"Action": {"getSigninToken"}, "Session": {string(session)}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// federate sends a form to the sign-in host, as a query for GET.
func federate(t testing.TB, srv *chaimtest.Server, method, host string, form url.Values) (int, string, http.Header) {
	t.Helper()
	where, body := "https://"+host+"/federation", form.Encode()
	if method == http.MethodGet {
		where, body = where+"?"+body, ""
	}
	req, err := http.NewRequestWithContext(t.Context(), method, where, strings.NewReader(body))
	require.NoError(t, err)
	res, err := srv.HTTPClient().Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text), res.Header
}

func TestFederation(t *testing.T) {
	srv := chaimtest.NewServer(t)
	ofGateway, _ := keys(t, srv, "sredev,rro,1")
	out, err := assumeRole(t.Context(), srv, srv.AddKeys("sredev", "ci"), nil)
	require.NoError(t, err)
	out2, err := assumeRole(t.Context(), srv, issued(out), nil)
	require.NoError(t, err)
	for _, tt := range []struct {
		name, user string
		keys       aws.Credentials
		more       []string
	}{
		{"of the gateway", "test.user", ofGateway, []string{"SessionDuration", "43200"}},
		{"of a role", "ci", issued(out), []string{"SessionDuration", "900"}},
		{"by role chaining", "ci", issued(out2), nil},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, host := range []string{"signin.aws.amazon.com", "eusc-de-east-1.signin.amazonaws-eusc.eu"} {
				form := signInForm(t, tt.keys, tt.more...)
				status, body, _ := federate(t, srv, method, host, form)
				require.Equal(t, http.StatusOK, status, tt.name)
				require.Regexp(t, `^{"SigninToken":"CANARY[^"]{300,}"}\n$`, body)
				r := last(t, srv)
				assert.Equal(t, "GetSigninToken", r.Action)
				assert.Equal(t, tt.user, r.User)
				assert.Equal(t, host, r.Host)
				assert.Empty(t, r.Error)
				assert.Equal(t, len(tt.more) > 0, r.Duration > 0)
			}
		}
	}
}

func TestFederationRefuses(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, _ := keys(t, srv, "sredev,rro,1")
	changed := func(change func(*aws.Credentials)) url.Values {
		c := c
		change(&c)
		return signInForm(t, c)
	}
	out, err := assumeRole(t.Context(), srv, c, func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(900) })
	require.NoError(t, err)
	refuse := func(name string, form url.Values, want string) {
		t.Helper()
		status, body, header := federate(t, srv, http.MethodPost, "signin.aws.amazon.com", form)
		assert.Equal(t, http.StatusBadRequest, status, name)
		assert.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"), name)
		assert.Contains(t, body, want, name)
		assert.NotContains(t, body, "CANARY", name)
		assert.Contains(t, last(t, srv).Error, want, name)
		assert.Empty(t, last(t, srv).User, name)
	}
	const invalid = "not valid temporary credentials"
	refuse("unknown", changed(func(c *aws.Credentials) { c.AccessKeyID = "ASIAIOSFODNN7EXAMPLE" }), invalid)
	refuse("wrong secret", changed(func(c *aws.Credentials) { c.SecretAccessKey += "x" }), invalid)
	refuse("wrong token", changed(func(c *aws.Credentials) { c.SessionToken = "" }), invalid)
	refuse("long-lived", signInForm(t, srv.AddKeys("sredev", "ci")), invalid)
	refuse("action", signInForm(t, c, "Action", "login"), "malformed")
	refuse("session", signInForm(t, c, "Session", "{"), "malformed")
	for _, seconds := range []string{"899", "43201", "", "1h"} {
		refuse(seconds, signInForm(t, c, "SessionDuration", seconds), "not a number of seconds")
	}
	refuse("chained", signInForm(t, issued(out), "SessionDuration", "900"), "role chaining")
	status, _, _ := federate(t, srv, http.MethodPut, "signin.aws.amazon.com", signInForm(t, c))
	assert.Equal(t, http.StatusBadRequest, status)
	srv.Advance(time.Hour)
	refuse("expired", signInForm(t, c), "expired")

	_, body, _ := federate(t, srv, http.MethodPost, "gateway.example", signInForm(t, c))
	assert.Contains(t, body, "Missing Authentication Token", "it is only at the sign-in hosts")
	assert.Empty(t, last(t, srv).Action)
}

func TestFaultsAtFederation(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, _ := keys(t, srv, "sredev,rro,1")
	for _, tt := range []struct {
		fault  chaimtest.Fault
		status int
		says   string
	}{
		{chaimtest.Refuse("a <b> c"), 400, "a &lt;b&gt; c"},
		{chaimtest.Throttle(time.Second), 429, "Too Many Requests"},
		{chaimtest.Status(503), 503, "Service Unavailable"},
	} {
		srv.Inject(1, tt.fault)
		status, body, header := federate(t, srv, http.MethodPost, "signin.aws.amazon.com", signInForm(t, c))
		assert.Equal(t, tt.status, status)
		assert.Contains(t, body, "<p>"+tt.says+"</p>")
		assert.Equal(t, tt.status == 429, header.Get("Retry-After") == "1")
		assert.Equal(t, "injected fault", last(t, srv).Error)
		assert.Equal(t, "GetSigninToken", last(t, srv).Action)
	}
}
