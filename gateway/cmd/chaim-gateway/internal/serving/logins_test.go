package serving

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/people"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/internal/gatewayauth"
	"github.com/chaim-go/chaim/internal/httpx"
)

// client reaches a replica under the public address of the gateway. It follows no redirects.
func (w *world) client(g *Gateway) *http.Client {
	jar, _ := cookiejar.New(nil) // never fails
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, g.Addr().String())
	}
	return &http.Client{Jar: jar, CheckRedirect: httpx.RefuseRedirect, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// page is an answer that was read.
type page struct {
	*http.Response
	text string
}

func (w *world) ask(t *testing.T, c *http.Client, method, address string, form url.Values, header ...string) page {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = w.config.Server.URL.String() + address
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	answer, err := c.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return page{answer, string(text)}
}

// signIn signs a browser in as ann, by a link of the operator.
func (w *world) signIn(t *testing.T, browser *http.Client) {
	t.Helper()
	link, err := people.SignInLink(t.Context(), w.session, "ann")
	require.NoError(t, err)
	u, err := url.Parse(link)
	require.NoError(t, err)
	assert.Empty(t, w.ask(t, browser, http.MethodGet, link, nil).Cookies(), "a link that a program follows signs nobody in")
	in := w.ask(t, browser, http.MethodPost, "/auth/link", u.Query())
	require.Equal(t, http.StatusSeeOther, in.StatusCode, in.text)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// pressed is the form of a page with a button pressed.
func pressed(p page, decision string) url.Values {
	form := url.Values{"decision": {decision}}
	for _, field := range hidden.FindAllStringSubmatch(p.text, -1) {
		form.Add(field[1], strings.NewReplacer("&#43;", "+", "&amp;", "&").Replace(field[2]))
	}
	return form
}

func (w *world) login(t *testing.T, g *Gateway) *gatewayauth.Server {
	t.Helper()
	s, err := gatewayauth.Find(t.Context(), w.config.Server.URL.String(), w.client(g), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s
}

func TestALoginAtOneReplicaCountsAtAll(t *testing.T) {
	w, g := serving(t, storetest.Postgres(t), nil)
	other, err := Open(t.Context(), g.options)
	require.NoError(t, err)
	run(t, g)
	run(t, other)
	browser := w.client(g)
	w.signIn(t, browser)
	*browser = http.Client{Jar: browser.Jar, CheckRedirect: browser.CheckRedirect, Transport: w.client(other).Transport} // the balancer takes another replica

	got, err := w.login(t, g).Login(t.Context(), gatewayauth.Login{Program: "chaim/2", Host: "laptop", Show: func(p gatewayauth.Page) {
		consent := w.ask(t, browser, http.MethodGet, p.URL, nil)
		assert.Equal(t, http.StatusOK, consent.StatusCode, "nothing happens without the button")
		for _, want := range []string{p.Check, "chaim/2", "laptop", "ann"} {
			assert.Contains(t, consent.text, want)
		}
		allowed := w.ask(t, browser, http.MethodPost, "/oauth/authorize", pressed(consent, "allow"), "Sec-Fetch-Site", "same-origin")
		require.Equal(t, http.StatusSeeOther, allowed.StatusCode, allowed.text)
		assert.Equal(t, "no-store", allowed.Header.Get("Cache-Control"))
		back, err := url.Parse(allowed.Header.Get("Location"))
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(consent.Header.Get("Content-Security-Policy"), "form-action 'self' http://"+back.Host))
		answer, err := http.Get(back.String())
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}})
	require.NoError(t, err)
	assert.Equal(t, "ann", got.User)
	me := func(g *Gateway) page {
		return w.ask(t, w.client(g), http.MethodGet, "/api/v1/me", nil, "Authorization", "Bearer "+got.Token)
	}
	for _, g := range []*Gateway{g, other} {
		assert.Contains(t, me(g).text, `"user":"ann"`)
	}
	require.NoError(t, w.login(t, other).Revoke(t.Context(), got.Token))
	for _, g := range []*Gateway{g, other} {
		assert.Equal(t, http.StatusUnauthorized, me(g).StatusCode, "it is refused at the next request")
	}
	assert.NotContains(t, w.log.String(), got.Token)
}

func TestPagesOfLoginsGiveStrangersNothing(t *testing.T) {
	w, g := serving(t, storetest.SQLite(t), nil)
	run(t, g)
	browser := w.client(g)
	params := url.Values{
		"response_type": {"code"}, "client_id": {"chaim-cli"}, "redirect_uri": {"http://127.0.0.1:4711/callback"}, "state": {"s"},
		"code_challenge_method": {"S256"}, "code_challenge": {strings.Repeat("c", 43)},
	}
	consent := "/oauth/authorize?" + params.Encode()

	away := w.ask(t, browser, http.MethodGet, consent, nil)
	assert.Equal(t, http.StatusSeeOther, away.StatusCode)
	to, err := away.Location()
	require.NoError(t, err)
	assert.Equal(t, []string{w.config.Server.URL.Host, "/login", consent}, []string{to.Host, to.Path, to.Query().Get("next")})

	w.signIn(t, browser)
	for name, tc := range map[string]struct {
		header []string
		want   int
	}{
		"another site":      {[]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"a sibling's site":  {[]string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		"an older browser":  {[]string{"Origin", "https://evil.example"}, http.StatusForbidden},
		"another host name": {[]string{"Host", "evil.example"}, http.StatusMisdirectedRequest},
	} {
		for _, path := range []string{"/oauth/authorize", "/device", "/auth/link", "/auth/logout", "/profile/tokens", "/keys/end-all"} {
			form := url.Values{"decision": {"allow"}}
			for n, v := range params {
				form[n] = v
			}
			got := w.ask(t, browser, http.MethodPost, path, form, tc.header...)
			assert.Equal(t, tc.want, got.StatusCode, "%s: %s", name, path)
			assert.Empty(t, got.Header.Get("Location"), "%s: %s", name, path)
			assert.Empty(t, got.Cookies())
		}
	}
	for _, evil := range []string{"https://evil.example/callback", "http://localhost:4711/callback", "http://127.0.0.1:4711@evil.example/callback"} {
		params.Set("redirect_uri", evil)
		for _, got := range []page{
			w.ask(t, browser, http.MethodGet, "/oauth/authorize?"+params.Encode(), nil), w.ask(t, browser, http.MethodPost, "/oauth/authorize", params),
		} {
			assert.Equal(t, http.StatusBadRequest, got.StatusCode)
			assert.Empty(t, got.Header.Get("Location"), evil)
			assert.True(t, strings.HasSuffix(got.Header.Get("Content-Security-Policy"), "form-action 'self'"), evil)
		}
	}
	got := w.ask(t, browser, http.MethodGet, consent, nil)
	require.Equal(t, http.StatusOK, got.StatusCode, got.text)
	assert.Contains(t, got.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	assert.Empty(t, got.Header.Get("Access-Control-Allow-Origin"))

	asScript := w.ask(t, browser, http.MethodPost, "/oauth/token", url.Values{"client_id": {"chaim-cli"}}, "Origin", "https://evil.example")
	assert.Empty(t, asScript.Header.Get("Access-Control-Allow-Origin"), "no other site reads answers for programs")
}

func TestThePageOfALinkThatIsNoneSaysSo(t *testing.T) {
	w, g := serving(t, storetest.SQLite(t), nil)
	run(t, g)
	answer := w.ask(t, w.client(g), http.MethodGet, "/auth/link?code=none", nil)
	assert.Equal(t, http.StatusNotFound, answer.StatusCode)
	assert.Contains(t, answer.text, "This link does not work")
	assert.Contains(t, answer.text, "This sign-in link has been used")
}
