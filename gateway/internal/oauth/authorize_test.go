package oauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/internal/checkcode"
)

func TestAProgramLogsInByACode(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		l := newLogin("a")
		code := w.approve(l, w.browser("ada", "192.0.2.7"))
		got := w.post("/oauth/token", l.form(code), "X-From", "192.0.2.8")
		require.Equal(t, http.StatusOK, got.Status, got.Text)
		assert.Equal(t, []string{"Bearer", "ada"}, []string{got.Type, got.User})
		assert.InDelta(t, 12*60*60, got.Seconds, 2)
		assert.Equal(t, []string{"no-store", "application/json"}, []string{got.Header.Get("Cache-Control"), got.Header.Get("Content-Type")})
		assert.NotContains(t, got.Text, "refresh_token")

		who, err := w.program(got.Token)
		require.NoError(t, err)
		assert.Equal(t, store.CLIToken, who.Token.Kind)
		assert.Equal(t, "chaim/2.0 on laptop", who.Token.Label)
		_, err = w.issuer.Authenticate(t.Context(), issue.Caller{Way: issue.ByPage, Token: got.Token})
		requireRefusal(t, err, issue.BadToken)
		assert.Equal(t, []string{"login.approved ada chaim/2.0"}, w.events("program", audit.LoginApproved))
		assert.Equal(t, []string{"token.created ada " + who.Token.ID}, w.events("token", audit.TokenCreated))
		for _, body := range w.bodies(t) {
			assert.NotContains(t, body, code)
			assert.NotContains(t, body, l.verifier)
		}
	})
}

// bodies are all events as they are stored.
func (w *world) bodies(t *testing.T) (all []string) {
	for entry, err := range w.db.Events(t.Context(), audit.Position{}, store.EventFilter{}) {
		require.NoError(t, err)
		all = append(all, string(entry.Body))
	}
	return all
}

func TestACodeThatComesTwiceEndsItsToken(t *testing.T) {
	own := newLogin("a")
	wrong, elsewhere := newLogin("b"), own
	wrong.redirect, elsewhere.redirect = own.redirect, "http://127.0.0.1:1/callback"
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		other := w.newReplica()
		for name, again := range map[string]login{"the same request": own, "another verifier": wrong, "another redirect": elsewhere} {
			code := w.approve(own, w.browser("ada", "192.0.2.7"))
			got := w.post("/oauth/token", own.form(code))
			require.NotEmpty(t, got.Token, name)
			_, err := other.issuer.Authenticate(t.Context(), issue.Caller{Way: issue.ByAPI, Token: got.Token})
			require.NoError(t, err)
			for range 2 {
				refused := other.post("/oauth/token", again.form(code))
				assert.Equal(t, "invalid_grant", refused.Error, name)
				assert.NotContains(t, refused.Text, "CANARY")
			}
			w.requireEnded(got.Token, other)
		}
		reason := "token.revoked ada its code came twice"
		assert.Equal(t, []string{reason, reason, reason}, w.events("reason", audit.TokenRevoked), "each is ended once")
	})
}

func TestOfManyRedemptionsAtOnceNoneKeepsAToken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		replicas := []replica{w.replica, w.newReplica()}
		for range 5 {
			l := newLogin("a")
			code := w.approve(l, w.browser("ada", "192.0.2.7"))
			var all sync.WaitGroup
			replies := make([]reply, 8)
			for i := range replies {
				all.Go(func() { replies[i] = replicas[i%2].post("/oauth/token", l.form(code)) })
			}
			all.Wait()
			given := ""
			for _, got := range replies {
				if got.Status == http.StatusOK {
					require.Empty(t, given, "two tokens for one code")
					given = got.Token
					continue
				}
				assert.Equal(t, "invalid_grant", got.Error, got.Text)
			}
			require.NotEmpty(t, given)
			w.requireEnded(given, replicas...)
		}
	})
}

