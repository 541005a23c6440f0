package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// userPages are the pages of a signed-in user that GET answers.
var userPages = []string{
	"/", "/accounts", "/accounts?q=payments&tag=stage%3Dprod&ou=root%2Fprod", "/accounts?cursor=CURSOR%262", "/keys", "/keys?user=ben", "/profile",
	"/profile?account=payments-prod-00&role=rpu", "/profile?cursor=RIGHTS2", "/device", "/device?done=allow", "/device?done=deny",
	"/oauth/authorize?" + authorizeQuery().Encode(), "/access", "/access?user=ben", "/access?account=payments-prod-00",
	"/access?user=ben&account=payments-prod-00", "/access?user=ben&account=payments-prod-00&role=rro", "/audit",
	"/audit?actor=zoe&type=issue.denied&since=2026-12-01T10%3A00&cursor=4708.0", "/issues/" + issueID,
}

func TestEveryPageIsSound(t *testing.T) {
	for _, noneYet := range []bool{false, true} {
		for _, path := range userPages {
			t.Run(path, func(t *testing.T) {
				w := newWorld()
				w.noneYet = noneYet
				rec := get(newPages(w, nil), path)
				require.Equal(t, http.StatusOK, rec.Code, rec.Body)
				assert.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
				assert.Equal(t, "text/html; charset=utf-8", rec.Header().Get("Content-Type"))
				p := checkPage(t, rec.Body.String())
				assert.NotContains(t, rec.Body.String(), "CANARY")
				assert.NotNil(t, p.byAttr("action", "/auth/logout"))
			})
		}
	}
}

func TestNamesOfStrangersAreOnlyText(t *testing.T) {
	w := newWorld()
	w.me.Groups = append(w.me.Groups, hostile)
	w.me.Token.Label = hostile
	for i := range w.accounts {
		w.accounts[i].Name, w.accounts[i].OU = hostile, hostile
		w.accounts[i].Tags = map[string]string{hostile: hostile}
		w.accounts[i].Roles[0].AWS = hostile
	}
	h := newPages(w, nil)
	asked := authorizeQuery()
	asked.Set("program", hostile)
	asked.Set("host", hostile)
	bad := url.QueryEscape(hostile)
	for _, path := range append(userPages, "/accounts?q="+bad+"&tag="+bad+"&ou="+bad, "/access?user="+bad, "/access?account="+bad+"&role="+bad,
		"/profile?account="+bad+"&role="+bad, "/audit?actor="+bad+"&type="+bad, "/keys?user="+bad, "/oauth/authorize?"+asked.Encode(), "/login?next=/"+bad) {
		body := get(h, path).Body.String()
		p := checkPage(t, body)
		assert.Len(t, p.all("script"), 1, path)
		assert.NotContains(t, body, "<img src=x", path)
	}
	rec := post(h, "/device", "code", hostile)
	checkPage(t, rec.Body.String())
	assert.Contains(t, get(h, "/accounts").Body.String(), "chaim exec "+w.accounts[0].ID+" rro -- ", "a name that needs quotes is not in a shell line")
}

func TestPagesWantASignIn(t *testing.T) {
	w := newWorld()
	w.signedOut = true
	h := newPages(w, nil)
	for _, path := range userPages {
		rec := get(h, path)
		require.Equal(t, http.StatusSeeOther, rec.Code, path)
		at, err := url.Parse(rec.Header().Get("Location"))
		require.NoError(t, err)
		assert.Equal(t, "/login", at.Path)
		assert.Equal(t, path, at.Query().Get("next"), "the sign-in leads back")
	}
	for _, path := range []string{"/console", "/keys/end", "/keys/end-all", "/profile/tokens", "/profile/tokens/revoke", "/oauth/authorize", "/device"} {
		rec := post(h, path, "id", "tok_cli1", "decision", "allow")
		assert.Equal(t, "/login?next=%2F", rec.Header().Get("Location"), "no form is sent again after a sign-in")
	}
	assert.Empty(t, w.calls)
}

