package session

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/idp"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/internal/httpx"
)

const (
	// signInLife is how long a person may take at the provider.
	signInLife = 10 * time.Minute
	maxNext    = 2000 // bytes
)

// CallbackPath returns the path to which a provider sends browsers back.
func CallbackPath(providerID string) string { return "/auth/callback/" + providerID }

// begun is a sign-in at the provider, as the browser's cookie holds it.
type begun struct {
	Pending idp.Pending `json:"pending"`
	Next    string      `json:"next"`
	Expires int64       `json:"expires"` // seconds since 1970
}

// begin sends a browser to the provider.
func (m *Manager) begin(w http.ResponseWriter, r *http.Request) {
	if m.deps.Provider == nil {
		m.deps.Page(w, r, http.StatusNotFound, titleRefused, "This gateway has no identity provider. Ask an operator for a sign-in link.")
		return
	}
	address, pending, err := m.deps.Provider.Begin(r.Context())
	if err != nil {
		m.failAtProvider(w, r, err)
		return
	}
	b := begun{pending, LocalPath(r.URL.Query().Get("next")), time.Now().Add(signInLife).Unix()}
	m.seal(w, m.signInName(), purposeSignIn, b, signInLife)
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// IsLocal reports whether a text is a path of this gateway, with its query: no browser takes it for the address of another host.
func IsLocal(text string) bool {
	isOther := len(text) > maxNext || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") ||
		strings.ContainsFunc(text, func(r rune) bool { return r == '\\' || unicode.IsControl(r) || r == unicode.ReplacementChar })
	if isOther {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && !strings.HasPrefix(u.Path, "//")
}

// LocalPath returns a path of the gateway's own pages, with its query, or "/" for any other text and for the paths that sign in
// and out.
func LocalPath(text string) string {
	u, err := url.Parse(text)
	if err != nil || !IsLocal(text) || strings.HasPrefix(u.Path, "/auth/") {
		return "/"
	}
	return u.RequestURI()
}

// finish signs in a browser that comes back from the provider. What the browser holds of the sign-in is used up by that.
func (m *Manager) finish(w http.ResponseWriter, r *http.Request) {
	p := m.deps.Provider
	if p == nil || r.PathValue("provider") != p.ID() {
		m.deps.Page(w, r, http.StatusNotFound, titleRefused, "This gateway has no identity provider of that name.")
		return
	}
	var b begun
	isThere := m.unseal(r, m.signInName(), purposeSignIn, &b)
	m.clear(w, m.signInName())
	if !isThere || time.Now().Unix() >= b.Expires {
		m.fail(w, r, &refusal{http.StatusBadRequest, "This sign-in did not begin in this browser, or it took more than ten minutes. Begin again."})
		return
	}
	from, _ := m.deps.Options.Address(r)
	if pause := m.deps.Options.Pause(from); pause > 0 { // each try would ask the provider
		w.Header().Set("Retry-After", httpx.RetryAfter(pause))
		m.fail(w, r, &refusal{http.StatusTooManyRequests, "Too many sign-ins from your address have failed. Wait a moment, and begin again."})
		return
	}
	who, err := p.Finish(r.Context(), b.Pending, r.URL.Query())
	if err != nil {
		if problem := (*idp.Problem)(nil); errors.As(err, &problem) && problem.Kind == idp.Wrong {
			m.deps.Options.Failed(from)
		}
		if who.Subject != "" {
			m.recordRefusal(r, who, "", err)
		}
		m.failAtProvider(w, r, err)
		return
	}
	ctx, stop := context.WithTimeout(r.Context(), workTimeout)
	defer stop()
	if err := m.admit(ctx, w, r, who); err != nil {
		m.fail(w, r, err)
		return
	}
	m.deps.Options.Counted("provider")
	http.Redirect(w, r, b.Next, http.StatusSeeOther)
}

// statusOf is how a problem at the provider is answered.
var statusOf = map[idp.Kind]int{
	idp.Away: http.StatusBadGateway, idp.Broken: http.StatusBadGateway, idp.Wrong: http.StatusBadRequest,
	idp.Denied: http.StatusForbidden, idp.Unfit: http.StatusForbidden,
}

func (m *Manager) failAtProvider(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadGateway
	var problem *idp.Problem
	if errors.As(err, &problem) {
		status = statusOf[problem.Kind]
	}
	m.deps.Log.Warn("a sign-in at the identity provider failed", "error", err)
	m.fail(w, r, &refusal{status, sentence(err.Error())})
}

// sentence makes a text of an error one for a page.
func sentence(text string) string {
	return strings.ToUpper(text[:min(1, len(text))]) + text[min(1, len(text)):] + "."
}

// admit lets a person in: it finds or makes the person's user, and gives the browser a new token.
func (m *Manager) admit(ctx context.Context, w http.ResponseWriter, r *http.Request, who idp.Person) error {
	for range maxDecisions {
		view, err := m.deps.Store.View(ctx)
		if err != nil {
			return err
		}
		// After the view: a change of identities raises the counter, so what is read here is that of the view, or stale.
		identity, err := m.deps.Store.Identity(ctx, who.Issuer, who.Subject)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		a := &admission{
			view: view, who: who, prefix: m.deps.Provider.ID() + ":", at: time.Now().UTC().Truncate(time.Microsecond),
		}
		if refused := a.find(identity.User); refused != nil {
			m.recordRefusal(r, who, cmp.Or(identity.User, who.Name), refused)
			return refused
		}
		text, row := m.newToken(r, a.user.Name)
		a.actor = m.actor(r, a.user.Name, row.ID)
		a.enrol()
		a.letIn(row, m.oldToken(r))
		if err = m.deps.Journal.Append(ctx, a.change); err == nil {
			m.give(w, text)
		}
		if !isOvertaken(err) {
			return err
		}
	}
	return errOvertaken
}

// recordRefusal puts into the log that the gateway did not let in a person whom the provider knows. user may be empty.
func (m *Manager) recordRefusal(r *http.Request, who idp.Person, user string, why error) {
	ctx, stop := context.WithTimeout(r.Context(), workTimeout)
	defer stop()
	actor := m.actor(r, "", "")
	actor.Kind, actor.Name = "provider", m.deps.Provider.ID()
	err := m.deps.Journal.Append(ctx, store.Change{Events: []audit.Event{{
		Type: audit.SignInRefused, At: time.Now(), Actor: actor, Subject: user,
		Details: map[string]string{"provider": m.deps.Provider.ID(), "issuer": who.Issuer, "subject": who.Subject, "reason": why.Error()},
	}}})
	if err != nil {
		m.deps.Log.Error("a refused sign-in could not be recorded", "error", err)
	}
}
