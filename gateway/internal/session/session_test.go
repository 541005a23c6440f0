package session_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/idp/idptest"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/session"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

func TestFirstSignInMakesTheUser(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorldOn(t, database)
		b := w.browser()
		status, _, location := b.signIn()
		assert.Equal(t, http.StatusSeeOther, status)
		assert.Equal(t, "/accounts?q=x", location)
		assert.Equal(t, "ada at /p in corp:sre", b.page())
		assert.Equal(t, []audit.Type{audit.UserAdded, audit.IdentityAdded, audit.GroupAdded, audit.MemberAdded, audit.SignedIn}, w.types())
		for _, e := range w.events() {
			assert.Equal(t, "corp", e.Details["source"])
			assert.Equal(t, []string{"user", "ada", "192.0.2.1"}, []string{e.Actor.Kind, e.Actor.Name, e.Actor.IP})
			assert.NotEmpty(t, e.Actor.Token)
		}
		i, err := w.db.Identity(t.Context(), w.idp.URL, "subject-of-ada")
		require.NoError(t, err)
		assert.Equal(t, "ada", i.User)
		for _, row := range w.view().Tokens {
			assert.Equal(t, store.WebToken, row.Kind)
			assert.Equal(t, "Firefox on Linux", row.Label)
			assert.WithinDuration(t, time.Now().Add(8*time.Hour), row.Expires, time.Minute)
		}
		assert.Equal(t, []string{"provider"}, w.counted)
	})
}

func TestNextSignInIsByTheIdentityAndNotByTheName(t *testing.T) {
	w := newWorld(t)
	w.browser().signIn()
	before := w.view().Auth
	w.idp.Person["preferred_username"] = "ada.married"
	b := w.browser()
	b.signIn()
	assert.Equal(t, "ada at /p in corp:sre", b.page())
	assert.Equal(t, before, w.view().Auth, "nothing that decides has changed")
}

func TestSignInReplacesTheGroupsOfTheProviderAndOnlyThose(t *testing.T) {
	w := newWorld(t)
	w.browser().signIn()
	w.change(store.AddMember("admins", "ada"), store.AddGroup("other:sre", time.Now()), store.AddMember("other:sre", "ada"))
	w.idp.Person["groups"] = []string{"ops", "dba"}
	b := w.browser()
	b.signIn()
	assert.Equal(t, "ada at /p in admins,corp:dba,corp:ops,other:sre", b.page())
	w.idp.Person["groups"] = []string{}
	b.signIn()
	assert.Equal(t, "ada at /p in admins,other:sre", b.page())
	assert.Contains(t, w.view().Groups, "corp:sre", "the group stays: the policy may name it")
}

func TestTakenNameIsRefused(t *testing.T) {
	w := newWorld(t)
	w.addUser("ada", "admins")
	w.idp.Person["sub"] = "a b'c"
	b := w.browser()
	status, text, _ := b.signIn()
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, text, `chaim-gateway user link ada --issuer `+w.idp.URL+` --subject 'a b'\''c'`)
	assert.Equal(t, "nobody at /p", b.page())
	require.Equal(t, []audit.Type{audit.SignInRefused}, w.types())
	e := w.events()[0]
	assert.Equal(t, []string{"ada", "a b'c", w.idp.URL, "provider"}, []string{e.Subject, e.Details["subject"], e.Details["issuer"], e.Actor.Kind})
	assert.Equal(t, []string{"refused"}, w.counted)

	w.change(store.AddIdentity(store.Identity{Issuer: w.idp.URL, Subject: "a b'c", User: "ada", Created: time.Now()}))
	b.signIn()
	assert.Equal(t, "ada at /p in admins,corp:sre", b.page())
}

