package legacy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/issue"
)

func TestKeys(t *testing.T) {
	h, issuer, log := newHandler()
	for _, path := range []string{"/", "/prod/", "/prod", "/legacy/", "/$default/"} {
		w := post(h, path, keysForm("sredev, rro, 1").Encode(), nil)
		e := opened(t, w)
		assert.Equal(t, envelope{"ephemeral", "200", e.Text, map[string]string{"Content-Type": "application/json"}}, e, path)
		got, err := swapped(e.Text)
		require.NoError(t, err, path)
		assert.Equal(t, map[string]any{
			"accountid": "123456789012", "sectionname": "sredev", "accesskeyid": "ASIAEXAMPLE000000001", "secretkey": "CANARYsecret",
			"sessiontoken": "CANARYsession", "expiresstr": got["expiresstr"], "expires": float64(issuer.grant.Keys.Expires.Unix()), "url": fakeLink,
		}, got, path)
		assert.Regexp(t, `^Expires in 1 hour( on \S+)? at [0-9:]{8}\.$`, got["expiresstr"])
		assert.Equal(t, issue.Caller{Token: token, User: "chris", IP: home, IsProven: true, Agent: "cca 4.1"}, issuer.who)
		assert.Equal(t, issue.Ask{Account: "sredev", Role: "rro", Duration: time.Hour, WantsURL: true}, issuer.what)
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
	}
	assert.Equal(t, "issued cca 4.1", h.Watcher.(*fakeWatcher).results[0])
	assert.NotContains(t, log.String(), "CANARY")
}

func TestOnlyPythonClientsGetALinkWithTheKeys(t *testing.T) {
	h, issuer, _ := newHandler()
	for agent, want := range map[string]string{
		"cca 4.1": fakeLink, "CCA 4": fakeLink, "chaim 0.8.6": fakeLink, "chaim": fakeLink,
		"chaim-go 0.1.0": "notset", "ccat 1": "notset", "": "notset", "xcca 1": "notset",
	} {
		form := keysForm("sredev,rro,1")
		form.Set("useragent", agent)
		got, err := swapped(opened(t, post(h, "/", form.Encode(), nil)).Text)
		require.NoError(t, err)
		assert.Equal(t, want, got["url"], agent)
		assert.Equal(t, want == fakeLink, issuer.what.WantsURL)
	}
	issuer.grant.URL = "" // AWS made none in time
	got, err := swapped(opened(t, post(h, "/", keysForm("sredev,rro,1").Encode(), nil)).Text)
	require.NoError(t, err)
	assert.Equal(t, "notset", got["url"])
}

func TestAccountWithoutANameIsCalledByItsID(t *testing.T) {
	h, issuer, _ := newHandler()
	issuer.grant.AccountName = ""
	got, err := swapped(opened(t, post(h, "/", keysForm("123456789012").Encode(), nil)).Text)
	require.NoError(t, err)
	assert.Equal(t, "123456789012", got["sectionname"])
}

func TestList(t *testing.T) {
	h, issuer, _ := newHandler()
	for _, verb := range []string{"--list", "-l", "list", " list ", "list,rro,1"} {
		e := opened(t, post(h, "/prod/", keysForm(verb).Encode(), nil))
		assert.Equal(t, "{'accountlist': [['210987654321', 'Connected Homes'], ['123456789012', 'sredev']]}", e.Text)
		assert.Equal(t, issue.Caller{Token: token, User: "chris", IP: home, IsProven: true, Agent: "cca 4.1"}, issuer.who)
	}
	issuer.accounts = nil
	assert.Equal(t, "{'accountlist': []}", opened(t, post(h, "/", keysForm("--list").Encode(), nil)).Text)
}

func TestLink(t *testing.T) {
	h, issuer, log := newHandler()
	for _, path := range []string{"/gui", "/prod/gui", "/legacy/gui", "/", "/legacy/", "/prod"} { // the last ones with the "#" form
		e := opened(t, post(h, path, linkForm().Encode(), nil))
		assert.Equal(t, "{'url': '"+fakeLink+"'}", e.Text, path)
		assert.Equal(t, issue.Caller{User: "chris", IP: home, IsProven: true, Agent: "cca 4.1"}, issuer.who)
		assert.Equal(t, linkForm().Get("session"), issuer.keys.SessionToken)
	}
	issuer.grant.URL = ""
	assert.Equal(t, "{'url': 'notset'}", opened(t, post(h, "/gui", linkForm().Encode(), nil)).Text)

	for _, field := range []string{"accesskey", "secret", "session", "username"} {
		form := linkForm()
		form.Del(field)
		e := opened(t, post(h, "/gui", form.Encode(), nil))
		assert.Equal(t, []string{"400", "start cli gui error: BadCommandStr: the field " + field + " is missing"}, []string{e.StatusCode, e.Text})
	}
	assert.Equal(t, "400", opened(t, post(h, "/gui", keysForm("sredev,rro,1").Encode(), nil)).StatusCode, "a request for keys there")
	assert.NotContains(t, log.String(), "CANARY")
}