func TestErrorsArePages(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		title  string
		text   string
	}{
		{"not allowed", &issue.Refusal{Code: issue.NotAllowed, Text: "deny rule freeze refuses it"}, 403, "This is not allowed", "Deny rule freeze refuses it."},
		{"frozen", &issue.Refusal{Code: issue.IsFrozen, Text: "an incident"}, 403, "An operator has stopped all issuing", "An incident."},
		{"no account", &issue.Refusal{Code: issue.NoAccount, Text: "x"}, 404, "There is no such account for you", "X."},
		{"busy", &issue.Refusal{Code: issue.Busy, Text: "wait", RetryAfter: 1500 * time.Millisecond}, 429, "Too many requests", "Wait."},
		{"unavailable", &issue.Refusal{Code: issue.Unavailable, Text: "wait", RetryAfter: time.Second}, 503, "The gateway cannot do this right now", "Wait."},
		{"a fault", errors.New("CANARY in a fault"), 500, "Something went wrong", "Try again."},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.fail = c.err
			rec := get(newPages(w, nil), "/accounts")
			assert.Equal(t, c.status, rec.Code)
			p := checkPage(t, rec.Body.String())
			assert.Equal(t, c.title, p.all("h1")[0].text)
			assert.Contains(t, p.text, c.text)
			assert.NotContains(t, rec.Body.String(), "CANARY")
			if strings.Contains(c.name, "busy") {
				assert.Equal(t, "2", rec.Header().Get("Retry-After"), "rounded up")
			}
		})
	}
}

func TestAnEndedSignInLeadsToANewOne(t *testing.T) {
	for _, code := range []issue.Code{issue.BadToken, issue.ExpiredToken} {
		w := newWorld()
		w.fail = &issue.Refusal{Code: code, Text: "the token has expired"}
		rec := get(newPages(w, nil), "/keys?user=ben")
		assert.Equal(t, http.StatusSeeOther, rec.Code)
		assert.Equal(t, "/login?next=%2Fkeys%3Fuser%3Dben", rec.Header().Get("Location"))
	}
	w := newWorld()
	w.fail = context.Canceled
	rec := get(newPages(w, nil), "/keys")
	assert.Empty(t, rec.Body.String(), "the browser has gone")
}

func TestOnlyPathsOfOurOwnAreNext(t *testing.T) {
	for next, want := range map[string]string{
		"/keys": "/keys", "/accounts?q=a%2Fb&tag=x": "/accounts?q=a%2Fb&tag=x", "": "/", "keys": "/", "https://evil.example": "/",
		"//evil.example": "/", "/\\evil.example": "/", "/\t/evil.example": "/", "\\\\evil.example": "/", "javascript:alert(1)": "/",
		"/\n/evil.example": "/", "http:/evil": "/", " //evil.example": "/", "/%zz": "/", "/" + strings.Repeat("a", 5000): "/",
	} {
		assert.Equal(t, want, localPath(next), "%q", next)
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/", "//a", "/\\a", "/a?b#c", "https://a", "/..//a", "/.//a"} {
		f.Add(seed)
	}
	base, _ := url.Parse("https://chaim.example.com/login")
	f.Fuzz(func(t *testing.T, next string) {
		got := localPath(next)
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\t\r\n") {
			t.Errorf("%q leads to %q", next, got)
		}
	})
}

func TestAccounts(t *testing.T) {
	w := newWorld()
	h := newPages(w, nil)
	p := checkPage(t, get(h, "/accounts").Body.String())
	assert.Contains(t, p.byAttr("id", "count").text, "60 accounts")
	assert.Equal(t, "status", p.byAttr("id", "count").attrs["role"], "screen readers hear how many were found")
	assert.Equal(t, "page", p.byAttr("href", "/accounts").attrs["aria-current"]+p.all("a")[2].attrs["aria-current"])
	assert.Equal(t, "/accounts?cursor=CURSOR%262", p.byAttr("rel", "next").attrs["href"])
	console := p.byAttr("action", "/console")
	assert.Equal(t, "_blank", console.attrs["target"])
	assert.Equal(t, "post", console.attrs["method"])
	assert.Contains(t, p.text, "chaim exec payments-prod-00 rro -- ")
	var consoles int
	for _, f := range p.all("form") {
		if f.attrs["action"] == "/console" {
			consoles++
		}
	}
	var want int
	for _, a := range w.accounts[:40] {
		for _, r := range a.Roles {
			if r.Console {
				want++
			}
		}
	}
	assert.Equal(t, want, consoles, "a role without a console has no button for it")

	p = checkPage(t, get(h, "/accounts?q=payments&ou=root/prod").Body.String())
	assert.Equal(t, "payments", p.byAttr("id", "q").attrs["value"])
	assert.NotNil(t, p.byAttr("href", "/accounts?ou=root%2Fprod&q=payments&tag=stage%3Dprod"), "filters add up")
	p = checkPage(t, get(h, "/accounts?q=zzzz").Body.String())
	assert.Contains(t, p.text, "No account matches")

	w.noneYet = true
	p = checkPage(t, get(h, "/accounts").Body.String())
	assert.Contains(t, p.text, "You may use no account yet")
}

