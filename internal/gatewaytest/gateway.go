// Package gatewaytest has a double of chaim-gateway for tests of its clients: the JSON API, and the authorization server for
// the command chaim. The tests of the gateway compare its answers with the contract of the API.
package gatewaytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Account is an account of the double.
type Account struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	OU    string `json:"ou"`
	Roles []Role `json:"roles"`

	Tags map[string]string `json:"tags"`
}

// Role is a role of an account.
type Role struct {
	Alias   string `json:"alias"`
	AWS     string `json:"aws"`
	Seconds int    `json:"maxSeconds"`
	Console bool   `json:"console"`
}

// Secret is in the keys that the double lends, and begins its tokens. It must be in no text that people see.
const Secret = "CANARY"

// pageSize is how many accounts a page has.
const pageSize = 2

// User is the only user of the double.
const User = "test.user"

// Gateway is a double. Its fields must be set before the first request.
type Gateway struct {
	// Accounts are those of the user.
	Accounts []Account
	// Change, if set, changes what a path answers.
	Change func(path string, answer map[string]any)
	// Instead, if set, may answer in place of the double, and reports whether it did.
	Instead func(w http.ResponseWriter, r *http.Request) bool

	server *httptest.Server
	logins Logins

	mu     sync.Mutex
	tokens map[string]time.Time // the end of each; zero for one that was revoked
	asked  []string             // method and path of each request
}

// New starts a double. stop ends it.
func New() (g *Gateway, stop func()) {
	readOnly := []Role{{"rro", "CrossAccountReadOnly", 43200, true}, {"adm", "OrgAdmin", 3600, false}}
	g = &Gateway{
		Accounts: []Account{
			{"111111111111", "sredev", "prod", readOnly, map[string]string{"team": "sre"}},
			{"222222222222", "Connected Homes", "prod", readOnly, map[string]string{}},
			{"333333333333", "O'Brien", "dev", readOnly[:1], map[string]string{}},
		},
		tokens: map[string]time.Time{},
	}
	g.logins.codes, g.logins.pending = map[string]login{}, map[string]*device{}
	g.server = httptest.NewUnstartedServer(g) // a request reads server
	g.server.Start()
	return g, g.server.Close
}

// URL returns the URL of the double, without a slash at its end.
func (g *Gateway) URL() string { return g.server.URL }

// NewToken returns a new token of the user.
func (g *Gateway) NewToken(lifetime time.Duration) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	token := fmt.Sprintf("chm1_%012d_%sabcdefghijklmnopqrstuvwxyz", len(g.tokens), Secret)
	g.tokens[token] = time.Now().Add(lifetime)
	return token
}

// EndAll revokes all tokens or, if they are to expire, lets them.
func (g *Gateway) EndAll(expire bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for token := range g.tokens {
		g.tokens[token] = time.Time{}
		if expire {
			g.tokens[token] = time.Now().Add(-time.Minute)
		}
	}
}

// IsValid reports whether a token is valid.
func (g *Gateway) IsValid(token string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.tokens[token])
}

// Asked returns the method and path of each request.
func (g *Gateway) Asked() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.asked)
}

// ServeHTTP answers a request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.asked = append(g.asked, r.Method+" "+r.URL.Path)
	instead := g.Instead
	g.mu.Unlock()
	if instead != nil && instead(w, r) {
		return
	}
	path, isAPI := strings.CutPrefix(r.URL.Path, "/api/v1/")
	if !isAPI {
		g.serveLogin(w, r)
		return
	}
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	end, isKnown := g.tokens[token]
	g.mu.Unlock()
	switch {
	case !isBearer || !isKnown || end.IsZero():
		g.refuse(w, http.StatusUnauthorized, "bad_token", "the token is not valid")
	case !time.Now().Before(end):
		g.refuse(w, http.StatusUnauthorized, "expired_token", "the token has expired: get a new one")
	case r.Method == http.MethodGet && path == "me":
		g.reply(w, r, map[string]any{
			"user": User, "groups": []string{}, "admin": false, "sourceIdentity": User,
			"token": map[string]any{"id": "1", "kind": "cli", "label": "a test", "expires": end.UTC()},
		})
	case r.Method == http.MethodGet && path == "accounts":
		g.listAccounts(w, r)
	case r.Method == http.MethodGet && strings.HasPrefix(path, "accounts/"):
		g.listRoles(w, r, strings.TrimSuffix(strings.TrimPrefix(path, "accounts/"), "/roles"))
	case r.Method == http.MethodPost && path == "credentials":
		g.lend(w, r)
	case r.Method == http.MethodPost && path == "console-links":
		g.reply(w, r, map[string]any{"consoleUrl": "https://signin.aws.amazon.com/federation?Action=login&SigninToken=" + Secret})
	default:
		g.refuse(w, http.StatusNotFound, "not_found", "there is nothing here")
	}
}