func TestWhoIsNotLetIn(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(w *world)
		status int
		want   string
	}{
		{"disabled user", func(w *world) {
			w.browser().signIn()
			w.change(store.SetDisabled("ada", true), store.RevokeTokensOf("ada", time.Now()))
		}, http.StatusForbidden, "ada is not an active user"},
		{"no name", func(w *world) { w.idp.Person["preferred_username"] = "*" }, http.StatusForbidden, "chaim-gateway user link NAME"},
		{"the name of the tests of doctor", func(w *world) { w.idp.Person["preferred_username"] = store.ReservedUser }, http.StatusForbidden, "user link NAME"},
		{"overage", func(w *world) { w.idp.Person["groups"], w.idp.Person["hasgroups"] = nil, true }, http.StatusForbidden, "too many groups"},
		{"no groups", func(w *world) { w.idp.Person["groups"] = nil }, http.StatusForbidden, "says nothing about your groups"},
		{"wrong issuer", func(w *world) { w.idp.Person["iss"] = "https://evil.example.com" }, http.StatusBadGateway, "another issuer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			test.change(w)
			b := w.browser()
			status, text, _ := b.signIn()
			assert.Equal(t, test.status, status)
			assert.Contains(t, text, test.want)
			assert.Equal(t, "nobody at /p", b.page())
			types := w.types()
			if test.status == http.StatusForbidden {
				assert.Equal(t, audit.SignInRefused, types[len(types)-1])
			}
		})
	}
}

func TestDisabledUserIsOutAtTheNextRequest(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn()
	w.change(store.SetDisabled("ada", true), store.RevokeTokensOf("ada", time.Now()))
	assert.Contains(t, b.page(), "refused")
}

func TestSignInHasToBeginInTheSameBrowser(t *testing.T) {
	w := newWorld(t)
	attacker, victim := w.browser(), w.browser()
	path := attacker.callback("/")
	status, text, _ := victim.get(path)
	assert.Equal(t, http.StatusBadRequest, status, "a victim is not signed in as the attacker")
	assert.Contains(t, text, "did not begin in this browser")

	victim.callback("/")
	status, _, _ = victim.get(path)
	assert.Equal(t, http.StatusBadRequest, status, "nor with a sign-in of the victim's own under way")
	assert.Equal(t, "nobody at /p", victim.page())
	assert.Empty(t, w.view().Users)
}

func TestCallbackWorksOnce(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	path := b.callback("/")
	status, _, _ := b.get(path)
	assert.Equal(t, http.StatusSeeOther, status)
	status, _, _ = b.get(path)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "ada at /p in corp:sre", b.page(), "the first one stays signed in")
}

func TestCallbackOfAnotherProviderIsNotFound(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	status, _, _ := b.get(strings.Replace(b.callback("/"), "/corp?", "/other?", 1))
	assert.Equal(t, http.StatusNotFound, status)
}

func TestProviderThatIsAwayIsSaid(t *testing.T) {
	w := newWorld(t)
	w.idp.Serve = func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	status, text, _ := w.browser().get("/auth/login")
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Contains(t, text, "Identity provider corp: reading its discovery document")
}

func TestNewSignInEndsTheSessionBefore(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn()
	stolen := b.cookie()
	b.signIn()
	assert.NotEqual(t, stolen, b.cookie())
	assert.Equal(t, "ada at /p in corp:sre", b.page())
	other := w.browser()
	other.setCookie("chaim-session", stolen)
	assert.Contains(t, other.page(), "refused: the token is not valid")
	assert.Contains(t, w.types(), audit.TokenRevoked)
}

func TestSessionOfAnotherUserInTheSameBrowserEnds(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn()
	before := b.cookie()
	w.idp.Person = idptest.Claims{"sub": "subject-of-bob", "preferred_username": "bob", "groups": []string{}}
	b.signIn()
	assert.Equal(t, "bob at /p in ", b.page())
	b.setCookie("chaim-session", before)
	assert.Contains(t, b.page(), "refused")
}

func TestCookiesThatAreNotOursAreNoSession(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn()
	own := b.cookie()
	text, _ := json.Marshal(map[string]any{"token": "chm1_x", "used": time.Now().Unix()})
	for name, value := range map[string]string{
		"planted by an attacker": "x", "changed": flipped(own), "sealed for another purpose": w.ring.Ring().Seal("sign-in of a browser", text),
		"empty": "",
	} {
		other := w.browser()
		other.setCookie("chaim-session", value)
		assert.Equal(t, "nobody at /p", other.page(), name)
	}
	req, err := http.NewRequest(http.MethodGet, w.url+"/p", nil)
	require.NoError(t, err)
	req.Header.Set("Cookie", "chaim-session="+own+"; chaim-session=other")
	_, text2, _ := (&browser{w, &http.Client{}}).do(req)
	assert.Equal(t, "nobody at /p", text2, "two cookies of the name")
}

// flipped changes a letter in the middle of a text.
func flipped(text string) string {
	i, letter := len(text)/2, "A"
	if text[i] == 'A' {
		letter = "B"
	}
	return text[:i] + letter + text[i+1:]
}