func TestTheConsoleOpensWithoutAScript(t *testing.T) {
	w := newWorld()
	rec := post(newPages(w, nil), "/console", "account", "111122223333", "role", "rro")
	require.Equal(t, http.StatusOK, rec.Code)
	assert.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	p := checkPage(t, rec.Body.String())
	assert.Equal(t, "0;url="+consoleURL, p.byAttr("http-equiv", "refresh").attrs["content"])
	assert.NotNil(t, p.byAttr("href", consoleURL))
	assert.NotContains(t, p.text, "CANARY", "the link is in no text")
	assert.Equal(t, []string{"console 111122223333 rro"}, w.calls)
	assert.Equal(t, http.StatusMethodNotAllowed, get(newPages(w, nil), "/console").Code, "a link makes no keys")
}

func TestKeysAndSignIns(t *testing.T) {
	w := newWorld()
	h := newPages(w, nil)
	p := checkPage(t, get(h, "/keys").Body.String())
	assert.Contains(t, p.text, "ASIAIOSFODNN7EXAMPLE")
	assert.Contains(t, p.text, "48m left")
	bar := p.all("progress")[0]
	assert.Equal(t, "3600", bar.attrs["max"])
	assert.Contains(t, p.text, "this browser")
	assert.Contains(t, p.text, "192.0.2.7")

	assert.Equal(t, "/keys#sign-ins", post(h, "/keys/end", "id", "tok_cli1").Header().Get("Location"))
	assert.Equal(t, "/keys#sign-ins", post(h, "/keys/end-all").Header().Get("Location"))
	assert.Equal(t, []string{"keys ", "end tok_cli1", "end all"}, w.calls)

	p = checkPage(t, get(h, "/keys?user=ben").Body.String())
	assert.Nil(t, p.byAttr("action", "/keys/end-all"), "the sign-ins are one's own")
	w.me.IsAdmin = false
	p = checkPage(t, get(h, "/keys").Body.String())
	assert.Nil(t, p.byAttr("id", "user"))
}

func TestTokens(t *testing.T) {
	w := newWorld()
	h := newPages(w, nil)
	p := checkPage(t, get(h, "/profile").Body.String())
	assert.Contains(t, p.text, "nightly report")
	var options []string
	for _, o := range p.all("option") {
		options = append(options, o.text)
	}
	assert.Equal(t, []string{"1h", "8h", "24h", "3d", "6d"}, options)

	rec := post(h, "/profile/tokens", "label", "nightly", "lifetime", "8h0m0s")
	require.Equal(t, http.StatusOK, rec.Code)
	assert.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	p = checkPage(t, rec.Body.String())
	assert.Contains(t, p.text, tokenText)
	assert.Contains(t, p.text, "chaim init "+initString)
	assert.NotContains(t, get(h, "/profile").Body.String(), "CANARY", "a token is shown once")

	assert.Equal(t, "/profile#tokens", post(h, "/profile/tokens/revoke", "id", "tok_user1").Header().Get("Location"))
	assert.Equal(t, []string{"token nightly 8h0m0s", "end tok_user1"}, w.calls)
	for _, bad := range []string{"", "soon", "-1h", "0s"} {
		assert.Equal(t, http.StatusBadRequest, post(h, "/profile/tokens", "label", "x", "lifetime", bad).Code, bad)
	}
	assert.Len(t, w.calls, 2)
}

func TestLifetimesEndWithTheLongest(t *testing.T) {
	assert.Equal(t, []time.Duration{30 * time.Minute}, lifetimes(30*time.Minute))
	assert.Equal(t, []time.Duration{time.Hour, 8 * time.Hour}, lifetimes(8*time.Hour))
}

func TestWhy(t *testing.T) {
	w := newWorld()
	p := checkPage(t, get(newPages(w, nil), "/profile?account=payments-prod-00&role=rpu").Body.String())
	assert.Equal(t, []string{"explain  payments-prod-00 rpu"}, w.calls, "the question is about the user who asks")
	assert.Contains(t, p.text, "Deny rule freeze-prod refuses it.")
	assert.Contains(t, p.text, "weekdays from 08:00 to 18:00")
	assert.Contains(t, p.text, "version 12")
}

