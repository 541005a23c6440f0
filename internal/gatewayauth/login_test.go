package gatewayauth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/checkcode"
	"github.com/chaim-go/chaim/internal/gatewayauth"
	"github.com/chaim-go/chaim/internal/gatewaytest"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

// inMemory asks a double without a network.
type inMemory struct{ *gatewaytest.Gateway }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	return w.Result(), nil
}

func start(t *testing.T) *gatewaytest.Gateway {
	t.Helper()
	g, stop := gatewaytest.New()
	t.Cleanup(stop)
	return g
}

func find(ctx context.Context, g *gatewaytest.Gateway) (*gatewayauth.Server, error) {
	client := &http.Client{Transport: inMemory{g}, CheckRedirect: httpx.RefuseRedirect}
	return gatewayauth.Find(keys.WithSingleAttempt(ctx, true), g.URL()+"/", client, slog.New(slog.DiscardHandler))
}

// press answers the page as a person does, and returns the address to which the browser is sent.
func press(t *testing.T, page, button string) string {
	t.Helper()
	client := &http.Client{CheckRedirect: httpx.RefuseRedirect}
	resp, err := client.PostForm(page, url.Values{"answer": {button}})
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.Header.Get("Location")
}

// visit is a browser that goes to an address.
func visit(t *testing.T, address string) (status int, text string) {
	t.Helper()
	resp, err := http.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// changed returns an address with another value of a parameter, or without it.
func changed(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	query := u.Query()
	query.Set(name, value)
	if value == "" {
		query.Del(name)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func TestLoginByBrowser(t *testing.T) {
	g := start(t)
	s, err := find(t.Context(), g)
	require.NoError(t, err)
	session, err := s.Login(t.Context(), gatewayauth.Login{Program: "chaim/1", Host: "laptop\n\u00e9" + strings.Repeat("x", 100), Show: func(p gatewayauth.Page) {
		asked, err := url.Parse(p.URL)
		require.NoError(t, err)
		query := asked.Query()
		assert.Equal(t, checkcode.Of(query.Get("code_challenge")), p.Check)
		_, page := visit(t, p.URL)
		assert.Contains(t, page, p.Check, "the page has the code of the terminal")
		assert.Empty(t, p.Code)
		assert.Len(t, query.Get("code_challenge"), 43)
		assert.Equal(t, []string{"code", "S256", "chaim-cli", "chaim/1"}, []string{query.Get("response_type"), query.Get("code_challenge_method"), query.Get("client_id"), query.Get("program")})
		assert.Regexp(t, `^laptop\?\?x{56}$`, query.Get("host"))
		assert.Regexp(t, `^http://127\.0\.0\.1:\d+/callback$`, query.Get("redirect_uri"))
		back := press(t, p.URL, "allow")
		status, _ := visit(t, changed(t, back, "state", "wrong"))
		assert.Equal(t, 400, status, "another page's answer changes nothing")
		status, text := visit(t, back)
		assert.Equal(t, 200, status)
		assert.Contains(t, text, "go back to the terminal")
	}})
	require.NoError(t, err)
	assert.Equal(t, gatewaytest.User, session.User)
	assert.True(t, g.IsValid(session.Token))
	assert.WithinDuration(t, time.Now().Add(gatewaytest.Lifetime), session.Expires, time.Minute)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v %s", session, session, session, session), "CANARY")

	require.NoError(t, s.Revoke(t.Context(), session.Token))
	assert.False(t, g.IsValid(session.Token))
}

func TestAnswersOfTheBrowserThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		bring func(t *testing.T, page string) string
		want  string
		is    error
	}{
		"denied": {func(t *testing.T, page string) string { return press(t, page, "deny") }, "the sign-in page answered access_denied", keys.ErrDenied},
		"of another issuer": {func(t *testing.T, page string) string {
			return changed(t, press(t, page, "allow"), "iss", "https://evil.example")
		}, "is not one of http://127.0.0.1", nil},
		"without an issuer": {func(t *testing.T, page string) string { return changed(t, press(t, page, "allow"), "iss", "") }, "is not one of http://127.0.0.1", nil},
		"with two issuers": {func(t *testing.T, page string) string {
			return press(t, page, "allow") + "&iss=https%3A%2F%2Fevil.example"
		}, "is not one of http://127.0.0.1", nil},
		"without a code":    {func(t *testing.T, page string) string { return changed(t, press(t, page, "allow"), "code", "") }, "neither a code nor an error", nil},
		"with another code": {func(t *testing.T, page string) string { return changed(t, press(t, page, "allow"), "code", "CANARY-x") }, "the gateway answered invalid_grant", nil},
		"for another challenge": {func(t *testing.T, page string) string {
			return press(t, changed(t, page, "code_challenge", strings.Repeat("x", 43)), "allow")
		}, "the gateway answered invalid_grant: as the test wants it", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := find(t.Context(), start(t))
			require.NoError(t, err)
			_, err = s.Login(t.Context(), gatewayauth.Login{Show: func(p gatewayauth.Page) {
				_, text := visit(t, tt.bring(t, p.URL))
				assert.NotContains(t, text, "CANARY")
			}})
			require.ErrorContains(t, err, "signing in to http://127.0.0.1")
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "CANARY")
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
		})
	}
}