func (g *Gateway) listAccounts(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	to := min(from+pageSize, len(g.Accounts))
	page := map[string]any{"accounts": g.Accounts[from:to], "total": len(g.Accounts)}
	if to < len(g.Accounts) {
		page["next"] = strconv.Itoa(to)
	}
	g.reply(w, r, page)
}

func (g *Gateway) listRoles(w http.ResponseWriter, r *http.Request, id string) {
	for _, a := range g.Accounts {
		if a.ID == id {
			g.reply(w, r, map[string]any{"roles": a.Roles})
			return
		}
	}
	g.refuse(w, http.StatusNotFound, "no_account", "account is not known")
}

func (g *Gateway) lend(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Account string `json:"account"`
		Role    string `json:"role"`
		Seconds int    `json:"durationSeconds"`
		Exact   bool   `json:"exact"`
		Console bool   `json:"console"`
	}
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	if err := body.Decode(&asked); err != nil {
		g.refuse(w, http.StatusBadRequest, "bad_request", "the body is not JSON of that form")
		return
	}
	at := slices.IndexFunc(g.Accounts, func(a Account) bool { return a.ID == asked.Account || strings.EqualFold(a.Name, asked.Account) })
	if at < 0 {
		g.refuse(w, http.StatusNotFound, "no_account", fmt.Sprintf("account %q is not known", asked.Account))
		return
	}
	account := g.Accounts[at]
	is := slices.IndexFunc(account.Roles, func(r Role) bool {
		return strings.EqualFold(r.Alias, asked.Role) || strings.EqualFold(r.AWS, asked.Role)
	})
	if is < 0 {
		g.refuse(w, http.StatusForbidden, "not_allowed", fmt.Sprintf("%s may not use %s in account %s", User, asked.Role, account.ID))
		return
	}
	seconds := min(asked.Seconds, account.Roles[is].Seconds)
	answer := map[string]any{
		"issue": "iss_01", "account": map[string]any{"id": account.ID, "name": account.Name}, "role": account.Roles[is].Alias,
		"accessKeyId": "ASIADOUBLE0123456789", "secretAccessKey": Secret + "secret", "sessionToken": Secret + "session",
		"expiration": time.Now().Add(time.Duration(seconds) * time.Second).UTC(),
	}
	if seconds < asked.Seconds {
		answer["cap"] = "the role's longest session"
	}
	g.reply(w, r, answer)
}

func (g *Gateway) reply(w http.ResponseWriter, r *http.Request, answer map[string]any) {
	if g.Change != nil {
		g.Change(r.URL.Path, answer)
	}
	writeJSON(w, http.StatusOK, "application/json", answer)
}

// refuse answers with a problem.
func (g *Gateway) refuse(w http.ResponseWriter, status int, code, detail string) {
	problem := map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail, "code": code, "url": g.URL() + "/profile"}
	if g.Change != nil {
		g.Change("problem", problem)
	}
	writeJSON(w, status, "application/problem+json", problem)
}

func writeJSON(w http.ResponseWriter, status int, kind string, answer any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// form reads a form of at most 64 KiB.
func form(r *http.Request) url.Values {
	text, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	values, _ := url.ParseQuery(string(text))
	return values
}