func TestSessionEndsWhenItIsNotUsed(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn()
	var held map[string]any
	text, err := w.ring.Ring().Unseal("session of a browser", b.cookie())
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &held))
	used := func(ago time.Duration) {
		held["used"] = time.Now().Add(-ago).Unix()
		text, err := json.Marshal(held)
		require.NoError(t, err)
		b.setCookie("chaim-session", w.ring.Ring().Seal("session of a browser", text))
	}
	before := b.cookie()
	b.page()
	assert.Equal(t, before, b.cookie(), "a young cookie is not renewed")

	used(10 * time.Minute)
	before = b.cookie()
	assert.Contains(t, b.page(), "ada")
	assert.NotEqual(t, before, b.cookie(), "an older one is")

	used(61 * time.Minute)
	assert.Equal(t, "nobody at /p", b.page())
	assert.Empty(t, b.cookie())
}

func TestSignOutEndsTheTokenAndTheCookie(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn()
	before := b.cookie()
	status, _, location := b.post("/auth/logout", nil)
	assert.Equal(t, http.StatusSeeOther, status)
	assert.Equal(t, "/login", location)
	assert.Empty(t, b.cookie())
	b.setCookie("chaim-session", before)
	assert.Contains(t, b.page(), "refused")
	types := w.types()
	assert.Equal(t, audit.SignedOut, types[len(types)-1])

	status, _, _ = b.post("/auth/logout", nil)
	assert.Equal(t, http.StatusSeeOther, status, "a session that has ended can be signed out of")
	assert.Empty(t, b.cookie())
	assert.Len(t, w.types(), len(types))
	status, _, _ = b.get("/auth/logout")
	assert.NotEqual(t, http.StatusSeeOther, status, "no GET signs out")
}

func TestLinkSignsInOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorldOn(t, database)
		w.addUser("ada", "admins")
		code := w.link("ada", time.Now())
		for range 2 {
			user, err := w.manager.PreviewLink(t.Context(), code)
			require.NoError(t, err)
			assert.Equal(t, "ada", user)
		}
		browsers := make([]*browser, 5)
		signedIn := make([]bool, len(browsers))
		var all sync.WaitGroup
		for i := range browsers {
			browsers[i] = w.browser()
			all.Go(func() {
				status, _, location := browsers[i].post("/auth/link", url.Values{"code": {code}})
				signedIn[i] = status == http.StatusSeeOther && location == "/"
			})
		}
		all.Wait()
		n := 0
		for i, b := range browsers {
			if signedIn[i] {
				n++
				assert.Equal(t, "ada at /p in admins", b.page(), "a link leaves the groups alone")
			} else {
				assert.Equal(t, "nobody at /p", b.page())
			}
		}
		assert.Equal(t, 1, n)
		assert.Equal(t, []audit.Type{audit.SignedIn}, w.types())
		assert.Equal(t, "sign-in link", w.events()[0].Details["source"])
		_, err := w.manager.PreviewLink(t.Context(), code)
		assert.True(t, session.IsLinkRefused(err))
	})
}

func TestLinksThatAreOfNoUse(t *testing.T) {
	w := newWorld(t)
	w.addUser("ada")
	w.addUser("bob")
	w.change(store.SetDisabled("bob", true))
	for name, code := range map[string]string{
		"old": w.link("ada", time.Now().Add(-16*time.Minute)), "never made": strings.Repeat("a", 52), "empty": "", "disabled": w.link("bob", time.Now()),
	} {
		b := w.browser()
		status, _, _ := b.post("/auth/link", url.Values{"code": {code}})
		assert.Equal(t, http.StatusForbidden, status, name)
		assert.Equal(t, "nobody at /p", b.page(), name)
	}
	code := w.link("ada", time.Now())
	b := w.browser()
	status, _, _ := b.post("/auth/link?code="+code, nil)
	assert.Equal(t, http.StatusForbidden, status, "the code comes in a form")
	status, _, _ = b.get("/auth/link?code=" + code)
	assert.NotEqual(t, http.StatusSeeOther, status, "no GET uses a link")
	_, err := w.manager.PreviewLink(t.Context(), code)
	assert.NoError(t, err)
}