func TestLoginByDevice(t *testing.T) {
	for name, tt := range map[string]struct {
		states []string
		want   string
		after  time.Duration
		is     error
	}{
		"allowed":   {[]string{""}, "", 5 * time.Second, nil},
		"pending":   {[]string{"authorization_pending", "authorization_pending", ""}, "", 15 * time.Second, nil},
		"slow down": {[]string{"authorization_pending", "slow_down", ""}, "", 20 * time.Second, nil},
		"slower":    {[]string{"slow_down", "slow_down", ""}, "", 30 * time.Second, nil},
		"refused":   {[]string{"authorization_pending", "access_denied"}, "the sign-in was refused in the browser", 10 * time.Second, keys.ErrDenied},
		"too late":  {[]string{"expired_token"}, "the code has ended", 5 * time.Second, nil},
		"never":     {[]string{"authorization_pending"}, "no sign-in within 10m0s", 10 * time.Minute, nil},
		"a fault":   {[]string{"invalid_request"}, "the gateway answered invalid_request: as the test wants it", 5 * time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			synctest.Test(t, func(t *testing.T) {
				g.Logins().States = tt.states
				s, err := find(t.Context(), g)
				require.NoError(t, err)
				began := time.Now()
				session, err := s.Login(t.Context(), gatewayauth.Login{Device: true, Program: "chaim/1", Host: "laptop", Show: func(p gatewayauth.Page) {
					assert.Equal(t, gatewayauth.Page{URL: g.URL() + "/device", Code: "BCDF-GHJK"}, p)
				}})
				assert.Equal(t, tt.after, time.Since(began))
				assert.Equal(t, url.Values{"client_id": {"chaim-cli"}, "program": {"chaim/1"}, "host": {"laptop"}}, g.Logins().Asked())
				if tt.want == "" {
					require.NoError(t, err)
					assert.Equal(t, gatewaytest.User, session.User)
					return
				}
				require.ErrorContains(t, err, tt.want)
				assert.NotContains(t, err.Error(), "CANARY")
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
			})
		})
	}
}

