package portal

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/internal/httpx"
)

const (
	maxLabel    = 100 // characters
	minLifetime = time.Minute
)

// SignIns returns the tokens of the caller that work, the newest first.
func (p *Portal) SignIns(ctx context.Context, c issue.Caller) ([]SignIn, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err != nil {
		return nil, err
	}
	rows, err := p.deps.Store.TokensOf(ctx, who.User.Name, time.Now())
	if err != nil {
		return nil, p.unavailable(ctx, "reading tokens", err)
	}
	found := make([]SignIn, 0, len(rows))
	for _, t := range rows {
		found = append(found, SignIn{t.ID, t.Kind, t.Label, t.Created, t.Expires, t.ID == who.Token.ID})
	}
	return found, nil
}

// EndSignIn revokes a token that works: the caller's, or for admins that of another user. Keys that were lent with it go on.
func (p *Portal) EndSignIn(ctx context.Context, c issue.Caller, tokenID string) error {
	return p.change(ctx, c, func(who issue.Who) (store.Change, error) {
		row, err := p.deps.Store.Token(ctx, tokenID)
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return store.Change{}, p.unavailable(ctx, "reading a token", err)
		case err != nil, row.User != who.User.Name && !p.IsAdmin(who), !row.Revoked.IsZero(), !time.Now().Before(row.Expires):
			return store.Change{}, refusal(issue.NoRow, who, "there is no such sign-in or token that could be ended")
		}
		return revocation(who, row), nil
	})
}

// EndAll revokes all tokens of the caller, also the one that the caller asks with, and ends approved sign-ins and sign-in links.
func (p *Portal) EndAll(ctx context.Context, c issue.Caller) error {
	return p.change(ctx, c, func(who issue.Who) (store.Change, error) {
		rows, err := p.deps.Store.TokensOf(ctx, who.User.Name, time.Now())
		if err != nil {
			return store.Change{}, p.unavailable(ctx, "reading tokens", err)
		}
		change := revocation(who, rows...)
		change.Effects = append(change.Effects, store.EndLoginsOf(who.User.Name))
		return change, nil
	})
}

func revocation(who issue.Who, rows ...store.Token) store.Change {
	c := store.Change{Raises: true}
	for _, row := range rows {
		e := event(audit.TokenRevoked, who, row.User, map[string]string{"token": row.ID})
		c.Events, c.Effects = append(c.Events, e), append(c.Effects, store.EndToken(row.ID, e.At))
	}
	return c
}

// CreateToken makes a token for programs of the caller. Only a person at a browser or at the command may: else a token could
// make the one that comes after it, and never end. The text and the init string are secrets that cannot be had again.
func (p *Portal) CreateToken(ctx context.Context, c issue.Caller, label string, lifetime time.Duration) (
	text token.Secret, row store.Token, initString token.Secret, err error,
) {
	err = p.change(ctx, c, func(who issue.Who) (store.Change, error) {
		if err := p.mayCreate(ctx, who, label, lifetime); err != nil {
			return store.Change{}, err
		}
		text, row = p.deps.Ring.Ring().New(store.UserToken, who.User.Name, label, time.Now().Add(lifetime).Truncate(time.Second))
		e := event(audit.TokenCreated, who, "", map[string]string{
			"token": row.ID, "kind": string(row.Kind), "label": label, "expires": row.Expires.Format(time.RFC3339), "key": row.Seal.KeyID,
		})
		// The counter rises, so that two requests at once cannot pass the limit together.
		return store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.AddToken(row)}, Raises: true}, nil
	})
	if err != nil {
		return token.Secret{}, store.Token{}, token.Secret{}, err
	}
	return text, row, token.NewSecret(p.deps.Options.InitString(row, text.Reveal())), nil
}

func (p *Portal) mayCreate(ctx context.Context, who issue.Who, label string, lifetime time.Duration) error {
	most := p.deps.Options.MaxTokenLifetime
	switch {
	case who.Token.Kind == store.UserToken:
		return refusal(issue.NotAllowed, who, "a token that was made by hand makes no other tokens: sign in with a browser, or by 'chaim login'")
	case lifetime < minLifetime || lifetime > most:
		return refusal(issue.Malformed, who, "a token works for a time from %s to %s", minLifetime, most)
	case !isLabel(label):
		return refusal(issue.Malformed, who, "a label has at most %d printable characters, and holds no token or key", maxLabel)
	}
	rows, err := p.deps.Store.TokensOf(ctx, who.User.Name, time.Now())
	if err != nil {
		return p.unavailable(ctx, "reading tokens", err)
	}
	n := 0
	for _, row := range rows {
		if row.Kind == store.UserToken {
			n++
		}
	}
	if n >= p.deps.Options.TokensPerUser {
		return refusal(issue.TooMany, who, "%s has %d tokens that were made by hand, the most that this gateway allows: end one first", who.User.Name, n)
	}
	return nil
}

// isLabel refuses what could be a secret too: the log keeps labels.
func isLabel(label string) bool {
	isHidden := func(r rune) bool { return !unicode.IsPrint(r) }
	return utf8.ValidString(label) && utf8.RuneCountInString(label) <= maxLabel && !strings.ContainsFunc(label, isHidden) &&
		httpx.Scrub(label, len(label)) == label
}
