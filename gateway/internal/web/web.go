// Package web has the pages of the gateway. Each page works without a script.
//
// The package asks a portal what a signed-in user may see and do, and writes the answer as HTML. It decides nothing itself.
// The server around it sets the security headers and refuses forms from other sites.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/gateway/policy"
)

// Portal says what a signed-in user may see and do. What it refuses is an [*issue.Refusal].
type Portal interface {
	Own
	Admin
	Me(ctx context.Context, c issue.Caller) (portal.Me, error)
	Accounts(ctx context.Context, c issue.Caller, q portal.AccountQuery) (portal.AccountPage, error)
	Console(ctx context.Context, c issue.Caller, ask issue.Ask) (url, issueID string, err error)
	Explain(ctx context.Context, c issue.Caller, user, account, role string) (policy.Explanation, error)
	Issue(ctx context.Context, c issue.Caller, issueID string) ([]portal.AuditEntry, error)
}

// Own is what belongs to the user: keys, sign-ins, tokens and rights.
type Own interface {
	Keys(ctx context.Context, c issue.Caller, user string) ([]portal.Lent, error)
	SignIns(ctx context.Context, c issue.Caller) ([]portal.SignIn, error)
	EndSignIn(ctx context.Context, c issue.Caller, tokenID string) error
	EndAll(ctx context.Context, c issue.Caller) error
	CreateToken(ctx context.Context, c issue.Caller, label string, lifetime time.Duration) (
		text token.Secret, row store.Token, initString token.Secret, err error)
	Rights(ctx context.Context, c issue.Caller, page portal.Page) (portal.RightsPage, error)
}

// Admin is what only admins may see.
type Admin interface {
	WhoCan(ctx context.Context, c issue.Caller, account, role string) ([]portal.Right, error)
	Access(ctx context.Context, c issue.Caller, user string, page portal.Page) (portal.RightsPage, error)
	Audit(ctx context.Context, c issue.Caller, q portal.AuditQuery) (portal.AuditPage, error)
	ChainState(ctx context.Context, c issue.Caller) (portal.ChainState, error)
}

// Sessions knows the sign-ins of browsers.
type Sessions interface {
	// Caller returns who the browser's cookie is for; false if there is no valid one.
	Caller(w http.ResponseWriter, r *http.Request) (issue.Caller, bool)
	// PreviewLink returns whom a one-time link signs in, and does not use the link. An [issue.BadToken] means that the link does
	// not work any more.
	PreviewLink(ctx context.Context, code string) (user string, err error)
}

// OAuth decides the sign-ins of the command chaim.
type OAuth interface {
	// CheckAuthorize refuses a wrong request with [issue.BadLogin].
	CheckAuthorize(params url.Values) (oauth.Authorize, error)
	Approve(ctx context.Context, who issue.Who, a oauth.Authorize, from netip.Addr) (redirect string, err error)
	Deny(ctx context.Context, who issue.Who, a oauth.Authorize, from netip.Addr) (redirect string)
	FindDevice(ctx context.Context, who issue.Who, typed string) (oauth.Device, error)
	DecideDevice(ctx context.Context, who issue.Who, typed string, allow bool) error
}

// Authenticator says who a caller is, by the database as it is now.
type Authenticator interface {
	Authenticate(ctx context.Context, c issue.Caller) (issue.Who, error)
}

// Deps are the parts that the pages work with. Log may be nil: then there is no log.
type Deps struct {
	Portal        Portal
	Sessions      Sessions
	OAuth         OAuth
	Authenticator Authenticator
	// AllowForm lets the forms of an answer lead to another origin too. It changes the security headers of the answer.
	AllowForm func(w http.ResponseWriter, origin string)
	Site      Site
	Log       *slog.Logger
}