func TestACodeIsForTheProgramThatAskedForIt(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	ada := w.browser("ada", "192.0.2.7")
	own, other := newLogin("a"), newLogin("b")
	otherCode := w.approve(other, w.browser("bob", "192.0.2.7"))
	code := w.approve(own, ada)
	with := func(name string, values ...string) url.Values {
		form := own.form(code)
		form[name] = values
		return form
	}
	for name, tc := range map[string]struct {
		form url.Values
		want string
	}{
		"no verifier":                    {with("code_verifier"), "invalid_grant"},
		"the challenge as verifier":      {with("code_verifier", own.challenge), "invalid_grant"},
		"a short verifier":               {with("code_verifier", own.verifier[:42]), "invalid_grant"},
		"a long verifier":                {with("code_verifier", strings.Repeat("a", 129)), "invalid_grant"},
		"a verifier with other letters":  {with("code_verifier", own.verifier+"\n"), "invalid_grant"},
		"the verifier of another login":  {with("code_verifier", other.verifier), "invalid_grant"},
		"two verifiers":                  {with("code_verifier", own.verifier, own.verifier), "invalid_request"},
		"the code of another login":      {with("code", otherCode), "invalid_grant"},
		"no code":                        {with("code"), "invalid_grant"},
		"a code in capitals":             {with("code", strings.ToUpper(code)), "invalid_grant"},
		"two codes":                      {with("code", code, otherCode), "invalid_request"},
		"no redirect":                    {with("redirect_uri"), "invalid_grant"},
		"another port":                   {with("redirect_uri", "http://127.0.0.1:4712/callback"), "invalid_grant"},
		"another loopback address":       {with("redirect_uri", "http://[::1]:4711/callback"), "invalid_grant"},
		"another client":                 {with("client_id", "other"), "invalid_client"},
		"no client":                      {with("client_id"), "invalid_client"},
		"another grant":                  {with("grant_type", "client_credentials"), "unsupported_grant_type"},
		"no grant":                       {with("grant_type"), "unsupported_grant_type"},
		"the code as that of a device":   {url.Values{"grant_type": {deviceGrant}, "device_code": {code}}, "invalid_grant"},
		"a refresh, which there is none": {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {code}}, "unsupported_grant_type"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.post("/oauth/token", tc.form)
			assert.Equal(t, tc.want, got.Error, got.Text)
			assert.Empty(t, got.Token)
			assert.GreaterOrEqual(t, got.Status, 400)
		})
	}
	query := w.send("/oauth/token?"+own.form(code).Encode(), "client_id=chaim-cli")
	assert.Equal(t, "unsupported_grant_type", query.Error, "secrets do not come in an address")
	get := httptest.NewRecorder()
	w.mux.ServeHTTP(get, httptest.NewRequest(http.MethodGet, "/oauth/token?"+own.form(code).Encode(), nil))
	assert.Equal(t, http.StatusMethodNotAllowed, get.Code)
	asJSON := w.send("/oauth/token", `{"grant_type":"authorization_code"}`, "Content-Type", "application/json")
	assert.Equal(t, "invalid_client", asJSON.Error)

	assert.Equal(t, "ada", w.post("/oauth/token", own.form(code)).User, "none of them has used the code up")
	assert.Equal(t, "bob", w.post("/oauth/token", other.form(otherCode)).User)
}

func TestACodeLastsAMinute(t *testing.T) {
	for after, want := range map[time.Duration]string{59 * time.Second: "", 60 * time.Second: "invalid_grant", 2 * time.Hour: "invalid_grant"} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, storetest.SQLite(t))
				l := newLogin("a")
				code := w.approve(l, w.browser("ada", "192.0.2.7"))
				time.Sleep(after)
				assert.Equal(t, want, w.post("/oauth/token", l.form(code)).Error)
			})
		})
	}
}

