package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/ids"
)

// newestSchema is the number of the last migration that this program has.
const newestSchema = 2

//go:embed migrations
var migrations embed.FS

// DB is an open database. It may be used by several goroutines at once. Close it after its last use.
type DB struct {
	engine engine
	id     string
	memory memory
}

// engine is what differs between the databases.
type engine interface {
	// session takes a connection for a transaction. It does not begin the transaction.
	session(ctx context.Context) (session, error)
	// readers are connections that cannot write. They see what is committed.
	readers() *sql.DB
	// exec changes rows outside of the log, and returns how many.
	exec(ctx context.Context, query string, args ...any) (int64, error)
	// snapshot says how a transaction of the readers sees one state of the database.
	snapshot() *sql.TxOptions
	check(ctx context.Context) ([]Problem, error)
	lockServe() (io.Closer, error)
	backup(ctx context.Context, path string) error
	close() error
}

// Problem is something about a database that weakens what the gateway promises.
type Problem struct {
	Text      string // what is wrong, and what to do
	IsWarning bool   // the gateway may serve nonetheless
}

// Open opens a database that [Migrate] has made: "sqlite:/folder/gateway.db" or "postgres://...". It refuses one with a
// schema that this program does not know. Errors do not hold the URL, which may hold a password.
func Open(ctx context.Context, url string) (*DB, error) {
	var e engine
	var err error
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		e, err = openSQLite(rest)
	case "postgres", "postgresql":
		e, err = openPostgres(url)
	default:
		err = errScheme
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db := &DB{engine: e}
	if err := db.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), e.close())
	}
	return db, nil
}

var errScheme = errors.New("its url must begin with sqlite: or postgres: and name a file or a server")

// start checks the schema and reads what never changes.
func (db *DB) start(ctx context.Context) error {
	r := db.engine.readers()
	if err := r.PingContext(ctx); err != nil {
		return err
	}
	var schema, needs int64
	err := r.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&schema)
	if err == nil && schema > 0 {
		err = r.QueryRowContext(ctx, `SELECT id, needs FROM gateway`).Scan(&db.id, &needs)
	}
	switch {
	case isMissingTable(err), errors.Is(err, sql.ErrNoRows), err == nil && schema < newestSchema:
		return errors.New("its schema is older than this program's: run chaim-gateway migrate")
	case err != nil:
		return err
	case needs > newestSchema:
		return fmt.Errorf("its schema %d is newer than this program's, which is %d: install a newer chaim-gateway", schema, newestSchema)
	}
	_, err = db.Auth(ctx)
	return err
}

// Close closes all connections. It waits for what they are doing.
func (db *DB) Close() error { return db.engine.close() }

// ID returns the id of the gateway: random, made with the database, the origin of its log.
func (db *DB) ID() string { return db.id }

// Forked returns [ErrForked] once this process has met a log that is not the one it has seen. It asks nothing.
func (db *DB) Forked() error {
	_, err := db.memory.seen()
	return err
}

// Check returns what is wrong with the database and its settings.
func (db *DB) Check(ctx context.Context) ([]Problem, error) { return db.engine.check(ctx) }

// LockServe makes sure that no other process serves a SQLite file until the lock is closed or the process ends. Commands can
// still write to the file. PostgreSQL serves several replicas, so there is no lock.
func (db *DB) LockServe() (io.Closer, error) { return db.engine.lockServe() }

// Backup writes a copy of a SQLite database to a new file, which only its owner may read. It refuses to overwrite a file.
func (db *DB) Backup(ctx context.Context, path string) error {
	if err := db.engine.backup(ctx, path); err != nil {
		return fmt.Errorf("back up the database: %w", err)
	}
	return nil
}

// Auth returns the authorization counter as it is now in the database.
func (db *DB) Auth(ctx context.Context) (int64, error) {
	last, err := db.last(ctx)
	return last.auth, err
}

// Head returns the end of the log as it is now in the database.
func (db *DB) Head(ctx context.Context) (audit.Head, error) {
	last, err := db.last(ctx)
	return last.head, err
}

const (
	selectEnds = `SELECT seq, hash, auth FROM audit_batch WHERE seq IN ($1, (SELECT max(seq) FROM audit_batch)) ORDER BY seq DESC`

	insertBatch = `INSERT INTO audit_batch (seq, prev, hash, n, writer, at, auth) VALUES ($1, $2, $3, $4, $5, $6, $7)`
)

func (db *DB) last(ctx context.Context) (end, error) {
	return db.lastOf(func(seen end) ([]end, error) {
		rows, err := db.engine.readers().QueryContext(ctx, selectEnds, seen.head.Seq)
		if err != nil {
			return nil, err
		}
		return scanEnds(rows)
	})
}

// rows is what is common to the rows of database/sql and pgx.
type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
}

func scanEnds(r rows) (ends []end, err error) {
	if c, ok := r.(io.Closer); ok {
		defer func() { _ = c.Close() }()
	}
	for r.Next() {
		var e end
		var hash []byte
		if err := r.Scan(&e.head.Seq, &hash, &e.auth); err != nil {
			return nil, err
		}
		if copy(e.head.Hash[:], hash) != len(hash) || len(hash) != len(e.head.Hash) {
			return nil, fmt.Errorf("the hash of batch %d has %d bytes: run chaim-gateway audit verify", e.head.Seq, len(hash))
		}
		ends = append(ends, e)
	}
	return ends, r.Err()
}

// Migrate makes the schema of a database, or brings it up to that of this program. It makes the file of a SQLite database,
// with its folder. On PostgreSQL it runs as the owner of the tables; with serve_role=NAME in the URL it lets that role serve.
// It takes a lock, so it may run in several places at once.
func Migrate(ctx context.Context, url string) error {
	var err error
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		err = migrateSQLite(ctx, rest)
	case "postgres", "postgresql":
		err = migratePostgres(ctx, url)
	default:
		err = errScheme
	}
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// migrate runs the migrations in a folder, and names the gateway if it has no name yet.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB, folder string, opts ...goose.ProviderOption) error {
	sub, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, db, sub, append(opts, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `INSERT INTO gateway (one, id, needs) VALUES (1, $1, $2) ON CONFLICT DO NOTHING`, ids.New("gw"), 1)
	return err
}