func TestSignIn(t *testing.T) {
	w := newWorld()
	w.signedOut = true
	p := checkPage(t, get(newPages(w, nil), "/login?next=/keys").Body.String())
	assert.NotNil(t, p.byAttr("href", "/auth/login?next=%2Fkeys"), "a link and no form, which could lead to no other site")
	assert.Empty(t, p.all("form"))
	p = checkPage(t, get(newPages(w, nil), "/login?next=//evil.example").Body.String())
	assert.NotNil(t, p.byAttr("href", "/auth/login?next=%2F"))

	p = checkPage(t, get(newPages(w, func(s *Site) { s.Provider = "" }), "/login").Body.String())
	assert.Contains(t, p.text, "chaim-gateway user sign-in-link NAME")

	w.signedOut = false
	p = checkPage(t, get(newPages(w, nil), "/login?next=/keys").Body.String())
	assert.Contains(t, p.text, "You are signed in as zoe.")
}

func TestOneTimeLink(t *testing.T) {
	w := newWorld()
	w.signedOut = true
	h := newPages(w, nil)
	rec := get(h, "/auth/link?code=CANARYlinkcode")
	p := checkPage(t, rec.Body.String())
	assert.Equal(t, "/auth/link", p.all("form")[0].attrs["action"])
	assert.Equal(t, "post", p.all("form")[0].attrs["method"], "only the button uses the link")
	assert.Equal(t, "CANARYlinkcode", p.byAttr("name", "code").attrs["value"])
	assert.NotContains(t, p.text, "CANARY")
	assert.Contains(t, p.text, "zoe")
	assert.Equal(t, "no-store", rec.Header().Get("Cache-Control"))

	rec = get(h, "/auth/link?code=other")
	assert.Equal(t, http.StatusNotFound, rec.Code)
	assert.Contains(t, checkPage(t, rec.Body.String()).text, "This link does not work")
	w.linkError = &issue.Refusal{Code: issue.Busy, Text: "too many requests", RetryAfter: time.Minute}
	assert.Equal(t, http.StatusTooManyRequests, get(h, "/auth/link?code=CANARYlinkcode").Code, "a link that works is not said to be used")
}

func TestConsent(t *testing.T) {
	w := newWorld()
	h := newPages(w, nil)
	rec := get(h, "/oauth/authorize?"+authorizeQuery().Encode()+"&decision=allow&other=1")
	p := checkPage(t, rec.Body.String())
	for _, want := range []string{"chaim/1.4.0", "laptop-42", "192.0.2.7", "zoe", "JJPV-LSMR"} {
		assert.Contains(t, p.text, want)
	}
	assert.Contains(t, rec.Header().Get("Content-Security-Policy"), "form-action 'self' http://127.0.0.1:4321")
	assert.Empty(t, w.calls, "nothing is approved without the button")

	form := url.Values{}
	for _, e := range p.all("input") {
		form.Add(e.attrs["name"], e.attrs["value"])
	}
	assert.Equal(t, authorizeQuery(), form, "the form has the whole request, and nothing else of the link")
	form.Set(decision, "allow")
	rec = send(h, "/oauth/authorize", form)
	assert.Equal(t, http.StatusSeeOther, rec.Code)
	assert.Equal(t, "http://127.0.0.1:4321/callback?code=CANARYcode", rec.Header().Get("Location"))
	assert.NotContains(t, rec.Body.String(), "CANARY", "the code is in the address only")
	for _, other := range []string{"deny", "", "ALLOW"} {
		form.Set(decision, other)
		assert.Contains(t, send(h, "/oauth/authorize", form).Header().Get("Location"), "error=access_denied")
	}
	assert.Equal(t, []string{"approve zoe STATE1 192.0.2.7", "deny zoe STATE1 192.0.2.7", "deny zoe STATE1 192.0.2.7", "deny zoe STATE1 192.0.2.7"}, w.calls)
}

