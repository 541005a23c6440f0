// Package api is the JSON API of the gateway. It translates between requests and a portal, and decides nothing itself. Its
// contract is openapi.yaml.
package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/internal/httpx"
)

// Prefix is where all paths of the API begin.
const Prefix = "/api/v1/"

const (
	maxBody  = 64 << 10
	maxAgent = 200 // characters
	maxCause = 500 // characters of an error in the log
)

//go:embed openapi.yaml
var contract []byte

// Portal says what a user may see and do, see [portal.Portal]. What it refuses is an [*issue.Refusal].
type Portal interface {
	Lender
	Tokens
	Trail
	Me(ctx context.Context, c issue.Caller) (portal.Me, error)
	Accounts(ctx context.Context, c issue.Caller, q portal.AccountQuery) (portal.AccountPage, error)
	Account(ctx context.Context, c issue.Caller, nameOrID string) (portal.Account, error)
	Explain(ctx context.Context, c issue.Caller, user, account, role string) (policy.Explanation, error)
	WhoCan(ctx context.Context, c issue.Caller, account, role string) ([]portal.Right, error)
}

// Lender lends keys.
type Lender interface {
	Credentials(ctx context.Context, c issue.Caller, ask issue.Ask) (issue.Grant, error)
	Console(ctx context.Context, c issue.Caller, ask issue.Ask) (url, issueID string, err error)
	Link(ctx context.Context, c issue.Caller, keys aws.Credentials) (string, error)
	Keys(ctx context.Context, c issue.Caller, user string) ([]portal.Lent, error)
}

// Tokens are those of users.
type Tokens interface {
	SignIns(ctx context.Context, c issue.Caller) ([]portal.SignIn, error)
	EndSignIn(ctx context.Context, c issue.Caller, tokenID string) error
	CreateToken(ctx context.Context, c issue.Caller, label string, lifetime time.Duration) (
		text token.Secret, row store.Token, initString token.Secret, err error)
}

// Trail is the audit log.
type Trail interface {
	Issue(ctx context.Context, c issue.Caller, issueID string) ([]portal.AuditEntry, error)
	Audit(ctx context.Context, c issue.Caller, q portal.AuditQuery) (portal.AuditPage, error)
}

// Watcher is told how requests end, and holds back those who guess. Its methods must not block.
type Watcher interface {
	// Asked counts an answered request for keys. result is "issued", "error" or an [issue.Code]. client is the program's own
	// words, and so any text.
	Asked(result, client string)
	// TokenFailed counts a wrong token or wrong keys from an address. If there were too many, it returns how long the address
	// should pause. The caller is then told so, and not what was wrong.
	TokenFailed(from netip.Addr) (pause time.Duration)
}

// Deps are the parts that an API works with. Log may be nil: then there is no log.
type Deps struct {
	Portal  Portal
	Watcher Watcher
	Address func(*http.Request) (addr netip.Addr, isProven bool) // the caller's address, for [issue.Caller]
	URL     *url.URL                                             // of the gateway; links in refusals begin with it
	Log     *slog.Logger
}

// API answers the requests below [Prefix]. Any number of goroutines may use it. Make it with [New].
type API struct {
	deps Deps
	mux  *http.ServeMux
}

// New returns an API.
func New(d Deps) *API {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{deps: d, mux: http.NewServeMux()}
	for _, r := range a.routes() {
		a.mux.HandleFunc(r.method+" "+Prefix+r.path, func(w http.ResponseWriter, req *http.Request) { a.serve(w, req, r) })
	}
	a.mux.HandleFunc("GET "+Prefix+"openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(contract) // the client may have left
	})
	a.mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		a.refuse(w, req, call{}, &issue.Refusal{Code: issue.NoRow, Text: "the API has no such path, or not with this method"})
	})
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	a.mux.ServeHTTP(w, r)
}

// route is one operation of the API.
type route struct {
	method string
	path   string   // below Prefix
	query  []string // the parameters that it takes
	do     func(call) (answer, error)
}

// answer is what an operation answers. It may hold secrets, and prints without them.
type answer struct {
	status int // zero means 200
	body   any // nil means none
}

// Format prints the status only.
func (a answer) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "answer with status %d", a.status) }

func (a *API) routes() []route {
	paged := func(names ...string) []string { return append(names, "cursor", "limit") }
	return []route{
		{"GET", "me", nil, a.me},
		{"GET", "accounts", paged("q", "tag", "ou"), a.accounts},
		{"GET", "accounts/{id}/roles", nil, a.roles},
		{"POST", "credentials", nil, a.credentials},
		{"POST", "console-links", nil, a.consoleLink},
		{"GET", "keys", []string{"user"}, a.keys},
		{"GET", "sign-ins", nil, a.signIns},
		{"DELETE", "sign-ins/{id}", nil, a.endSignIn},
		{"GET", "tokens", nil, a.tokens},
		{"POST", "tokens", nil, a.createToken},
		{"DELETE", "tokens/{id}", nil, a.endSignIn},
		{"GET", "explain", []string{"user", "account", "role"}, a.explain},
		{"GET", "who-can", []string{"account", "role"}, a.whoCan},
		{"GET", "issues/{id}", nil, a.issue},
		{"GET", "audit", paged("actor", "subject", "account", "issue", "type", "since", "until"), a.audit},
	}
}

// call is one request of a caller who has sent a token.
type call struct {
	r      *http.Request
	caller issue.Caller
	query  url.Values
	input  *input
}

// ctx is the context of the request.
func (c call) ctx() context.Context { return c.r.Context() }

// serve answers a request to an operation.
func (a *API) serve(w http.ResponseWriter, r *http.Request, to route) {
	c := call{r: r, input: &input{}}
	c.caller.Way = issue.ByAPI
	c.caller.IP, c.caller.IsProven = a.deps.Address(r)
	var err error
	if c.caller.Token, err = bearer(r); err == nil {
		c.caller.Agent = httpx.Scrub(r.UserAgent(), maxAgent, c.caller.Token)
		c.query, err = queryOf(r, to.query)
	}
	var done answer
	if err == nil {
		done, err = to.do(c)
	}
	if err != nil {
		a.refuse(w, r, c, err)
		return
	}
	if done.body == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	write(w, max(done.status, http.StatusOK), "application/json", done.body)
}

func write(w http.ResponseWriter, status int, kind string, body any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // the client may have left
}

// errNoToken says that a request has no token where one belongs.
var errNoToken = errors.New("the request has no token: send it as 'Authorization: Bearer chm1_…'")

// bearer returns the token of a request. It is in the header and nowhere else: logs keep paths, and browsers send cookies for
// other sites.
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", errNoToken
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || text == "" {
		return "", errNoToken
	}
	return strings.TrimLeft(text, " "), nil
}