func TestWrongPathsAndMethods(t *testing.T) {
	h, issuer, _ := newHandler()
	for _, path := range []string{
		"/prod/gui/", "/a/b/", "/a/b/gui", "//", "//gui", "/../", "/prod%2Fgui", "/prod/..", "/healthz/x", "/%00/", "/pr od/"[:1] + "pr%20od/",
		"/slackreq/x", "/prod/keyinit", "/" + strings.Repeat("a", 300),
	} {
		w := post(h, path, keysForm("sredev,rro,1").Encode(), nil)
		assert.Equal(t, 403, w.Code, path)
		assert.JSONEq(t, `{"message":"Missing Authentication Token"}`, w.Body.String(), path)
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post"} {
		w := post(h, "/", keysForm("sredev,rro,1").Encode(), func(r *http.Request) { r.Method = method })
		assert.Equal(t, 403, w.Code, method)
	}
	assert.Zero(t, issuer.asked)
}

func TestRefusals(t *testing.T) {
	const built = "doStart: Error CredentialsGenerationFail: buildCredentials error: "
	for code, tt := range map[issue.Code]struct{ keys, link string }{
		issue.BadToken:         {built + "IncorrectCredentials: Invalid token", "IncorrectCredentials: Invalid token"},
		issue.ExpiredToken:     {built + "IncorrectCredentials: usertoken has expired", ""},
		issue.DisabledUser:     {built + "IncorrectCredentials: chris is not an active user.", "IncorrectCredentials: chris is not an active user."},
		issue.NoAccount:        {built + "DataNotFound: Account not found: no-where", ""},
		issue.AmbiguousAccount: {built + "DataNotFound: Account not found: no-where is not unique, use its id", ""},
		issue.NoRole:           {"doStart: Error DataNotFound: Role not recognised: xyz", ""},
		issue.NotAllowed:       {built + "DataNotFound: Permission not granted to chris in no-where for xyz (freeze)", "UrlGenerationFail: Permission not granted to chris (why)"},
		issue.TooShort:         {built + "DataNotFound: Permission not granted to chris in no-where for xyz (why)", ""},
		issue.IsFrozen:         {built + "IssuingStopped: why", "IssuingStopped: why"},
		issue.RefusedBySTS:     {built + "DataNotFound: startSTS error: why", "UrlGenerationFail: why"},
		issue.NotOurs:          {"", "UrlGenerationFail: why"},
		"of_tomorrow":          {built + "NotIssued: why", "UrlGenerationFail: why"},
	} {
		t.Run(string(code), func(t *testing.T) {
			h, issuer, log := newHandler()
			issuer.err = fmt.Errorf("wrapped: %w", &issue.Refusal{Code: code, Text: "why", Rule: "freeze"})
			if tt.keys != "" {
				e := opened(t, post(h, "/prod/", keysForm("no-where,xyz,1").Encode(), nil))
				assert.Equal(t, envelope{"ephemeral", "400", tt.keys, map[string]string{"Content-Type": "application/json"}}, e)
				assert.Equal(t, string(code)+" cca 4.1", h.Watcher.(*fakeWatcher).results[0])
			}
			if tt.link != "" {
				e := opened(t, post(h, "/gui", linkForm().Encode(), nil))
				assert.Equal(t, []string{"400", "start cli gui error: " + tt.link}, []string{e.StatusCode, e.Text})
			}
			assert.Contains(t, log.String(), "result="+string(code))
			assert.NotContains(t, log.String(), "CANARY")
		})
	}
}

func TestRefusalNamesTheUserOfTheToken(t *testing.T) {
	h, issuer, _ := newHandler()
	issuer.err = &issue.Refusal{Code: issue.NotAllowed, User: "chris.allison"}
	e := opened(t, post(h, "/", keysForm("sredev,rro").Encode(), nil))
	assert.True(t, strings.HasSuffix(e.Text, ": Permission not granted to chris.allison in sredev for rro"), e.Text)
}

