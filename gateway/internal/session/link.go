package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

const (
	purposeLink = "sign-in link"
	// LinkLife is how long a sign-in link works.
	LinkLife = 15 * time.Minute
)

// NewLink makes the code of a sign-in link for a user, and its row, which must be stored with [store.AddFlow].
func NewLink(ring *token.Ring, user string, now time.Time) (code token.Secret, row store.Flow) {
	code = token.NewCode()
	return code, store.Flow{
		Digest: ring.Digest(purposeLink, code.Reveal()), Kind: store.LinkFlow, Outcome: store.Outcome{State: store.FlowApproved, User: user},
		Created: now, Expires: now.Add(LinkLife),
	}
}

// ErrLink says that a sign-in link is of no use. Its text is a sentence for the person.
var ErrLink error = &refusal{http.StatusForbidden, "This sign-in link has been used, is more than 15 minutes old, or was never made here. Ask for a new one."}

// PreviewLink returns the user whom a sign-in link would sign in. It does not use the link up. IsLinkRefused tells an error that
// means that the link is of no use.
func (m *Manager) PreviewLink(ctx context.Context, code string) (user string, err error) {
	f, err := m.link(ctx, code)
	return f.Outcome.User, err
}

// IsLinkRefused reports whether an error of PreviewLink or UseLink is about the link or its user, and not about the database. Its
// text is then a sentence for the person.
func IsLinkRefused(err error) bool { return errors.As(err, new(*refusal)) }

func (m *Manager) link(ctx context.Context, code string) (store.Flow, error) {
	for _, digest := range m.deps.Ring.Ring().Digests(purposeLink, code) {
		f, err := m.deps.Store.Flow(ctx, digest)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return store.Flow{}, err
		case f.Kind != store.LinkFlow || f.Outcome.State != store.FlowApproved || !time.Now().Before(f.Expires):
			return store.Flow{}, ErrLink
		default:
			return f, nil
		}
	}
	return store.Flow{}, ErrLink
}

// UseLink uses up a sign-in link, and signs the browser in. The answer must not have begun.
func (m *Manager) UseLink(w http.ResponseWriter, r *http.Request, code string) error {
	ctx, stop := context.WithTimeout(r.Context(), workTimeout)
	defer stop()
	for range maxDecisions {
		flow, err := m.link(ctx, code)
		if err != nil {
			return err
		}
		view, err := m.deps.Store.View(ctx)
		if err != nil {
			return err
		}
		a := &admission{view: view, at: time.Now().UTC().Truncate(time.Microsecond)}
		if refused := a.find(flow.Outcome.User); refused != nil {
			return refused
		}
		text, row := m.newToken(r, a.user.Name)
		a.actor = m.actor(r, a.user.Name, row.ID)
		a.letIn(row, m.oldToken(r))
		a.change.Effects = append(a.change.Effects, store.UseFlow(flow.Digest, row.ID, a.at))
		err = m.deps.Journal.Append(ctx, a.change)
		switch {
		case err == nil:
			m.give(w, text)
			return nil
		case errors.Is(err, store.ErrConflict): // another browser was faster
			return ErrLink
		case !isOvertaken(err):
			return err
		}
	}
	return errOvertaken
}

// useLink is the button of the page of a sign-in link.
func (m *Manager) useLink(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := m.UseLink(w, r, r.PostFormValue("code")); err != nil {
		m.fail(w, r, err)
		return
	}
	m.deps.Options.Counted("link")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