func TestWhatIsNoLoginOfThisMachineIsRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	l := newLogin("a")
	for name, tc := range map[string]struct {
		param  string
		values []string
		isGood bool
	}{
		"as it should be": {"redirect_uri", []string{redirect}, true},
		"IPv6":            {"redirect_uri", []string{"http://[::1]:4711/callback"}, true},

		"localhost":                    {"redirect_uri", []string{"http://localhost:4711/callback"}, false},
		"another site":                 {"redirect_uri", []string{"https://evil.example/callback"}, false},
		"another machine":              {"redirect_uri", []string{"http://10.0.0.1:4711/callback"}, false},
		"another loopback address":     {"redirect_uri", []string{"http://127.0.0.2:4711/callback"}, false},
		"a name that looks like it":    {"redirect_uri", []string{"http://127.0.0.1.evil.example:4711/callback"}, false},
		"a user that looks like it":    {"redirect_uri", []string{"http://127.0.0.1:4711@evil.example/callback"}, false},
		"a user":                       {"redirect_uri", []string{"http://a@127.0.0.1:4711/callback"}, false},
		"https":                        {"redirect_uri", []string{"https://127.0.0.1:4711/callback"}, false},
		"another scheme":               {"redirect_uri", []string{"javascript://127.0.0.1:4711/callback"}, false},
		"capitals":                     {"redirect_uri", []string{"HTTP://127.0.0.1:4711/callback"}, false},
		"no port":                      {"redirect_uri", []string{"http://127.0.0.1/callback"}, false},
		"port 0":                       {"redirect_uri", []string{"http://127.0.0.1:0/callback"}, false},
		"a port with zeros":            {"redirect_uri", []string{"http://127.0.0.1:04711/callback"}, false},
		"a port that is none":          {"redirect_uri", []string{"http://127.0.0.1:65536/callback"}, false},
		"another path":                 {"redirect_uri", []string{"http://127.0.0.1:4711/callback/"}, false},
		"dots in the path":             {"redirect_uri", []string{"http://127.0.0.1:4711/x/../callback"}, false},
		"an escaped path":              {"redirect_uri", []string{"http://127.0.0.1:4711/%63allback"}, false},
		"a query":                      {"redirect_uri", []string{redirect + "?code=x"}, false},
		"an empty query":               {"redirect_uri", []string{redirect + "?"}, false},
		"a fragment":                   {"redirect_uri", []string{redirect + "#x"}, false},
		"a line break":                 {"redirect_uri", []string{redirect + "\r\nSet-Cookie: a=b"}, false},
		"a backslash":                  {"redirect_uri", []string{`http://127.0.0.1:4711\@evil.example/callback`}, false},
		"an address of IPv4 in IPv6":   {"redirect_uri", []string{"http://[::ffff:127.0.0.1]:4711/callback"}, false},
		"a long form of IPv6":          {"redirect_uri", []string{"http://[0:0:0:0:0:0:0:1]:4711/callback"}, false},
		"a zone":                       {"redirect_uri", []string{"http://[::1%25lo]:4711/callback"}, false},
		"an address as a number":       {"redirect_uri", []string{"http://2130706433:4711/callback"}, false},
		"a short address":              {"redirect_uri", []string{"http://127.1:4711/callback"}, false},
		"no redirect":                  {"redirect_uri", nil, false},
		"two redirects":                {"redirect_uri", []string{redirect, "https://evil.example/callback"}, false},
		"another client":               {"client_id", []string{"other"}, false},
		"another type of answer":       {"response_type", []string{"token"}, false},
		"PKCE by plain":                {"code_challenge_method", []string{"plain"}, false},
		"PKCE by nothing":              {"code_challenge_method", nil, false},
		"no challenge":                 {"code_challenge", nil, false},
		"a short challenge":            {"code_challenge", []string{l.challenge[:42]}, false},
		"a long challenge":             {"code_challenge", []string{l.challenge + "A"}, false},
		"a challenge with a line end":  {"code_challenge", []string{l.challenge[:42] + "\n"}, false},
		"no state":                     {"state", nil, false},
		"a state of 512 letters":       {"state", []string{strings.Repeat("s", 512)}, true},
		"a state of 513 letters":       {"state", []string{strings.Repeat("s", 513)}, false},
		"two states":                   {"state", []string{"a", "b"}, false},
		"a hint that is not for chaim": {"prompt", []string{"none"}, true}, // and changes nothing
	} {
		t.Run(name, func(t *testing.T) {
			params := l.params()
			params[tc.param] = tc.values
			got, err := w.server.CheckAuthorize(params)
			if !tc.isGood {
				requireRefusal(t, err, issue.BadLogin)
				assert.Zero(t, got)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, l.challenge, got.Challenge)
		})
	}
}

func TestWhatAProgramSaysAboutItselfIsFitForPages(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for said, want := range map[string]string{
		"laptop": "laptop", "": "an unnamed computer", "a\u202eb": "an unnamed computer", "a\nb": "an unnamed computer", "a\x00b": "an unnamed computer",
		strings.Repeat("x", 65): "an unnamed computer", strings.Repeat("x", 64): strings.Repeat("x", 64), " \t ": "an unnamed computer",
	} {
		params := newLogin("a").params()
		params.Set("host", said)
		got, err := w.server.CheckAuthorize(params)
		require.NoError(t, err)
		assert.Equal(t, want, got.Host)
	}
}

// FuzzCheckAuthorize looks for a request whose answer would go anywhere but to a program of this machine.
// unread is a log that nobody reads.
type unread struct{}

func (unread) Append(context.Context, store.Change) error { return nil }

