package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/internal/errtext"
)

const (
	// logLock is the advisory lock of the log. Every transaction that appends takes it.
	logLock = 0x636861696d // "chaim"
	// serveRole is a parameter of the URL: the role that serves, if it is not the owner of the tables.
	serveRole = "serve_role"
	// warned is where a connection keeps the last warning of the server.
	warned = "chaim_warning"
)

// postgresServer is a PostgreSQL database.
type postgresServer struct{ reads, writes *sql.DB }

// postgresConfig reads a URL. The server ends statements and waits for locks after two seconds, and confirms a commit only
// when it is on the disk.
func postgresConfig(rawURL string) (cfg *pgx.ConnConfig, role string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, "", errors.New("its url cannot be read: it is postgres://USER:PASSWORD@HOST/DATABASE")
	}
	query := u.Query()
	role = query.Get(serveRole)
	query.Del(serveRole)
	u.RawQuery = query.Encode()
	if cfg, err = pgx.ParseConfig(u.String()); err != nil {
		return nil, "", err
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = patience
	}
	for name, value := range map[string]string{
		"statement_timeout": "2s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "2s", "synchronous_commit": "on",
		"application_name": "chaim-gateway", "timezone": "UTC",
	} {
		cfg.RuntimeParams[name] = value
	}
	cfg.OnNotice = func(c *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			c.CustomData()[warned] = n.Message
		}
	}
	return cfg, role, nil
}

func openPostgres(rawURL string) (*postgresServer, error) {
	cfg, _, err := postgresConfig(rawURL)
	if err != nil {
		return nil, err
	}
	p := &postgresServer{writes: stdlib.OpenDB(*cfg)}
	p.writes.SetMaxOpenConns(4)
	p.writes.SetMaxIdleConns(2)
	cfg = cfg.Copy()
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	p.reads = stdlib.OpenDB(*cfg, stdlib.OptionShouldPing(always)) // so that no read fails because the server was restarted
	p.reads.SetMaxOpenConns(8)
	p.reads.SetMaxIdleConns(4)
	for _, db := range []*sql.DB{p.reads, p.writes} {
		db.SetConnMaxIdleTime(5 * time.Minute)
	}
	return p, nil
}

func always(context.Context, stdlib.ShouldPingParams) bool { return true }

func migratePostgres(ctx context.Context, rawURL string) (err error) {
	cfg, role, err := postgresConfig(rawURL)
	if err != nil {
		return err
	}
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		cfg.RuntimeParams[name] = "0" // a migration may take long
	}
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60)) // looks each second, for a minute
	if err != nil {
		return err
	}
	if err := migrate(ctx, goose.DialectPostgres, db, "postgres", goose.WithSessionLocker(locker)); err != nil || role == "" {
		return err
	}
	return grant(ctx, db, role)
}

// grant lets a role serve: it may add to the audit log, but not change it.
func grant(ctx context.Context, db *sql.DB, role string) error {
	to := " TO " + pgx.Identifier{role}.Sanitize()
	var schema string
	if err := db.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
		return err
	}
	for _, rights := range []string{
		"USAGE ON SCHEMA " + pgx.Identifier{schema}.Sanitize(),
		"SELECT ON goose_db_version, gateway, principal, grp, membership, policy_version, token, issue, audit_batch, audit_event, identity, login_flow",
		"INSERT ON principal, grp, membership, policy_version, token, issue, audit_batch, audit_event, identity, login_flow",
		"UPDATE (frozen) ON gateway",
		"UPDATE (disabled) ON principal",
		"UPDATE (revoked) ON token",
		"UPDATE (state, access_key_id, expires, chained, error) ON issue",
		"UPDATE (state, principal, token, polled) ON login_flow",
		"DELETE ON grp, membership, identity, login_flow",
		"EXECUTE ON FUNCTION audit_redact(BIGINT, BIGINT)",
	} {
		if _, err := db.ExecContext(ctx, "GRANT "+rights+to); err != nil {
			return fmt.Errorf("let the role %s serve: %w", pgx.Identifier{role}.Sanitize(), err)
		}
	}
	return nil
}

func (p *postgresServer) readers() *sql.DB { return p.reads }

func (p *postgresServer) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := p.writes.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (p *postgresServer) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (p *postgresServer) close() error { return errors.Join(p.reads.Close(), p.writes.Close()) }

