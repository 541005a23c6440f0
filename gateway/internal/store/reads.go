package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

// IssueFilter selects issues. Zero fields select all.
type IssueFilter struct {
	User    string
	Account string
	KeyID   string
	State   State
	Since   time.Time // at or after
	Until   time.Time // before
	Limit   int       // the newest ones only
}

// conditions is the WHERE of a query under construction.
type conditions struct {
	clauses []string
	args    []any
}

// add adds a clause with one parameter, written as ?.
func (c *conditions) add(clause string, args ...any) {
	for _, arg := range args {
		c.args = append(c.args, arg)
		clause = strings.Replace(clause, "?", fmt.Sprintf("$%d", len(c.args)), 1)
	}
	c.clauses = append(c.clauses, clause)
}

// addText adds an equality unless the value is empty.
func (c *conditions) addText(column, value string) {
	if value != "" {
		c.add(column+" = ?", text(value))
	}
}

// addTimes adds a span of time.
func (c *conditions) addTimes(since, until time.Time) {
	if !since.IsZero() {
		c.add("at >= ?", micros(since))
	}
	if !until.IsZero() {
		c.add("at < ?", micros(until))
	}
}

func (c *conditions) String() string {
	if len(c.clauses) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.clauses, " AND ")
}

// Issues returns issues, the newest first.
func (db *DB) Issues(ctx context.Context, f IssueFilter) ([]Issue, error) {
	var c conditions
	c.addText("principal", f.User)
	c.addText("account", f.Account)
	c.addText("access_key_id", f.KeyID)
	c.addText("state", string(f.State))
	c.addTimes(f.Since, f.Until)
	limit := ""
	if f.Limit > 0 {
		limit = fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	return db.issues(ctx, c.String()+" ORDER BY at DESC, id DESC"+limit, c.args...)
}

// OldIntents returns the issues that began before a time and have no end, the oldest first.
func (db *DB) OldIntents(ctx context.Context, before time.Time) ([]Issue, error) {
	return db.issues(ctx, " WHERE state = 'intent' AND at < $1 ORDER BY at, id LIMIT 1000", micros(before))
}

// IssueByKey returns the issue that made an access key, or [ErrNotFound].
func (db *DB) IssueByKey(ctx context.Context, keyID string) (Issue, error) {
	return db.oneIssue(ctx, "access_key_id", keyID)
}

// Issue returns the issue with that id, or [ErrNotFound].
func (db *DB) Issue(ctx context.Context, id string) (Issue, error) { return db.oneIssue(ctx, "id", id) }

func (db *DB) oneIssue(ctx context.Context, column, value string) (Issue, error) {
	found, err := db.issues(ctx, " WHERE "+column+" = $1", text(value))
	switch {
	case err != nil:
		return Issue{}, err
	case len(found) == 0:
		return Issue{}, fmt.Errorf("issue: %w", ErrNotFound)
	}
	return found[0], nil
}

func (db *DB) issues(ctx context.Context, condition string, args ...any) (found []Issue, err error) {
	err = each(ctx, db.engine.readers(), func(r *sql.Rows) error {
		var i Issue
		var at, expires int64
		var key sql.NullString
		err := r.Scan(&i.ID, &i.User, &i.Origin.Token, &i.Origin.IP, &i.Origin.Agent, &i.Account, &i.RoleARN, &i.State, &at, &key, &expires,
			&i.Keys.Chained, &i.Error)
		i.At, i.Keys.ID, i.Keys.ExpiresAt = moment(at), key.String, moment(expires)
		found = append(found, i)
		return err
	}, "SELECT id, principal, token, ip, agent, account, role_arn, state, at, access_key_id, expires, chained, error FROM issue"+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("read issues: %w", err)
	}
	return found, nil
}

// PolicyVersions returns all versions of the policy, the newest first.
func (db *DB) PolicyVersions(ctx context.Context) (found []PolicyVersion, err error) {
	err = each(ctx, db.engine.readers(), func(r *sql.Rows) error {
		p, err := scanPolicy(r)
		found = append(found, p)
		return err
	}, selectPolicy+`ORDER BY seq DESC`)
	if err != nil {
		return nil, fmt.Errorf("read the versions of the policy: %w", err)
	}
	return found, nil
}

// PolicyVersion returns one version of the policy, or [ErrNotFound].
func (db *DB) PolicyVersion(ctx context.Context, seq int64) (PolicyVersion, error) {
	p, err := scanPolicy(db.engine.readers().QueryRowContext(ctx, selectPolicy+`WHERE seq = $1`, seq))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return p, fmt.Errorf("version %d of the policy: %w", seq, ErrNotFound)
	case err != nil:
		return p, fmt.Errorf("read version %d of the policy: %w", seq, err)
	}
	return p, nil
}

// EventFilter selects events. Zero fields select all. Redacted events are selected only by filters without fields.
type EventFilter struct {
	Actor   string
	Subject string
	Account string
	Issue   string
	Type    audit.Type
	Since   time.Time // at or after
	Until   time.Time // before
}

