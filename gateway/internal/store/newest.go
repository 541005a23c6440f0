package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

// NewestEvents returns the events before a position, the newest first, and limit at most. The zero position is the end of the
// log.
func (db *DB) NewestEvents(ctx context.Context, before audit.Position, f EventFilter, limit int) ([]audit.Entry, error) {
	where := f.conditions()
	if before != (audit.Position{}) {
		where.add("(seq, idx) < (?, ?)", before.Seq, before.Idx)
	}
	found, err := readEvents(ctx, db.engine.readers(), where, fmt.Sprintf("seq DESC, idx DESC LIMIT %d", max(limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("read the newest events of the audit log: %w", err)
	}
	return found, nil
}

// conditions returns the WHERE of the filter.
func (f EventFilter) conditions() (c conditions) {
	c.addText("actor", f.Actor)
	c.addText("subject", f.Subject)
	c.addText("account", f.Account)
	c.addText("issue", f.Issue)
	if f.Issue != "" {
		c.clauses = append(c.clauses, "issue <> ''") // the index has these rows only
	}
	c.addText("type", string(f.Type))
	c.addTimes(f.Since, f.Until)
	return c
}

// readEvents reads the events of one query.
func readEvents(ctx context.Context, q queryer, where conditions, order string) (found []audit.Entry, err error) {
	err = each(ctx, q, func(r *sql.Rows) error {
		var e audit.Entry
		err := r.Scan(&e.Seq, &e.Idx, &e.At, &e.Type, &e.Actor, &e.Subject, &e.Account, &e.Role, &e.Issue, &e.Salt, &e.Body, &e.Leaf)
		found = append(found, e)
		return err
	}, `SELECT seq, idx, at, type, actor, subject, account, role, issue, salt, body, leaf FROM audit_event`+where.String()+
		` ORDER BY `+order, where.args...)
	return found, err
}

// BatchTime returns when a batch was written, or [ErrNotFound].
func (db *DB) BatchTime(ctx context.Context, seq int64) (time.Time, error) {
	var at int64
	err := db.engine.readers().QueryRowContext(ctx, `SELECT at FROM audit_batch WHERE seq = $1`, seq).Scan(&at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return time.Time{}, fmt.Errorf("batch %d of the audit log: %w", seq, ErrNotFound)
	case err != nil:
		return time.Time{}, fmt.Errorf("read batch %d of the audit log: %w", seq, err)
	}
	return moment(at), nil
}

// TokensOf returns the tokens of a user that work at a time, the newest first. A [View] may not have the last ones yet: a new
// token does not raise the counter.
func (db *DB) TokensOf(ctx context.Context, user string, now time.Time) (found []Token, err error) {
	err = each(ctx, db.engine.readers(), func(r *sql.Rows) error {
		t, err := scanToken(r)
		found = append(found, t)
		return err
	}, selectToken+` WHERE principal = $1 AND revoked = 0 AND expires > $2 ORDER BY created DESC, id`, text(user), micros(now))
	if err != nil {
		return nil, fmt.Errorf("read the tokens of a user: %w", err)
	}
	return found, nil
}
