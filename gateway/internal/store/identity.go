package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Identity is a person as an identity provider knows the person.
type Identity struct {
	Issuer  string // the URL of the provider
	Subject string // the person's id there, which is never another person's
	User    string
	Created time.Time
}

// AddIdentity links an identity, which is not linked yet, to a user.
func AddIdentity(i Identity) Effect {
	return oneRow(`INSERT INTO identity (issuer, subject, principal, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		text(i.Issuer), text(i.Subject), text(i.User), micros(i.Created))
}

// RemoveIdentity removes an identity that is linked to this user.
func RemoveIdentity(i Identity) Effect {
	return oneRow(`DELETE FROM identity WHERE issuer = $1 AND subject = $2 AND principal = $3`, text(i.Issuer), text(i.Subject), text(i.User))
}

// Identity returns the identity with that id at a provider, or [ErrNotFound].
func (db *DB) Identity(ctx context.Context, issuer, subject string) (Identity, error) {
	found, err := db.identities(ctx, `issuer = $1 AND subject = $2`, text(issuer), text(subject))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("identity: %w", ErrNotFound)
	}
	if err != nil {
		return Identity{}, err
	}
	return found[0], nil
}

// IdentitiesOf returns the identities of a user, the oldest first.
func (db *DB) IdentitiesOf(ctx context.Context, user string) ([]Identity, error) {
	return db.identities(ctx, `principal = $1 ORDER BY created, issuer, subject`, text(user))
}

func (db *DB) identities(ctx context.Context, condition string, args ...any) (found []Identity, err error) {
	err = each(ctx, db.engine.readers(), func(r *sql.Rows) error {
		var i Identity
		var created int64
		err := r.Scan(&i.Issuer, &i.Subject, &i.User, &created)
		i.Created = moment(created)
		found = append(found, i)
		return err
	}, `SELECT issuer, subject, principal, created FROM identity WHERE `+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	return found, nil
}

// Token returns a token by its id, or [ErrNotFound]. A [View] may not have it yet: a new token does not raise the counter.
func (db *DB) Token(ctx context.Context, id string) (Token, error) {
	t, err := scanToken(db.engine.readers().QueryRowContext(ctx, selectToken+` WHERE id = $1`, text(id)))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Token{}, fmt.Errorf("token: %w", ErrNotFound)
	case err != nil:
		return Token{}, fmt.Errorf("read a token: %w", err)
	}
	return t, nil
}
