package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/server"
	"github.com/chaim-go/chaim/gateway/internal/session"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/gateway/policy"
)

// hostile is a name that breaks pages that do not escape.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'&`

const (
	consoleURL  = "https://signin.aws.amazon.com/federation?Action=login&Issuer=chaim&Destination=https%3A%2F%2Fconsole.aws.amazon.com%2F&SigninToken=CANARYlink-_"
	tokenText   = "chm1_CANARYtoken"
	initString  = "CANARYinit=="
	sessionText = "chm1_CANARYsession"
	issueID     = "iss_0123456789abcdefghijklmnop"
	challenge   = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

var (
	_ Portal   = (*portal.Portal)(nil)
	_ Sessions = (*session.Manager)(nil)
	_ OAuth    = (*oauth.Server)(nil)
)

// world is a portal, the sessions and the authorization server of one user.
type world struct {
	mu        sync.Mutex
	signedOut bool
	me        portal.Me
	accounts  []portal.Account
	fail      error    // of the portal, after Me
	calls     []string // what was changed or asked for
	noneYet   bool     // no accounts, keys or rights
	linkError error
}

func newWorld() *world {
	now := time.Now()
	w := &world{me: portal.Me{
		Name: "zoe", Groups: []string{"admins", "corp:platform", "corp:data-science"}, IsAdmin: true, SourceIdentity: "zoe",
		Token: portal.MyToken{ID: "tok_web1", Kind: store.WebToken, Label: "Firefox on Linux", Expires: now.Add(7 * time.Hour)},
	}}
	teams := []string{"payments", "search", "data", "identity", "mobile"}
	stages := []string{"prod", "staging", "dev"}
	for i := range 60 {
		team, stage := teams[i%len(teams)], stages[i%len(stages)]
		a := portal.Account{
			ID: fmt.Sprintf("%012d", 111122223333+i*7919), Name: fmt.Sprintf("%s-%s-%02d", team, stage, i), OU: "root/" + stage,
			Tags:  map[string]string{"team": team, "stage": stage},
			Roles: []portal.Role{{Alias: "rro", AWS: "ReadOnly", Max: time.Hour, Console: true}},
		}
		if i%3 != 0 {
			a.Roles = append(a.Roles, portal.Role{Alias: "rpu", AWS: "PowerUser", Max: 90 * time.Minute, Console: true})
		}
		if i%7 == 0 {
			a.Roles = append(a.Roles, portal.Role{Alias: "dba", AWS: "DatabaseAdministrator", Max: 30 * time.Minute})
		}
		w.accounts = append(w.accounts, a)
	}
	return w
}

func (w *world) did(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
}

func (w *world) Caller(http.ResponseWriter, *http.Request) (issue.Caller, bool) {
	return issue.Caller{Way: issue.ByPage, Token: sessionText, IP: netip.MustParseAddr("192.0.2.7"), IsProven: true}, !w.signedOut
}

func (w *world) PreviewLink(_ context.Context, code string) (string, error) {
	if code != "CANARYlinkcode" {
		return "", session.ErrLink
	}
	return "zoe", w.linkError
}

func (w *world) Me(context.Context, issue.Caller) (portal.Me, error) {
	return w.me, nil
}

func (w *world) Accounts(_ context.Context, _ issue.Caller, q portal.AccountQuery) (portal.AccountPage, error) {
	if w.noneYet {
		return portal.AccountPage{}, w.fail
	}
	var pg portal.AccountPage
	for _, a := range w.accounts {
		if strings.Contains(a.Name+a.ID+a.OU, q.Search) && (q.OU == "" || q.OU == a.OU) &&
			(q.Tag == "" || strings.Contains("team="+a.Tags["team"]+" stage="+a.Tags["stage"], q.Tag)) {
			pg.Accounts = append(pg.Accounts, a)
		}
	}
	if pg.Total = len(pg.Accounts); pg.Total > 40 && q.Cursor == "" {
		pg.Accounts, pg.Next = pg.Accounts[:40], "CURSOR&2"
	}
	pg.Facets.OUs = []portal.Facet{{Value: "root/dev", Count: 20}, {Value: "root/prod", Count: 20}, {Value: "root/staging", Count: 20}}
	pg.Facets.Tags = []portal.Facet{{Value: "team=payments", Count: 12}, {Value: "team=search", Count: 12}, {Value: "stage=prod", Count: 20}}
	return pg, w.fail
}

func (w *world) Console(_ context.Context, _ issue.Caller, ask issue.Ask) (string, string, error) {
	w.did("console %s %s", ask.Account, ask.Role)
	return consoleURL, issueID, w.fail
}

func (w *world) Explain(_ context.Context, _ issue.Caller, user, account, role string) (policy.Explanation, error) {
	w.did("explain %s %s %s", user, account, role)
	return policy.Explanation{
		Query:    policy.Query{Account: account, Role: role},
		Decision: policy.Decision{Reason: policy.Denied, Deny: "freeze-prod"},
		Account:  policy.Account{ID: "111122223333", Name: w.accounts[0].Name},
		Denies:   []policy.Pause{{Deny: "freeze-prod"}},
		Grants: []policy.Near{
			{Grant: "platform-prod", Missing: []policy.Missing{{Lack: policy.LacksTime, Text: "it holds on weekdays from 08:00 to 18:00"}}},
			{Grant: "everyone-read", Max: time.Hour},
		},
		Version: 12,
	}, w.fail
}

func (w *world) Issue(_ context.Context, _ issue.Caller, id string) ([]portal.AuditEntry, error) {
	if id != issueID {
		return nil, &issue.Refusal{Code: issue.NoRow, Text: "there is no such issue, or it is not yours"}
	}
	return w.events()[:2], w.fail
}

func (w *world) Keys(_ context.Context, _ issue.Caller, user string) ([]portal.Lent, error) {
	w.did("keys %s", user)
	if w.noneYet {
		return nil, w.fail
	}
	now := time.Now()
	origin := store.Origin{Token: "tok_cli1", IP: "192.0.2.7", Agent: "chaim/1.4.0 (linux)"}
	live := portal.Lent{Issue: issueID, Account: w.accounts[0].ID, AccountName: w.accounts[0].Name, Role: "rro", KeyID: "ASIAIOSFODNN7EXAMPLE", Origin: origin, State: store.Issued}
	live.At, live.Expires = now.Add(-12*time.Minute), now.Add(48*time.Minute)
	old := portal.Lent{Issue: issueID, Account: w.accounts[1].ID, AccountName: w.accounts[1].Name, Role: "rpu", KeyID: "ASIAI44QH8DHBEXAMPLE", Origin: origin, State: store.Issued}
	old.At, old.Expires = now.Add(-85*time.Minute), now.Add(5*time.Minute)
	failed := portal.Lent{Issue: issueID, Account: w.accounts[2].ID, Role: "dba", State: store.Failed}
	failed.At = now.Add(-2 * time.Hour)
	return []portal.Lent{live, old, failed}, w.fail
}

func (w *world) SignIns(context.Context, issue.Caller) ([]portal.SignIn, error) {
	now := time.Now()
	return []portal.SignIn{
		{TokenID: "tok_web1", Kind: store.WebToken, Label: "Firefox on Linux", Created: now.Add(-time.Hour), Expires: now.Add(7 * time.Hour), IsThis: true},
		{TokenID: "tok_cli1", Kind: store.CLIToken, Label: "chaim/1.4.0 on laptop-42", Created: now.Add(-2 * time.Hour), Expires: now.Add(10 * time.Hour)},
		{TokenID: "tok_user1", Kind: store.UserToken, Label: "nightly report", Created: now.Add(-24 * time.Hour), Expires: now.Add(5 * 24 * time.Hour)},
	}, w.fail
}

func (w *world) EndSignIn(_ context.Context, _ issue.Caller, id string) error {
	w.did("end %s", id)
	return w.fail
}

func (w *world) EndAll(context.Context, issue.Caller) error {
	w.did("end all")
	return w.fail
}

func (w *world) CreateToken(_ context.Context, _ issue.Caller, label string, lifetime time.Duration) (token.Secret, store.Token, token.Secret, error) {
	w.did("token %s %s", label, lifetime)
	return token.NewSecret(tokenText), store.Token{ID: "tok_new", Label: label, Expires: time.Now().Add(lifetime)}, token.NewSecret(initString), w.fail
}

func (w *world) rights() portal.RightsPage {
	pg := portal.RightsPage{Version: 12, Next: "RIGHTS2"}
	for i, a := range w.accounts[:8] {
		pg.Rights = append(pg.Rights, portal.Right{User: "zoe", AccountID: a.ID, AccountName: a.Name, Role: "rro", Grant: "everyone-read", Max: time.Duration(30+i) * time.Minute, Cap: "the role's longest session"})
	}
	return pg
}

func (w *world) Rights(context.Context, issue.Caller, portal.Page) (portal.RightsPage, error) {
	if w.noneYet {
		return portal.RightsPage{}, w.fail
	}
	return w.rights(), w.fail
}

func (w *world) WhoCan(_ context.Context, _ issue.Caller, account, role string) ([]portal.Right, error) {
	w.did("who can %s %s", account, role)
	return w.rights().Rights, w.fail
}

func (w *world) Access(_ context.Context, _ issue.Caller, user string, _ portal.Page) (portal.RightsPage, error) {
	w.did("access %s", user)
	return w.rights(), w.fail
}

func (w *world) events() (list []portal.AuditEntry) {
	now := time.Now()
	actor := audit.Actor{Kind: "user", Name: "zoe", Token: "tok_cli1", IP: "192.0.2.7", Agent: "chaim/1.4.0 (linux)"}
	for i, e := range []audit.Event{
		{Type: audit.IssueIssued, Account: w.accounts[0].ID, Role: "rro", Issue: issueID, Details: map[string]string{"key_id": "ASIAIOSFODNN7EXAMPLE", "expires": "2026-12-01T15:04:05Z"}},
		{Type: audit.IssueAllowed, Account: w.accounts[0].ID, Role: "rro", Issue: issueID, Details: map[string]string{"grant": "everyone-read", "policy": "12", "name": w.accounts[0].Name}},
		{Type: audit.IssueDenied, Account: w.accounts[1].ID, Role: "dba", Details: map[string]string{"reason": "no grant"}},
		{Type: audit.TokenRevoked, Subject: "ben", Details: map[string]string{"token": "tok_cli7"}},
	} {
		e.At, e.Actor = now.Add(-time.Duration(i)*time.Minute), actor
		list = append(list, portal.AuditEntry{Position: audit.Position{Seq: int64(4711 - i)}, Event: e})
	}
	return list
}

func (w *world) Audit(_ context.Context, _ issue.Caller, q portal.AuditQuery) (portal.AuditPage, error) {
	w.did("audit %s %s %s %s %s %s", q.Actor, q.Account, q.Type, q.Issue, q.Since.Format(time.RFC3339), q.Cursor)
	return portal.AuditPage{Entries: w.events(), Next: "4708.0"}, w.fail
}

func (w *world) ChainState(context.Context, issue.Caller) (portal.ChainState, error) {
	return portal.ChainState{Seq: 4711, Hash: audit.Hash{0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6}, At: time.Now(), Checkpoint: 4700}, w.fail
}

func (w *world) Authenticate(context.Context, issue.Caller) (issue.Who, error) {
	return issue.Who{User: store.User{Name: w.me.Name}}, nil
}

func (w *world) CheckAuthorize(params url.Values) (oauth.Authorize, error) {
	if params.Get("redirect_uri") != "http://127.0.0.1:4321/callback" {
		return oauth.Authorize{}, &issue.Refusal{Code: issue.BadLogin, Text: "its answer would not go to a program on this machine"}
	}
	return oauth.Authorize{
		Redirect: params.Get("redirect_uri"), State: params.Get("state"), Challenge: params.Get("code_challenge"),
		Program: params.Get("program"), Host: params.Get("host"),
	}, nil
}

func (w *world) Approve(_ context.Context, who issue.Who, a oauth.Authorize, from netip.Addr) (string, error) {
	w.did("approve %s %s %s", who.User.Name, a.State, from)
	return a.Redirect + "?code=CANARYcode", w.fail
}

func (w *world) Deny(_ context.Context, who issue.Who, a oauth.Authorize, from netip.Addr) string {
	w.did("deny %s %s %s", who.User.Name, a.State, from)
	return a.Redirect + "?error=access_denied"
}

func (w *world) FindDevice(_ context.Context, _ issue.Who, typed string) (oauth.Device, error) {
	if typed != "BCDF-GHJK" {
		return oauth.Device{}, fmt.Errorf("finding a device: %w", store.ErrNotFound)
	}
	return oauth.Device{Program: "chaim/1.4.0", Host: "build-host-7", IP: "198.51.100.9", Created: time.Now().Add(-time.Minute)}, w.fail
}

func (w *world) DecideDevice(_ context.Context, _ issue.Who, typed string, allow bool) error {
	w.did("device %s %t", typed, allow)
	return w.fail
}

// newPages returns the pages of the world behind the checks and headers of the server.
func newPages(w *world, change func(*Site)) http.Handler { return pagesAt("example.com", w, change) } // the host of httptest

func pagesAt(host string, w *world, change func(*Site)) http.Handler {
	s := Site{Name: "chaim gateway", URL: "https://chaim.example.com", Provider: "corp", Device: true, MaxToken: 6 * 24 * time.Hour}
	if change != nil {
		change(&s)
	}
	mux := http.NewServeMux()
	New(Deps{Portal: w, Sessions: w, OAuth: w, Authenticator: w, Site: s, AllowForm: server.AllowForm}).Mount(mux)
	return server.Pages(&url.URL{Scheme: "http", Host: host}, mux)
}

// devServer serves the pages of the world for browsers until the test ends. With a form, GET of any page sends the form to it:
// a browser on the command line can only get pages.
func devServer(t *testing.T, w *world, form url.Values) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	pages := pagesAt(s.Listener.Addr().String(), w, nil)
	s.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if form != nil && !strings.HasPrefix(r.URL.Path, "/static/") {
			r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Del("Sec-Fetch-Site") // of the address that was typed
		}
		pages.ServeHTTP(rw, r)
	})
	s.Start()
	t.Cleanup(s.Close)
	return s
}