type noLock struct{}

func (noLock) Close() error { return nil }

func (p *postgresServer) lockServe() (io.Closer, error) { return noLock{}, nil }

func (p *postgresServer) backup(context.Context, string) error {
	return errors.New("a PostgreSQL database is backed up with its own tools, such as pg_dump")
}

// requirements are conditions that must hold, as SQL, and what to say if they do not.
var requirements = []struct {
	holds string
	Problem
}{
	{`current_setting('server_version_num')::int >= 140000`, Problem{Text: "the server is older than PostgreSQL 14: upgrade it"}},
	{`current_setting('fsync') = 'on'`, Problem{Text: "the server runs with fsync=off, so it can lose what it has confirmed: set it on"}},
	{`current_setting('full_page_writes') = 'on'`, Problem{
		Text: "the server runs with full_page_writes=off, so a crash can damage what it has confirmed: set it on",
	}},
	{`current_setting('synchronous_commit') = 'on'`, Problem{
		Text: "sessions do not have synchronous_commit=on, though the gateway asks for it: look for a proxy that changes it",
	}},
	{`current_setting('server_encoding') = 'UTF8'`, Problem{Text: "the database is not in the encoding UTF8: make one that is"}},
	{`NOT pg_is_in_recovery()`, Problem{Text: "the server is a standby, which takes no writes: use the primary"}},
	{`NOT (has_table_privilege('audit_batch', 'UPDATE') OR has_table_privilege('audit_batch', 'DELETE')
		OR has_table_privilege('audit_batch', 'TRUNCATE') OR has_table_privilege('audit_event', 'UPDATE')
		OR has_table_privilege('audit_event', 'DELETE') OR has_table_privilege('audit_event', 'TRUNCATE')
		OR has_any_column_privilege('audit_batch', 'UPDATE') OR has_any_column_privilege('audit_event', 'UPDATE'))`, Problem{
		Text: "the gateway's role may change the audit log: serve with a second role, and name it in the URL of chaim-gateway migrate " +
			"with serve_role=NAME", IsWarning: true,
	}},
	{`current_setting('synchronous_standby_names') <> '' OR NOT EXISTS (SELECT 1 FROM pg_stat_replication)`, Problem{
		Text: "standbys are asynchronous: after a failover the log can lack the newest keys", IsWarning: true,
	}},
}

func (p *postgresServer) check(ctx context.Context) (found []Problem, err error) {
	for _, r := range requirements {
		var holds bool
		if err := p.writes.QueryRowContext(ctx, "SELECT "+r.holds).Scan(&holds); err != nil {
			return nil, fmt.Errorf("check the database: %w", err)
		}
		if !holds {
			found = append(found, r.Problem)
		}
	}
	return found, nil
}

// postgresSession is a session on a connection of the pool. After any error the connection is closed.
type postgresSession struct {
	conn     *sql.Conn
	isOpen   bool // the transaction
	isBroken bool
}

func (p *postgresServer) session(ctx context.Context) (session, error) {
	conn, err := p.writes.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &postgresSession{conn: conn}, nil
}

// send sends statements in one go and hands the results to read.
func (s *postgresSession) send(ctx context.Context, b *pgx.Batch, read func(*pgx.Conn, pgx.BatchResults) error) error {
	err := s.conn.Raw(func(d any) error {
		c := d.(*stdlib.Conn).Conn()
		results := c.SendBatch(ctx, b)
		err := read(c, results)
		if closeErr := results.Close(); err == nil {
			err = closeErr
		}
		return err
	})
	s.isBroken = s.isBroken || err != nil
	return err
}

func (s *postgresSession) begin(ctx context.Context, seen int64, first []Effect) (ends []end, counts []int64, err error) {
	b := &pgx.Batch{}
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
	b.Queue("SELECT pg_advisory_xact_lock($1)", int64(logLock))
	b.Queue(selectEnds, seen)
	queueEffects(b, first)
	err = s.send(ctx, b, func(c *pgx.Conn, results pgx.BatchResults) error {
		s.isOpen = true
		delete(c.PgConn().CustomData(), warned)
		for range 2 {
			if _, err := results.Exec(); err != nil {
				return err
			}
		}
		rows, err := results.Query()
		if err != nil {
			return err
		}
		ends, err = scanEnds(rows)
		if rows.Close(); err != nil {
			return err
		}
		counts, err = readCounts(results, len(first))
		return err
	})
	return ends, counts, err
}