func TestLinkEndsTheSessionBefore(t *testing.T) {
	w := newWorld(t)
	w.addUser("bob")
	b := w.browser()
	b.signIn()
	before := b.cookie()
	b.post("/auth/link", url.Values{"code": {w.link("bob", time.Now())}})
	assert.Equal(t, "bob at /p in ", b.page())
	b.setCookie("chaim-session", before)
	assert.Contains(t, b.page(), "refused")
}

func TestWithoutAProviderThereAreLinksOnly(t *testing.T) {
	w := newWorld(t, func(d *session.Deps) { d.Provider = nil })
	for _, path := range []string{"/auth/login", "/auth/callback/corp?code=x&state=y"} {
		status, _, _ := w.browser().get(path)
		assert.Equal(t, http.StatusNotFound, status)
	}
	w.addUser("ada")
	b := w.browser()
	b.post("/auth/link", url.Values{"code": {w.link("ada", time.Now())}})
	assert.Equal(t, "ada at /p in ", b.page())
}

func TestTokensOfOtherKindsAreNoSession(t *testing.T) {
	w := newWorld(t)
	w.addUser("ada")
	for _, kind := range []store.Kind{store.UserToken, store.CLIToken} {
		text, row := w.ring.Ring().New(kind, "ada", "", time.Now().Add(time.Hour))
		w.change(store.AddToken(row))
		held, err := json.Marshal(map[string]any{"token": text.Reveal(), "used": time.Now().Unix()})
		require.NoError(t, err)
		b := w.browser()
		b.setCookie("chaim-session", w.ring.Ring().Seal("session of a browser", held))
		assert.Contains(t, b.page(), "refused")
	}
}

func TestCookiesAreForOneHostAndNotForScripts(t *testing.T) {
	for _, test := range []struct{ url, name, signIn string }{
		{"https://chaim.example.com", "__Host-chaim", "__Host-chaim-sign-in"},
		{"http://127.0.0.1:8443", "chaim-session", "chaim-sign-in"},
	} {
		u, err := url.Parse(test.url)
		require.NoError(t, err)
		w := newWorld(t, func(d *session.Deps) { d.Options.URL = u })
		w.addUser("ada")
		mux := http.NewServeMux()
		w.manager.Mount(mux)
		answer := func(method, path, body string) []*http.Cookie {
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			rec := httptest.NewRecorder()
			mux.ServeHTTP(rec, r)
			return rec.Result().Cookies()
		}
		cookies := slices.Concat(answer(http.MethodGet, "/auth/login", ""), answer(http.MethodPost, "/auth/link", "code="+w.link("ada", time.Now())))
		require.Len(t, cookies, 2)
		assert.Equal(t, []string{test.signIn, test.name}, []string{cookies[0].Name, cookies[1].Name})
		for _, c := range cookies {
			assert.Equal(t, u.Scheme == "https", c.Secure)
			assert.True(t, c.HttpOnly)
			assert.Equal(t, []any{http.SameSiteLaxMode, "/", ""}, []any{c.SameSite, c.Path, c.Domain})
			assert.NotContains(t, c.Value, "chm1_")
		}
	}
}

func TestNextIsAPathOfOurOwn(t *testing.T) {
	for next, want := range map[string]string{
		"": "/", "/": "/", "/accounts?q=a%20b&tag=x": "/accounts?q=a%20b&tag=x", "/oauth/authorize?redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcallback": "/oauth/authorize?redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcallback",
		"https://evil.example.com": "/", "//evil.example.com": "/", `/\evil.example.com`: "/", `\/evil.example.com`: "/", "/\t/evil.example.com": "/",
		"/\n/evil.example.com": "/", "javascript:alert(1)": "/", "evil": "/", "/%2fevil.example.com": "/", "/%zz": "/", "/auth/logout": "/",
		"/auth/login?next=/": "/", "/%61uth/logout": "/", " /a": "/", "/a#fragment": "/a", "/" + strings.Repeat("a", 3000): "/",
	} {
		assert.Equal(t, want, session.LocalPath(next), "%q", next)
	}
}

func FuzzNextIsAPathOfOurOwn(f *testing.F) {
	for _, s := range []string{"/a?b=c", "//x", `/\x`, "/./%2f/x", "/..//x", "http://x", "/a\x00"} {
		f.Add(s)
	}
	base, err := url.Parse("https://chaim.example.com/auth/callback/corp")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		next := session.LocalPath(s)
		rec := httptest.NewRecorder()
		http.Redirect(rec, httptest.NewRequest(http.MethodGet, "/auth/callback/corp", nil), next, http.StatusSeeOther)
		for _, text := range []string{next, rec.Header().Get("Location")} {
			to, err := base.Parse(text)
			if err != nil || to.Host != base.Host || to.Scheme != "https" || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") ||
				strings.ContainsAny(text, "\\\t\r\n") {
				t.Fatalf("%q -> %q", s, text)
			}
		}
	})
}