func TestAWrongRequestOfAProgramNeverRedirects(t *testing.T) {
	for _, target := range []string{"", "https://evil.example/callback", "http://localhost:4321/callback", "http://127.0.0.1:4321/callback?x=1"} {
		w := newWorld()
		h := newPages(w, nil)
		q := authorizeQuery()
		q.Set("redirect_uri", target)
		form := authorizeQuery()
		form.Set("redirect_uri", target)
		form.Set(decision, "allow")
		for _, rec := range []*httptest.ResponseRecorder{get(h, "/oauth/authorize?"+q.Encode()), send(h, "/oauth/authorize", form)} {
			assert.Equal(t, http.StatusBadRequest, rec.Code)
			assert.Empty(t, rec.Header().Get("Location"))
			assert.NotContains(t, rec.Header().Get("Content-Security-Policy"), "http:")
			checkPage(t, rec.Body.String())
		}
		assert.Empty(t, w.calls)
	}
}

func TestTheFormDecidesAndNotItsAddress(t *testing.T) {
	w := newWorld()
	rec := post(newPages(w, nil), "/oauth/authorize?"+authorizeQuery().Encode()+"&decision=allow")
	assert.Equal(t, http.StatusBadRequest, rec.Code)
	assert.Empty(t, w.calls)
}

func TestDevice(t *testing.T) {
	w := newWorld()
	h := newPages(w, nil)
	p := checkPage(t, get(h, "/device?code=BCDF-GHJK&user_code=BCDF-GHJK").Body.String())
	assert.Empty(t, p.byAttr("id", "code").attrs["value"], "the code is typed and never comes with a link")

	p = checkPage(t, post(h, "/device", "code", " BCDF-GHJK ").Body.String())
	for _, want := range []string{"chaim/1.4.0", "build-host-7", "198.51.100.9", "BCDF-GHJK", "zoe"} {
		assert.Contains(t, p.text, want)
	}
	assert.Empty(t, w.calls, "the code alone signs nothing in")
	assert.Equal(t, "/device?done=allow", post(h, "/device", "code", "BCDF-GHJK", decision, "allow").Header().Get("Location"))
	assert.Equal(t, "/device?done=deny", post(h, "/device", "code", "BCDF-GHJK", decision, "else").Header().Get("Location"))
	assert.Equal(t, []string{"device BCDF-GHJK true", "device BCDF-GHJK false"}, w.calls)

	p = checkPage(t, post(h, "/device", "code", "BBBB-BBBB").Body.String())
	assert.Contains(t, p.byAttr("role", "alert").text, "No program waits with this code.")
	assert.Equal(t, "true", p.byAttr("id", "code").attrs["aria-invalid"])

	w.fail = &issue.Refusal{Code: issue.Busy, Text: "too many wrong codes: wait a minute", RetryAfter: time.Minute}
	rec := post(h, "/device", "code", "BCDF-GHJK")
	assert.Equal(t, http.StatusTooManyRequests, rec.Code)
	assert.Equal(t, "60", rec.Header().Get("Retry-After"))
	assert.Contains(t, checkPage(t, rec.Body.String()).text, "Too many wrong codes: wait a minute.")
}

func TestDeviceCanBeOff(t *testing.T) {
	w := newWorld()
	h := newPages(w, func(s *Site) { s.Device = false })
	for _, rec := range []*httptest.ResponseRecorder{get(h, "/device"), post(h, "/device", "code", "BCDF-GHJK", decision, "allow")} {
		assert.Equal(t, http.StatusForbidden, rec.Code)
		checkPage(t, rec.Body.String())
	}
	assert.Empty(t, w.calls)
}

func TestAdminPagesAreForAdmins(t *testing.T) {
	w := newWorld()
	w.me.IsAdmin = false
	h := newPages(w, nil)
	for _, path := range []string{"/access", "/access?user=ben", "/access?account=x", "/audit", "/audit?actor=ben"} {
		rec := get(h, path)
		assert.Equal(t, http.StatusForbidden, rec.Code)
		p := checkPage(t, rec.Body.String())
		assert.Nil(t, p.byAttr("href", "/audit"), "the navigation has no pages of admins")
	}
	assert.Empty(t, w.calls)
}

func TestAccess(t *testing.T) {
	w := newWorld()
	h := newPages(w, nil)
	get(h, "/access?account=pay&role=rro")
	get(h, "/access?user=ben")
	get(h, "/access?user=ben&account=pay&role=rro")
	p := checkPage(t, get(h, "/access?user=ben&account=pay").Body.String())
	assert.Contains(t, p.text, "Name a role too")
	assert.Equal(t, []string{"who can pay rro", "access ben", "explain ben pay rro"}, w.calls)
}