func (s *postgresSession) run(ctx context.Context, effects []Effect) (counts []int64, err error) {
	b := &pgx.Batch{}
	queueEffects(b, effects)
	err = s.send(ctx, b, func(_ *pgx.Conn, results pgx.BatchResults) (err error) {
		counts, err = readCounts(results, len(effects))
		return err
	})
	return counts, err
}

func queueEffects(b *pgx.Batch, effects []Effect) {
	for _, e := range effects {
		query := e.query
		if e.postgres != "" {
			query = e.postgres
		}
		b.Queue(query, e.args...)
	}
}

func readCounts(results pgx.BatchResults, n int) (counts []int64, err error) {
	for range n {
		tag, err := results.Exec()
		if err != nil {
			return nil, rejection(err)
		}
		counts = append(counts, tag.RowsAffected())
	}
	return counts, nil
}

// rejection tells an error for what an effect holds from other errors, by its class:
// https://www.postgresql.org/docs/current/errcodes-appendix.html
func rejection(err error) error {
	var fault *pgconn.PgError
	switch {
	case !errors.As(err, &fault):
		return err
	case strings.HasPrefix(fault.Code, "23"): // integrity constraint violation
		return &rejected{true, err}
	case strings.HasPrefix(fault.Code, "22"): // data exception
		return &rejected{false, err}
	}
	return err
}

const insertEvents = `INSERT INTO audit_event (seq, idx, at, type, actor, subject, account, role, issue, salt, body, leaf)
	SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
	$10::bytea[], $11::bytea[], $12::bytea[])`

// queueEvents queues the statement that inserts all events of a batch.
func queueEvents(b *pgx.Batch, seq int64, events []audit.Entry) {
	n := len(events)
	idx, at := make([]int64, n), make([]int64, n)
	types, actors, subjects := make([]string, n), make([]string, n), make([]string, n)
	accounts, roles, issues := make([]string, n), make([]string, n), make([]string, n)
	salts, bodies, leaves := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i, e := range events {
		idx[i], at[i], types[i], actors[i], subjects[i] = e.Idx, e.At, string(e.Type), e.Actor, e.Subject
		accounts[i], roles[i], issues[i], salts[i], bodies[i], leaves[i] = e.Account, e.Role, e.Issue, e.Salt, e.Body, e.Leaf
	}
	b.Queue(insertEvents, seq, idx, at, types, actors, subjects, accounts, roles, issues, salts, bodies, leaves)
}

// commit sends the rows and the COMMIT in one go. Only an error that the server reported before the COMMIT, or that arose
// before anything was sent, says for sure that nothing is stored. A warning may say that a standby has not confirmed.
func (s *postgresSession) commit(ctx context.Context, b audit.Batch, events []audit.Entry) error {
	q := &pgx.Batch{}
	q.Queue(insertBatch, b.Seq, b.Prev, b.Hash, b.N, b.Writer, b.At, b.Auth)
	queueEvents(q, b.Seq, events)
	q.Queue("COMMIT")
	isUnsure := true
	err := s.send(ctx, q, func(c *pgx.Conn, results pgx.BatchResults) error {
		for range 2 {
			if _, err := results.Exec(); err != nil {
				var fault *pgconn.PgError
				isUnsure = !(errors.As(err, &fault) && fault.SeverityUnlocalized == "ERROR") && !pgconn.SafeToRetry(err)
				return err
			}
		}
		tag, err := results.Exec()
		warning, isWarned := c.PgConn().CustomData()[warned]
		switch {
		case err != nil:
			return err
		case tag.String() != "COMMIT":
			isUnsure = false
			return fmt.Errorf("the server answered the commit with %s", tag)
		case isWarned:
			return fmt.Errorf("the server warned: %s", warning)
		}
		return nil
	})
	switch {
	case err != nil && isUnsure:
		return errtext.Because(ErrUnknown, err)
	case err != nil:
		return err
	}
	s.isOpen = false
	return nil
}

func (s *postgresSession) end() {
	if s.isOpen && !s.isBroken {
		_, err := s.conn.ExecContext(context.Background(), "ROLLBACK")
		s.isBroken = err != nil
	}
	if s.isBroken {
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = s.conn.Close() // back into the pool
}
