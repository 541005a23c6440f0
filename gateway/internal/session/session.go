// Package session signs browsers in and out: at the identity provider, or by a link of an operator.
//
// A browser that is signed in has a token of the kind web in a sealed cookie. The token is a row like any other, so it ends on
// all replicas at once; the cookie adds the time of its last use.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/idp"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/internal/httpx"
)

const (
	// maxDecisions is how often a change is decided if people, tokens or policy change all the time.
	maxDecisions = 8
	// workTimeout bounds the reads and writes of a request, but for the provider's answers.
	workTimeout = 5 * time.Second

	// maxAtProvider is how many requests wait for the provider at a time. A provider that hangs must not take the places of those
	// who do not need it.
	maxAtProvider = 64

	maxForm  = 4 << 10 // bytes of a form
	maxAgent = 190     // bytes of the browser's own words, and an ellipsis
)

// Store is what a Manager reads of the database.
type Store interface {
	View(ctx context.Context) (*store.View, error)
	Identity(ctx context.Context, issuer, subject string) (store.Identity, error)
	Flow(ctx context.Context, digest []byte) (store.Flow, error)
}

// Issuer says who a caller is, as [issue.Issuer.Authenticate] does.
type Issuer interface {
	Authenticate(ctx context.Context, c issue.Caller) (issue.Who, error)
}

// Deps are the parts that a Manager works with.
type Deps struct {
	Issuer   Issuer
	Store    Store
	Journal  issue.Journal
	Ring     *token.File
	Provider *idp.Provider // nil means that people sign in by links only
	Options  Options
	Log      *slog.Logger // nil means no log
	// Page answers with a page that has one message. The texts are plain, for people.
	Page func(w http.ResponseWriter, r *http.Request, status int, title, text string)
}

// Options say how long browsers stay signed in, and what a request is.
type Options struct {
	URL     *url.URL      // the gateway's public address
	WebMax  time.Duration // from the sign-in to its end
	IdleWeb time.Duration // from the last use to the end
	// Address returns the address of a request, and whether the request proves it.
	Address func(*http.Request) (addr netip.Addr, isProven bool)
	// Counted is told of the end of each sign-in, for metrics: "provider", "link", "refused" or "failed". Nil means that nothing
	// is told. It must not wait.
	Counted func(result string)
	// Failed counts a failed sign-in of an address, and Pause says how long the address must wait until the next one. Nil means
	// that no address must wait.
	Failed, Pause func(netip.Addr) time.Duration
}

// Manager signs browsers in and out. Make one with [New]. All methods are safe for concurrent use.
type Manager struct {
	deps   Deps
	places chan struct{} // of requests that wait for the provider
}

// New returns a Manager. It touches neither the database nor the network.
func New(d Deps) *Manager {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Options.Counted == nil {
		d.Options.Counted = func(string) {}
	}
	if d.Options.Failed == nil {
		d.Options.Failed = func(netip.Addr) time.Duration { return 0 }
		d.Options.Pause = d.Options.Failed
	}
	return &Manager{d, make(chan struct{}, maxAtProvider)}
}

// Mount adds the addresses below /auth/. The POST requests among them need protection against other origins, as
// [http.CrossOriginProtection] gives it.
func (m *Manager) Mount(mux *http.ServeMux) {
	handle := func(pattern string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			h(w, r)
		})
	}
	handle("GET /auth/login", m.atProvider(m.begin))
	handle("GET /auth/callback/{provider}", m.atProvider(m.finish))
	handle("POST /auth/logout", m.signOut)
	handle("POST /auth/link", m.useLink)
}

// atProvider bounds the requests that wait for the provider.
func (m *Manager) atProvider(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case m.places <- struct{}{}:
			defer func() { <-m.places }()
			next(w, r)
		default:
			w.Header().Set("Retry-After", "2")
			m.deps.Page(w, r, http.StatusServiceUnavailable, titleFailed, "The identity provider does not answer as fast as it is asked. Try again in a moment.")
		}
	}
}

// signOut ends the session of a browser, which may have ended already.
func (m *Manager) signOut(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithTimeout(r.Context(), workTimeout)
	defer stop()
	if caller, isSignedIn := m.Caller(w, r); isSignedIn {
		if err := m.end(ctx, caller); err != nil {
			m.unavailable(w, r, err)
			return
		}
	}
	m.clear(w, m.cookieName())
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// end revokes the token of a caller, unless it has ended.
func (m *Manager) end(ctx context.Context, caller issue.Caller) error {
	for range maxDecisions {
		who, err := m.deps.Issuer.Authenticate(ctx, caller)
		var refusal *issue.Refusal
		if errors.As(err, &refusal) && hasEnded(refusal.Code) {
			return nil
		}
		if err != nil {
			return err
		}
		now := time.Now()
		err = m.deps.Journal.Append(ctx, store.Change{
			Events:  []audit.Event{{Type: audit.SignedOut, At: now, Actor: who.Actor, Details: map[string]string{"token": who.Token.ID}}},
			Effects: []store.Effect{store.RevokeToken(who.Token.ID, now)},
			IfAuth:  who.View().Auth, Raises: true,
		})
		if !isOvertaken(err) {
			return err
		}
	}
	return errOvertaken
}

// hasEnded reports whether a refusal says that the token is of no use any more.
func hasEnded(c issue.Code) bool {
	return c == issue.BadToken || c == issue.ExpiredToken || c == issue.DisabledUser
}

var errOvertaken = fmt.Errorf("%w, %d times in a row", store.ErrStale, maxDecisions)

// isOvertaken reports whether a change must be decided again.
func isOvertaken(err error) bool { return errors.Is(err, store.ErrStale) }

// actor is a user whom a new token, or one that there is, lets in.
func (m *Manager) actor(r *http.Request, user, tokenID string) audit.Actor {
	a := audit.Actor{Kind: "user", Name: user, Token: tokenID, Agent: httpx.Scrub(r.UserAgent(), maxAgent)}
	if addr, _ := m.deps.Options.Address(r); addr.IsValid() {
		a.IP = addr.String()
	}
	return a
}

// refusal is a sign-in that the gateway refuses. Its text is for the person.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

const (
	titleRefused = "You are not signed in"
	titleFailed  = "The gateway cannot sign you in or out just now"
)

// fail answers a sign-in that could not be done.
func (m *Manager) fail(w http.ResponseWriter, r *http.Request, err error) {
	var refused *refusal
	if errors.As(err, &refused) {
		m.deps.Options.Counted("refused")
		m.deps.Page(w, r, refused.status, titleRefused, refused.text)
		return
	}
	m.deps.Options.Counted("failed")
	m.unavailable(w, r, err)
}

// unavailable answers a request for which the database was needed.
func (m *Manager) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	m.deps.Log.Error("a browser could not be signed in or out", "error", err)
	w.Header().Set("Retry-After", "2")
	m.deps.Page(w, r, http.StatusServiceUnavailable, titleFailed, "Its database does not answer as it should. Try again in a moment.")
}
