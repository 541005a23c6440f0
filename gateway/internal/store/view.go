package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// snapshot calls read with a transaction that sees one state of the database.
func (db *DB) snapshot(ctx context.Context, read func(*sql.Tx) error) error {
	tx, err := db.engine.readers().BeginTx(ctx, db.engine.snapshot())
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it only reads
	return read(tx)
}

// View reads all that decides requests. What it returns belongs to one value of the authorization counter.
func (db *DB) View(ctx context.Context) (*View, error) {
	v := &View{Users: map[string]User{}, Tokens: map[string]Token{}}
	err := db.snapshot(ctx, func(tx *sql.Tx) error {
		last, err := db.lastOf(func(seen end) ([]end, error) {
			rows, err := tx.QueryContext(ctx, selectEnds, seen.head.Seq)
			if err != nil {
				return nil, err
			}
			return scanEnds(rows)
		})
		v.Auth = last.auth
		for _, read := range []func(context.Context, *sql.Tx) error{v.readFrozen, v.readPolicy, v.readUsers, v.readGroups, v.readTokens} {
			if err == nil {
				err = read(ctx, tx)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read people, tokens and policy: %w", err)
	}
	return v, nil
}

// HasSourceIdentity reports whether a user has this source identity.
func (v *View) HasSourceIdentity(identity string) bool {
	for _, u := range v.Users {
		if u.SourceIdentity == identity {
			return true
		}
	}
	return false
}

func (v *View) readFrozen(ctx context.Context, tx *sql.Tx) error {
	return tx.QueryRowContext(ctx, `SELECT frozen FROM gateway`).Scan(&v.Frozen)
}

const selectPolicy = `SELECT seq, doc, sha256, author, message, at FROM policy_version `

func (v *View) readPolicy(ctx context.Context, tx *sql.Tx) (err error) {
	v.Policy, err = scanPolicy(tx.QueryRowContext(ctx, selectPolicy+`ORDER BY seq DESC LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// scanPolicy refuses a document that does not have its hash.
func scanPolicy(row interface{ Scan(...any) error }) (p PolicyVersion, err error) {
	var hash []byte
	var at int64
	if err := row.Scan(&p.Seq, &p.Doc, &hash, &p.Author, &p.Message, &at); err != nil {
		return PolicyVersion{}, err
	}
	p.SHA256, p.At = sha256.Sum256(p.Doc), moment(at)
	if !slices.Equal(hash, p.SHA256[:]) {
		return PolicyVersion{}, fmt.Errorf("version %d of the policy was changed in the database: its hash is wrong", p.Seq)
	}
	return p, nil
}

func (v *View) readUsers(ctx context.Context, tx *sql.Tx) error {
	err := each(ctx, tx, func(r *sql.Rows) error {
		var u User
		var created int64
		if err := r.Scan(&u.Name, &u.SourceIdentity, &u.Disabled, &created); err != nil {
			return err
		}
		u.Created = moment(created)
		v.Users[u.Name] = u
		return nil
	}, `SELECT name, source_identity, disabled, created FROM principal`)
	if err != nil {
		return err
	}
	return each(ctx, tx, func(r *sql.Rows) error {
		var group, user string
		if err := r.Scan(&group, &user); err != nil {
			return err
		}
		u := v.Users[user]
		u.Groups = append(u.Groups, group)
		v.Users[user] = u
		return nil
	}, `SELECT grp, principal FROM membership ORDER BY grp`)
}

func (v *View) readGroups(ctx context.Context, tx *sql.Tx) error {
	return each(ctx, tx, func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		v.Groups = append(v.Groups, name)
		return err
	}, `SELECT name FROM grp ORDER BY name`)
}

// endedLately is how long an ended token stays in a View: its owner is told why it does not work.
const endedLately = 30 * 24 * time.Hour

func (v *View) readTokens(ctx context.Context, tx *sql.Tx) error {
	now := time.Now()
	return each(ctx, tx, func(r *sql.Rows) error {
		t, err := scanToken(r)
		v.Tokens[t.ID] = t
		return err
	}, selectToken+` WHERE expires > $1 AND (kind <> 'web' OR expires > $2)`, micros(now.Add(-endedLately)), micros(now))
}

const selectToken = `SELECT id, principal, kind, mac, key_id, label, created, expires, revoked FROM token`

func scanToken(row interface{ Scan(...any) error }) (t Token, err error) {
	var created, expires, revoked int64
	err = row.Scan(&t.ID, &t.User, &t.Kind, &t.Seal.MAC, &t.Seal.KeyID, &t.Label, &created, &expires, &revoked)
	t.Created, t.Expires, t.Revoked = moment(created), moment(expires), moment(revoked)
	return t, err
}

// queryer is a connection, a pool or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls scan for each row of a query.
func each(ctx context.Context, q queryer, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