// Site is what the pages say about the gateway.
type Site struct {
	Name     string        // of the gateway, in the head of all pages; empty means the host of URL
	URL      string        // where people reach it
	Provider string        // the id of the identity provider; empty if there is none
	Device   bool          // a program may sign in by a code that a person types
	MaxToken time.Duration // the longest lifetime of a token that a person makes
}

// Pages serves the pages. All methods are safe for concurrent use. Make it with [New].
type Pages struct {
	deps Deps
	site site
}

// New returns the pages.
func New(d Deps) *Pages {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Site.Name == "" {
		if u, err := url.Parse(d.Site.URL); err == nil {
			d.Site.Name = u.Host
		}
	}
	return &Pages{deps: d, site: newSite(d.Site)}
}

// Mount adds the pages to mux. POST /auth/link and the paths of /auth that start and end a sign-in are those of the sessions.
func (p *Pages) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /static/{file}", p.site.assets.serve)
	mux.HandleFunc("GET /{$}", p.signedIn(p.accounts))
	mux.HandleFunc("GET /accounts", p.signedIn(p.accounts))
	mux.HandleFunc("POST /console", p.signedIn(p.console))
	mux.HandleFunc("GET /keys", p.signedIn(p.keys))
	mux.HandleFunc("POST /keys/end", p.signedIn(p.endSignIn))
	mux.HandleFunc("POST /keys/end-all", p.signedIn(p.endAll))
	mux.HandleFunc("GET /profile", p.signedIn(p.profile))
	mux.HandleFunc("POST /profile/tokens", p.signedIn(p.createToken))
	mux.HandleFunc("POST /profile/tokens/revoke", p.signedIn(p.revokeToken))
	mux.HandleFunc("GET /login", p.login)
	mux.HandleFunc("GET /auth/link", p.link)
	mux.HandleFunc("GET /oauth/authorize", p.signedIn(p.consent))
	mux.HandleFunc("POST /oauth/authorize", p.signedIn(p.decideConsent))
	mux.HandleFunc("GET /device", p.signedIn(p.device))
	mux.HandleFunc("POST /device", p.signedIn(p.decideDevice))
	mux.HandleFunc("GET /access", p.signedIn(p.access))
	mux.HandleFunc("GET /audit", p.signedIn(p.audit))
	mux.HandleFunc("GET /issues/{id}", p.signedIn(p.issue))
}

// Message writes a page that only has a message. Title and text are sentences for people.
func (p *Pages) Message(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	p.render(w, r, status, "message", page{Title: title, Data: message{Text: text}})
}

// maxForm bounds the body of a form in bytes.
const maxForm = 64 << 10

// visit is one request of a signed-in user.
type visit struct {
	w      http.ResponseWriter
	r      *http.Request
	caller issue.Caller
	me     portal.Me
}

func (v visit) ctx() context.Context { return v.r.Context() }

// query returns a parameter of the address without spaces around it.
func (v visit) query(name string) string { return strings.TrimSpace(v.r.URL.Query().Get(name)) }

// form returns a field of the form without spaces around it.
func (v visit) form(name string) string { return strings.TrimSpace(v.r.PostForm.Get(name)) }

// see sends the browser to a page of our own after a form.
func (v visit) see(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// signedIn serves a page to signed-in users, and sends all others to the sign-in.
func (p *Pages) signedIn(serve func(visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			p.Message(w, r, http.StatusBadRequest, "This form could not be read", "Go back, reload the page and send the form again.")
			return
		}
		caller, isSignedIn := p.deps.Sessions.Caller(w, r)
		if !isSignedIn {
			p.toLogin(w, r)
			return
		}
		me, err := p.deps.Portal.Me(r.Context(), caller)
		if err == nil {
			err = serve(visit{w, r, caller, me})
		}
		if err != nil {
			p.fail(w, r, me, err)
		}
	}
}

// show writes a page of a signed-in user.
func (p *Pages) show(v visit, name string, pg page) error {
	pg.Me = &v.me
	p.render(v.w, v.r, http.StatusOK, name, pg)
	return nil
}