func TestFailuresThatPass(t *testing.T) {
	for name, tt := range map[string]struct {
		err        error
		status     int
		body, wait string
	}{
		"unavailable":          {&issue.Refusal{Code: issue.Unavailable, RetryAfter: 2500 * time.Millisecond}, 503, `{"message":"Service Unavailable"}`, "3"},
		"unavailable, no wait": {&issue.Refusal{Code: issue.Unavailable}, 503, `{"message":"Service Unavailable"}`, "1"},
		"busy":                 {&issue.Refusal{Code: issue.Busy, RetryAfter: 10 * time.Second}, 429, `{"message":"Too Many Requests"}`, "10"},
		"client left":          {context.Canceled, 503, `{"message":"Service Unavailable"}`, "1"},
		"too late":             {fmt.Errorf("x: %w", context.DeadlineExceeded), 503, `{"message":"Service Unavailable"}`, "1"},
		"a fault":              {errors.New("token=CANARY and " + token), 500, `{"message":"Internal server error"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, issuer, log := newHandler()
			issuer.err = tt.err
			for _, body := range []string{keysForm("sredev,rro,1").Encode(), keysForm("--list").Encode(), linkForm().Encode()} {
				w := post(h, "/", body, nil)
				assert.Equal(t, []any{tt.status, tt.body + "\n", tt.wait}, []any{w.Code, w.Body.String(), w.Header().Get("Retry-After")})
			}
			assert.NotContains(t, log.String(), "CANARY")
		})
	}
}

func TestTooManyWrongTokensAreToldToPause(t *testing.T) {
	h, issuer, _ := newHandler()
	watcher := &fakeWatcher{}
	h.Watcher = watcher
	issuer.err = &issue.Refusal{Code: issue.BadToken}
	assert.Equal(t, "400", opened(t, post(h, "/", keysForm("sredev").Encode(), nil)).StatusCode)
	watcher.pause = 4 * time.Second
	w := post(h, "/", keysForm("sredev").Encode(), nil)
	assert.Equal(t, []any{429, "4"}, []any{w.Code, w.Header().Get("Retry-After")})
	assert.Equal(t, []netip.Addr{home, home}, watcher.failed)

	issuer.err = &issue.Refusal{Code: issue.ExpiredToken}
	assert.Equal(t, "400", opened(t, post(h, "/", keysForm("sredev").Encode(), nil)).StatusCode)
	issuer.err = nil
	assert.Equal(t, "200", opened(t, post(h, "/", keysForm("sredev").Encode(), nil)).StatusCode)
	assert.Len(t, watcher.failed, 2, "only wrong tokens count")

	issuer.err = &issue.Refusal{Code: issue.NotOurs}
	assert.Equal(t, 429, post(h, "/gui", linkForm().Encode(), nil).Code)
	assert.Len(t, watcher.failed, 3, "and wrong keys for a console link")
	watcher.held = 2 * time.Second
	asked := issuer.asked
	w = post(h, "/gui", linkForm().Encode(), nil)
	assert.Equal(t, []any{429, "2"}, []any{w.Code, w.Header().Get("Retry-After")})
	assert.Equal(t, asked, issuer.asked, "AWS is not asked to check guesses without end")
	issuer.err = nil
	assert.Equal(t, "200", opened(t, post(h, "/", keysForm("sredev").Encode(), nil)).StatusCode, "a right token is never delayed")
}

func TestWhatIsTypedMovesNoCursor(t *testing.T) {
	h, issuer, _ := newHandler()
	issuer.err = &issue.Refusal{Code: issue.NoAccount}
	e := opened(t, post(h, "/", keysForm("a\u202eb\u200bc'\"\\").Encode(), nil))
	assert.True(t, strings.HasSuffix(e.Text, `Account not found: a?b?c'"\`), e.Text)
}

func TestSlackIDsAndResponseURLAreIgnored(t *testing.T) {
	h, issuer, _ := newHandler()
	form := keysForm("sredev,rro,1")
	for _, field := range []string{"user_id", "team_id", "response_url", "stage", "apiid", "keyinit"} {
		form[field] = []string{"https://evil.example/", "\x00\xff"}
	}
	assert.Equal(t, "200", opened(t, post(h, "/", form.Encode(), nil)).StatusCode)
	assert.Equal(t, issue.Ask{Account: "sredev", Role: "rro", Duration: time.Hour, WantsURL: true}, issuer.what)
}

func TestQueryIsIgnored(t *testing.T) {
	h, issuer, _ := newHandler()
	post(h, "/?text=billing,apu,12&token=x&"+url.Values{"user_name": {"root"}}.Encode(), keysForm("sredev,rro,1").Encode(), nil)
	assert.Equal(t, "sredev", issuer.what.Account)
	assert.Equal(t, token, issuer.who.Token)
}

func TestResultsAreCounted(t *testing.T) {
	h, issuer, _ := newHandler()
	watcher := &fakeWatcher{}
	h.Watcher = watcher
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&issue.Refusal{Code: issue.BadToken}, "bad_token cca 4.1"},
		{&issue.Refusal{Code: issue.Busy, User: "chris"}, "busy cca 4.1"},
		{&issue.Refusal{Code: issue.NotAllowed, User: "chris"}, "not_allowed cca 4.1"},
		{errors.New("a fault"), "error cca 4.1"},
		{nil, "issued cca 4.1"},
	} {
		issuer.err = tt.err
		post(h, "/", keysForm("sredev").Encode(), nil)
		assert.Equal(t, tt.want, watcher.results[len(watcher.results)-1])
	}
}