func TestSignInIsDecidedAgainWhenPeopleChange(t *testing.T) {
	w := newWorld(t)
	var once sync.Once
	next := w.deps.Journal
	w.deps.Journal = journalFunc(func(c store.Change) error {
		once.Do(func() { w.addUser("ada") }) // someone takes the name first
		return next.Append(t.Context(), c)
	})
	*w.manager = *session.New(w.deps)
	status, text, _ := w.browser().signIn()
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, text, "has a user ada already")
}

func TestDatabaseThatIsAwayLetsNobodyIn(t *testing.T) {
	for _, fault := range []error{store.ErrBusy, store.ErrUnknown, store.ErrConflict, store.ErrStale} {
		w := newWorld(t)
		w.deps.Journal = journalFunc(func(store.Change) error { return fmt.Errorf("x: %w", fault) })
		*w.manager = *session.New(w.deps)
		b := w.browser()
		status, _, _ := b.signIn()
		assert.Equal(t, http.StatusServiceUnavailable, status, fault)
		assert.Equal(t, "nobody at /p", b.page())
		assert.Equal(t, []string{"failed"}, w.counted)
	}
}

func TestCallerSaysWhoAsks(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "chaim-session", Value: b.cookie()})
	r.Header.Set("User-Agent", strings.Repeat("x", 1000))
	c, isSignedIn := w.manager.Caller(httptest.NewRecorder(), r)
	require.True(t, isSignedIn)
	assert.Equal(t, issue.ByPage, c.Way)
	assert.Equal(t, "192.0.2.1", c.IP.String())
	assert.LessOrEqual(t, len(c.Agent), 200)
	assert.Empty(t, c.User)
}

func TestPersonWithTheMostGroupsSignsIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorldOn(t, database)
		groups := make([]string, 200)
		for i := range groups {
			groups[i] = fmt.Sprintf("team-%03d", i)
		}
		w.idp.Person["groups"] = groups
		status, text, _ := w.browser().signIn()
		require.Equal(t, http.StatusSeeOther, status, text)
		assert.Len(t, w.view().Users["ada"].Groups, 200)
		w.idp.Person["groups"] = groups[:1]
		w.browser().signIn()
		assert.Equal(t, []string{"corp:team-000"}, w.view().Users["ada"].Groups)
	})
}

func TestAddressesThatFailTooOftenDoNotAskTheProvider(t *testing.T) {
	failed := 0
	w := newWorld(t, func(d *session.Deps) {
		d.Options.Failed = func(netip.Addr) time.Duration { failed++; return 0 }
		d.Options.Pause = func(netip.Addr) time.Duration { return time.Duration(failed/3) * 1500 * time.Millisecond }
	})
	for range 3 {
		b := w.browser()
		status, _, _ := b.get(strings.Replace(b.callback("/"), "code=CANARY", "code=guess", 1))
		assert.Equal(t, http.StatusBadRequest, status)
	}
	asked := w.idp.Requests("/token")
	b := w.browser()
	status, text, _ := b.signIn()
	assert.Equal(t, http.StatusTooManyRequests, status)
	assert.Contains(t, text, "Too many sign-ins from your address have failed")
	assert.Equal(t, asked, w.idp.Requests("/token"))
}

func TestAProviderThatHangsTakesAFewPlacesOnly(t *testing.T) {
	w := newWorld(t)
	waiting, answer := make(chan struct{}), make(chan struct{})
	w.idp.Serve = func(http.ResponseWriter, *http.Request) bool {
		waiting <- struct{}{}
		<-answer
		return false
	}
	var all sync.WaitGroup
	codes := make(chan int, 100)
	for range 100 {
		all.Go(func() {
			status, _, _ := w.browser().get("/auth/login")
			codes <- status
		})
	}
	<-waiting // for the discovery document
	for range 100 - 64 {
		assert.Equal(t, http.StatusServiceUnavailable, <-codes)
	}
	assert.Contains(t, w.browser().page(), "nobody", "other requests are answered")
	close(answer)
	all.Wait()
}