func FuzzCheckAuthorize(f *testing.F) {
	for _, redirect := range []string{redirect, "http://[::1]:1/callback", "http://localhost:1/callback", "http://127.0.0.1:1@x/callback", "http://127.0.0.1:1/callback?x=1"} {
		f.Add(redirect, "state", "laptop")
	}
	at, _ := url.Parse(gatewayURL)
	s := oauth.New(oauth.Deps{Settings: oauth.Settings{URL: at}, Journal: unread{}, Web: oauth.Web{Count: func(string, string) {}}})
	f.Fuzz(func(t *testing.T, redirect, state, host string) {
		l := newLogin("a")
		l.redirect, l.state = redirect, state
		params := l.params()
		params.Set("host", host)
		asks, err := s.CheckAuthorize(params)
		if err != nil {
			return
		}
		back, err := url.Parse(s.Deny(t.Context(), issue.Who{}, asks, netip.Addr{}))
		require.NoError(t, err)
		require.Nil(t, back.User)
		require.Empty(t, back.Fragment)
		require.Equal(t, "http", back.Scheme)
		require.Equal(t, "/callback", back.Path)
		addr, err := netip.ParseAddrPort(back.Host)
		require.NoError(t, err)
		require.True(t, addr.Addr().IsLoopback())
		require.Equal(t, url.Values{"error": {"access_denied"}, "state": {state}, "iss": {gatewayURL}}, back.Query())
		require.NotContains(t, asks.Host, "\n")
	})
}

func TestOnlyAPersonWithABrowserApproves(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	asks, err := w.server.CheckAuthorize(newLogin("a").params())
	require.NoError(t, err)
	for _, kind := range []store.Kind{store.UserToken, store.CLIToken} {
		who, err := w.program(w.newToken(kind, "ada"))
		require.NoError(t, err)
		back, err := w.server.Approve(t.Context(), who, asks, netip.Addr{})
		requireRefusal(t, err, issue.NotAllowed)
		assert.Empty(t, back)
		device := w.begin()
		_, err = w.server.FindDevice(t.Context(), who, device.Typed)
		requireRefusal(t, err, issue.NotAllowed)
		requireRefusal(t, w.server.DecideDevice(t.Context(), who, device.Typed, true), issue.NotAllowed)
	}
	assert.Empty(t, w.events("kind", audit.LoginApproved, audit.LoginDenied))
}

func TestAnApprovalCountsForThePeopleAsTheyAre(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	l, ada := newLogin("a"), w.browser("ada", "192.0.2.7")
	asks, err := w.server.CheckAuthorize(l.params())
	require.NoError(t, err)
	device := w.begin()
	w.change(store.RevokeToken(ada.Token.ID, time.Now())) // while the approval is under way
	_, err = w.server.Approve(t.Context(), ada, asks, netip.Addr{})
	assert.Positive(t, requireRefusal(t, err, issue.Unavailable).RetryAfter)
	requireRefusal(t, w.server.DecideDevice(t.Context(), ada, device.Typed, true), issue.Unavailable)
	assert.Equal(t, "authorization_pending", w.poll(device.Device).Error)
}

// An attacker on the same machine, or one who sends a link, begins a login and has the victim approve it.
func TestALoginThatAnAttackerBeganGivesTheVictimsProgramNothing(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	victim, attacker := newLogin("victim"), newLogin("attacker")
	assert.NotEqual(t, checkcode.Of(victim.challenge), checkcode.Of(attacker.challenge), "the page shows another code than the terminal")

	// The attacker has the answer of his own login sent to the victim's program.
	attacker.redirect = victim.redirect
	code := w.approve(attacker, w.browser("bob", "203.0.113.9"))
	assert.NotEqual(t, victim.state, attacker.state)
	assert.Equal(t, "invalid_grant", w.post("/oauth/token", victim.form(code)).Error, "the victim must not log in as the attacker")
}

func TestADenialTellsTheProgram(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	l := newLogin("a")
	l.state = "a&code=x#?/"
	asks, err := w.server.CheckAuthorize(l.params())
	require.NoError(t, err)
	back, err := url.Parse(w.server.Deny(t.Context(), w.browser("ada", "192.0.2.7"), asks, netip.Addr{}))
	require.NoError(t, err)
	assert.Equal(t, []string{"login.denied ada code"}, w.events("kind", audit.LoginDenied))
	assert.Equal(t, url.Values{"error": {"access_denied"}, "state": {l.state}, "iss": {gatewayURL}}, back.Query())
}