func TestAudit(t *testing.T) {
	w := newWorld()
	h := newPages(w, nil)
	p := checkPage(t, get(h, "/audit?actor=zoe&type=issue.denied&since=2026-12-01T10:00").Body.String())
	assert.Equal(t, []string{"audit zoe  issue.denied  2026-12-01T10:00:00Z "}, w.calls)
	assert.Contains(t, p.text, "Chain whole up to checkpoint 4700")
	assert.Equal(t, "/audit?actor=zoe&cursor=4708.0&since=2026-12-01T10%3A00&type=issue.denied", p.byAttr("rel", "next").attrs["href"])
	assert.NotNil(t, p.byAttr("href", "/issues/"+issueID))
	assert.Equal(t, http.StatusBadRequest, get(h, "/audit?since=yesterday").Code)
}

func TestAnIssueFromRequestToKeyID(t *testing.T) {
	w := newWorld()
	w.me.IsAdmin = false
	h := newPages(w, nil)
	p := checkPage(t, get(h, "/issues/"+issueID).Body.String())
	for _, want := range []string{"issue.allowed", "everyone-read", "issue.issued", "ASIAIOSFODNN7EXAMPLE"} {
		assert.Contains(t, p.text, want)
	}
	assert.Equal(t, http.StatusNotFound, get(h, "/issues/iss_other").Code)
}

func TestAssetsStayForEver(t *testing.T) {
	h := newPages(newWorld(), nil)
	p := checkPage(t, get(h, "/accounts").Body.String())
	for _, path := range []string{p.all("script")[0].attrs["src"], p.byAttr("rel", "stylesheet").attrs["href"], p.byAttr("rel", "icon").attrs["href"]} {
		rec := get(h, path)
		assert.Equal(t, http.StatusOK, rec.Code, path)
		assert.Contains(t, rec.Header().Get("Cache-Control"), "immutable")
		assert.Regexp(t, `^/static/[a-z]+\.[0-9a-f]{12}\.(css|js|svg)$`, path)
	}
	for _, path := range []string{"/static/style.css", "/static/..%2fweb.go", "/static/x"} {
		assert.Equal(t, http.StatusNotFound, get(h, path).Code, path)
	}
}

func TestOtherSitesCannotSendForms(t *testing.T) {
	for _, path := range []string{"/console", "/keys/end-all", "/profile/tokens", "/oauth/authorize", "/device"} {
		w := newWorld()
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(authorizeQuery().Encode()+"&decision=allow&code=BCDF-GHJK&lifetime=1h&label=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		newPages(w, nil).ServeHTTP(rec, r)
		assert.Equal(t, http.StatusForbidden, rec.Code, path)
		assert.Empty(t, w.calls, path)
	}
}

func TestALongFormIsRefused(t *testing.T) {
	w := newWorld()
	rec := post(newPages(w, nil), "/keys/end", "id", strings.Repeat("x", maxForm))
	assert.Equal(t, http.StatusBadRequest, rec.Code)
	assert.Empty(t, w.calls)
}

func TestMessage(t *testing.T) {
	rec := httptest.NewRecorder()
	New(Deps{Site: Site{URL: "https://chaim.example.com", Name: "chaim gateway"}}).Message(rec, httptest.NewRequest(http.MethodGet, "/x", nil), 403, "You cannot sign in", "The name "+hostile+" is taken.")
	assert.Equal(t, 403, rec.Code)
	p := checkPage(t, rec.Body.String())
	assert.Contains(t, p.text, hostile)
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		15 * time.Minute: "15m", time.Hour: "1h", 90 * time.Minute: "1h30m", 24 * time.Hour: "24h", 144 * time.Hour: "6d", 90 * time.Second: "1m30s", 0: "0s",
		10 * time.Minute: "10m", 10 * time.Hour: "10h",
	} {
		assert.Equal(t, want, lifetime(d))
	}
	role := portal.Role{Alias: "rro"}
	for name, want := range map[string]string{"prod-eu": "prod-eu", "Prod EU": "1", "-rf": "1", "$(reboot)": "1", "": "1", "O'Brien": "1", "prod\n": "1"} {
		assert.Equal(t, "chaim exec "+want+" rro -- ", command(portal.Account{ID: "1", Name: name}, role))
	}
	assert.Equal(t, "Browser Command Token", kindText(store.WebToken)+" "+kindText(store.CLIToken)+" "+kindText(store.UserToken))
}
