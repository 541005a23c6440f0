package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func page(t *testing.T, method, target string, header http.Header) *http.Response {
	public, err := url.Parse("https://chaim.example.com")
	require.NoError(t, err)
	h := Pages(public, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a page")) }))
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestPagesKeepOtherSitesAway(t *testing.T) {
	h := page(t, http.MethodGet, "https://chaim.example.com/keys", nil).Header
	for _, directive := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'", "script-src 'self'"} {
		assert.Contains(t, h.Get("Content-Security-Policy"), directive)
	}
	assert.NotContains(t, h.Get("Content-Security-Policy"), "unsafe")
	assert.Equal(t, "DENY", h.Get("X-Frame-Options"))
	assert.Equal(t, "no-store", h.Get("Cache-Control"))
	assert.Equal(t, "same-origin", h.Get("Referrer-Policy"))
	assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
	assert.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"))
	assert.NotEmpty(t, h.Get("Strict-Transport-Security"))
}

func TestPagesAreForTheirHostOnly(t *testing.T) {
	for _, host := range []string{"evil.example", "chaim.example.com:444", "chaim.example.com.", "CHAIM.example.com"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			answer := page(t, method, "https://"+host+"/keys?x=1", nil)
			assert.Equal(t, http.StatusMisdirectedRequest, answer.StatusCode, host)
			assert.Empty(t, answer.Header.Get("Location"), "a proxy that changes the header would be asked for ever")
		}
	}
}

func TestRequestsThatAnotherSiteCausedAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		header http.Header
		want   int
	}{
		"another site":    {http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
		"a subdomain":     {http.Header{"Sec-Fetch-Site": {"same-site"}}, http.StatusForbidden},
		"another origin":  {http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
		"no origin":       {http.Header{"Origin": {"null"}}, http.StatusForbidden},
		"the gateway":     {http.Header{"Sec-Fetch-Site": {"same-origin"}}, http.StatusOK},
		"its old browser": {http.Header{"Origin": {"https://chaim.example.com"}}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.want, page(t, http.MethodPost, "https://chaim.example.com/auth/logout", tc.header).StatusCode)
		})
	}
}

func TestAFormMayLeadToAProgramOfThisMachineOnly(t *testing.T) {
	for address, isAllowed := range map[string]bool{
		"http://127.0.0.1:4711/callback": true, "http://[::1]:4711/callback": true, "https://127.0.0.1:4711/": false, "http://localhost:4711/": false,
		"http://evil.example/": false, "http://127.0.0.1/": false, "http://10.0.0.1:80/": false, "http://[::1%25x]:80/": false,
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		w := httptest.NewRecorder()
		AllowForm(w, address)
		got := w.Header().Get("Content-Security-Policy")
		assert.Equal(t, isAllowed, strings.HasSuffix(got, "form-action 'self' http://"+u.Host), address)
	}
}