func TestMetadata(t *testing.T) {
	const evil = "https://evil.example/oauth"
	set := func(name string, value any) func(map[string]any) { return func(m map[string]any) { m[name] = value } }
	for name, tt := range map[string]struct {
		change func(map[string]any)
		want   string
	}{
		"another issuer":        {set("issuer", "https://evil.example"), `says that its URL is "https://evil.example"`},
		"another authorization": {set("authorization_endpoint", evil), `another server as its authorization endpoint: "https://evil.example/oauth"`},
		"another token":         {set("token_endpoint", evil), "as its token endpoint"},
		"another revocation":    {set("revocation_endpoint", ""), "as its revocation endpoint"},
		"another device":        {set("device_authorization_endpoint", evil), "as its device authorization endpoint"},
		"not S256":              {set("code_challenge_methods_supported", []string{"plain"}), "no PKCE challenge of the method S256"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			g.Logins().Metadata = tt.change
			_, err := find(t.Context(), g)
			require.ErrorContains(t, err, tt.want)
			no := (*gatewayauth.NotGatewayError)(nil)
			assert.NotErrorAs(t, err, &no)
		})
	}
	g := start(t)
	g.Logins().Metadata = func(m map[string]any) { delete(m, "device_authorization_endpoint") }
	s, err := find(t.Context(), g)
	require.NoError(t, err)
	_, err = s.Login(t.Context(), gatewayauth.Login{Device: true})
	require.ErrorContains(t, err, "allows no sign-in with --device")
}

func TestServersThatAreNoGateway(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"nothing there": {404, "CANARY", "it answered 404 to /.well-known/oauth-authorization-server"},
		"a portal":      {302, "", "it answered 302"},
		"a page":        {200, "<html>CANARY", "it answered with an HTML page"},
		"other JSON":    {200, `{"a":"CANARY"}`, "it answered with something else"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			g.Instead = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Location", "https://corp.awsapps.com/start")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
				return true
			}
			_, err := find(t.Context(), g)
			no := (*gatewayauth.NotGatewayError)(nil)
			require.ErrorAs(t, err, &no)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "CANARY")
		})
	}
	for _, address := range []string{"http://gateway.example", "https://u:CANARY@gateway.example", "ftp://gateway.example", "https://gateway.example/?CANARY"} {
		_, err := gatewayauth.Find(t.Context(), address, nil, nil)
		require.Error(t, err, address)
		assert.NotContains(t, err.Error(), "CANARY")
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		field string
		value any
		want  string
	}{
		"none":            {"access_token", "", "no user token"},
		"another":         {"access_token", "ghp_CANARYCANARYCANARY", "no user token"},
		"two lines":       {"access_token", "chm1_1_CANARYCANARYCANARY\n[default]", "no user token"},
		"another type":    {"token_type", "DPoP", "no user token"},
		"no user":         {"username", "", "no user name"},
		"a hostile user":  {"username", "a\ncredential_process = CANARY", "no user name"},
		"a percent":       {"username", "a%(x)s", "no user name"},
		"for ever":        {"expires_in", 1 << 40, "how long the token is valid"},
		"ended":           {"expires_in", 0, "how long the token is valid"},
		"another meaning": {"expires_in", "CANARY", "reply is not that of a chaim gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			g.Change = func(_ string, answer map[string]any) { answer[tt.field] = tt.value }
			synctest.Test(t, func(t *testing.T) {
				s, err := find(t.Context(), g)
				require.NoError(t, err)
				_, err = s.Login(t.Context(), gatewayauth.Login{Device: true, Show: func(gatewayauth.Page) {}})
				require.ErrorContains(t, err, tt.want)
				assert.NotContains(t, err.Error(), "CANARY")
			})
		})
	}
}

func TestHostilePageOfADevice(t *testing.T) {
	g := start(t)
	g.Instead = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/oauth/device_authorization" {
			_, _ = io.WriteString(w, `{"device_code":"CANARY","user_code":"BCDF-GHJK","verification_uri":"https://evil.example/device","interval":5}`)
			return true
		}
		return false
	}
	s, err := find(t.Context(), g)
	require.NoError(t, err)
	_, err = s.Login(t.Context(), gatewayauth.Login{Device: true, Show: func(gatewayauth.Page) { t.Error("the page is shown") }})
	require.ErrorContains(t, err, `a page of another server: "https://evil.example/device"`)
}