// pageSize is how many rows are read in one query, so that no query takes long.
const pageSize = 1000

// Events returns the events after a position, in the order of the log. No event is ever skipped: later events have later
// positions, so a reader can go on after the last one that it has read.
func (db *DB) Events(ctx context.Context, after audit.Position, f EventFilter) iter.Seq2[audit.Entry, error] {
	return events(ctx, db.engine.readers(), &after, f)
}

// AllEvents returns all events of the log.
func (s *Snapshot) AllEvents(ctx context.Context) iter.Seq2[audit.Entry, error] {
	return events(ctx, s.tx, nil, EventFilter{})
}

// events returns events, with a nil position also those with numbers that the log never gives.
func events(ctx context.Context, q queryer, after *audit.Position, f EventFilter) iter.Seq2[audit.Entry, error] {
	where := f.conditions()
	return pages(func() (page []audit.Entry, err error) {
		c := conditions{where.clauses[:len(where.clauses):len(where.clauses)], where.args[:len(where.args):len(where.args)]}
		if after != nil {
			c.add("(seq, idx) > (?, ?)", after.Seq, after.Idx)
		}
		if page, err = readEvents(ctx, q, c, fmt.Sprintf("seq, idx LIMIT %d", pageSize)); len(page) > 0 {
			after = &page[len(page)-1].Position
		}
		if err != nil {
			return nil, fmt.Errorf("read the events of the audit log: %w", err)
		}
		return page, nil
	})
}

// AllBatches returns all batches of the log.
func (s *Snapshot) AllBatches(ctx context.Context) iter.Seq2[audit.Batch, error] {
	var after conditions
	return pages(func() (page []audit.Batch, err error) {
		last := int64(0)
		err = each(ctx, s.tx, func(r *sql.Rows) error {
			var b audit.Batch
			err := r.Scan(&b.Seq, &b.Prev, &b.Hash, &b.N, &b.Writer, &b.At, &b.Auth)
			page, last = append(page, b), b.Seq
			return err
		}, fmt.Sprintf(`SELECT seq, prev, hash, n, writer, at, auth FROM audit_batch%s ORDER BY seq LIMIT %d`, after.String(), pageSize),
			after.args...)
		after = conditions{}
		after.add("seq > ?", last)
		if err != nil {
			return nil, fmt.Errorf("read the batches of the audit log: %w", err)
		}
		return page, nil
	})
}

// pages is the sequence of the rows that read returns page by page. The last page is not full.
func pages[T any](read func() ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			page, err := read()
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, row := range page {
				if !yield(row, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

// Snapshot is the log as it was at one time. It belongs to one goroutine, which must read it without long pauses: PostgreSQL
// ends it after two idle seconds. Close it after its last use.
type Snapshot struct{ tx *sql.Tx }

// Snapshot returns the log as it is now. It does not hinder writers.
func (db *DB) Snapshot(ctx context.Context) (*Snapshot, error) {
	tx, err := db.engine.readers().BeginTx(ctx, db.engine.snapshot())
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return &Snapshot{tx}, nil
}

// Close gives the connection back.
func (s *Snapshot) Close() error { return s.tx.Rollback() }

// HashAt returns the hash of a batch, or [ErrNotFound].
func (db *DB) HashAt(ctx context.Context, seq int64) (audit.Hash, error) {
	var hash []byte
	err := db.engine.readers().QueryRowContext(ctx, `SELECT hash FROM audit_batch WHERE seq = $1`, seq).Scan(&hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return audit.Hash{}, fmt.Errorf("batch %d of the audit log: %w", seq, ErrNotFound)
	case err != nil:
		return audit.Hash{}, fmt.Errorf("read batch %d of the audit log: %w", seq, err)
	case len(hash) != len(audit.Hash{}):
		return audit.Hash{}, fmt.Errorf("the hash of batch %d has %d bytes: run chaim-gateway audit verify", seq, len(hash))
	}
	return audit.Hash(hash), nil
}

// Verify checks the whole log as it is now, see [audit.Verify]. It hinders no writer.
func (db *DB) Verify(ctx context.Context, points []audit.Checkpoint, found func(audit.Finding)) (audit.Head, error) {
	s, err := db.Snapshot(ctx)
	if err != nil {
		return audit.Head{}, err
	}
	defer func() { _ = s.Close() }() // it only read
	log := audit.Log{GatewayID: db.id, Batches: s.AllBatches(ctx), Events: s.AllEvents(ctx), Checkpoints: points}
	return audit.Verify(log, found)
}

// CheckFork compares the log with its last checkpoint, see [audit.CompareLast]. A server asks before it serves; to accept the
// *[audit.ForkError] that it gets, it appends [Restored] with what the error says is lost.
func (db *DB) CheckFork(ctx context.Context, points []audit.Checkpoint) error {
	head, err := db.Head(ctx)
	if err != nil {
		return err
	}
	return audit.CompareLast(ctx, points, head, db.HashAt)
}
