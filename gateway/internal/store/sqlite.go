package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// sqliteFile is a SQLite database.
type sqliteFile struct {
	path   string
	reads  *sql.DB
	writes *sql.DB
	writer chan *sqliteWriter // the one that there is; nil if it must be opened
}

// sqliteDSN names a file with settings of the connections. Commits are on the disk when they return, also on macOS.
func sqliteDSN(path string, more ...string) string {
	settings := url.Values{"_pragma": append([]string{
		"busy_timeout(2000)", "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)", "foreign_keys(1)",
		"secure_delete(1)", // what is redacted must not stay in unused space of the file
	}, more...)}
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // Windows
	}
	return (&url.URL{Scheme: "file", Path: slashed, RawQuery: settings.Encode()}).String()
}

func openSQLite(path string) (*sqliteFile, error) {
	path, err := checkFile(path)
	if err != nil {
		return nil, err
	}
	s := &sqliteFile{path: path, writer: make(chan *sqliteWriter, 1)}
	if s.writes, err = sql.Open("sqlite", sqliteDSN(path)); err != nil {
		return nil, err
	}
	if s.reads, err = sql.Open("sqlite", sqliteDSN(path, "query_only(1)")); err != nil {
		return nil, errors.Join(err, s.writes.Close())
	}
	s.reads.SetMaxOpenConns(4)
	s.reads.SetMaxIdleConns(4)
	s.writer <- nil
	return s, nil
}

// checkFile returns the absolute path of a database, unless others may read it or its folder, or it is on another machine.
func checkFile(path string) (string, error) {
	if path == "" {
		return "", errors.New("its url names no file: write sqlite:/folder/gateway.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	folder := filepath.Dir(path)
	info, err := os.Stat(folder)
	if err != nil {
		return "", fmt.Errorf("%w: run chaim-gateway migrate", err)
	}
	if isOpenToOthers(info.Mode(), 0o007) {
		return "", fmt.Errorf("other users may enter the folder %s: chmod o-rwx it", folder)
	}
	if kind := networkFileSystem(folder); kind != "" {
		return "", fmt.Errorf("the folder %s is on a network file system (%s), where locks and writes are not safe: use a local disk, or "+
			"PostgreSQL", folder, kind)
	}
	info, err = os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no %s: run chaim-gateway migrate", path)
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a file", path)
	case isOpenToOthers(info.Mode(), 0o077):
		return "", fmt.Errorf("other users may read %s: chmod 600 it", path)
	}
	return path, nil
}

// migrateSQLite makes the file and its folder if they are missing.
func migrateSQLite(ctx context.Context, path string) (err error) {
	if path != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if path, err = checkFile(path); err != nil {
		return err
	}
	lock, err := sharedfile.LockSide(path+".migrate", os.O_CREATE|os.O_RDWR, false)
	switch {
	case err != nil:
		return errors.New(errtext.Unprefixed(err))
	case lock == nil:
		return errors.New("another process migrates it: try again")
	}
	defer func() { err = errors.Join(err, lock.Remove()) }()
	db, err := sql.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return migrate(ctx, goose.DialectSQLite3, db, "sqlite")
}

func (s *sqliteFile) readers() *sql.DB { return s.reads }

func (s *sqliteFile) snapshot() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }

func (s *sqliteFile) close() error {
	w := <-s.writer
	defer func() { s.writer <- nil }()
	if w != nil {
		w.drop()
	}
	return errors.Join(s.reads.Close(), s.writes.Close())
}

func (s *sqliteFile) lockServe() (io.Closer, error) {
	lock, err := sharedfile.LockSide(s.path+".serve", os.O_CREATE|os.O_RDWR, false)
	switch {
	case err != nil:
		return nil, fmt.Errorf("lock the database for serving: %s", errtext.Unprefixed(err))
	case lock == nil:
		return nil, fmt.Errorf("another process serves %s: a SQLite database has one server; use PostgreSQL for more", s.path)
	}
	return lock, nil
}

// backup makes the file first, with its mode: VACUUM INTO takes an empty file, and would give a new one the mode of the umask.
func (s *sqliteFile) backup(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if _, err = s.writes.ExecContext(ctx, `VACUUM INTO $1`, path); err == nil {
		err = syncFile(path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// check compares what the connections use with what they should.
func (s *sqliteFile) check(ctx context.Context) (found []Problem, err error) {
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var is string
		if err := s.writes.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&is); err != nil {
			return nil, fmt.Errorf("check the database: %w", err)
		}
		if is != want {
			found = append(found, Problem{Text: fmt.Sprintf("SQLite uses %s=%s instead of %s: is the file system a local one?", pragma, is, want)})
		}
	}
	slices.SortFunc(found, func(a, b Problem) int { return strings.Compare(a.Text, b.Text) })
	return found, nil
}

// sqliteWriter is the connection that writes, with its statements.
type sqliteWriter struct {
	conn                 *sql.Conn
	ends, batches, event *sql.Stmt
}

func (s *sqliteFile) session(ctx context.Context) (session, error) {
	select {
	case w := <-s.writer:
		if w == nil {
			var err error
			if w, err = s.openWriter(ctx); err != nil {
				s.writer <- nil
				return nil, err
			}
		}
		return &sqliteSession{file: s, w: w}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *sqliteFile) exec(ctx context.Context, query string, args ...any) (int64, error) {
	taken, err := s.session(ctx)
	if err != nil {
		return 0, err
	}
	defer taken.end()
	w := taken.(*sqliteSession)
	result, err := w.w.conn.ExecContext(ctx, query, args...)
	if err != nil {
		w.note(&err)
		return 0, err
	}
	return result.RowsAffected()
}

func (s *sqliteFile) openWriter(ctx context.Context) (w *sqliteWriter, err error) {
	w = &sqliteWriter{}
	if w.conn, err = s.writes.Conn(ctx); err != nil {
		return nil, err
	}
	for stmt, query := range map[**sql.Stmt]string{&w.ends: selectEnds, &w.batches: insertBatch, &w.event: insertEvent} {
		if *stmt, err = w.conn.PrepareContext(ctx, query); err != nil {
			w.drop()
			return nil, err
		}
	}
	return w, nil
}

const insertEvent = `INSERT INTO audit_event (seq, idx, at, type, actor, subject, account, role, issue, salt, body, leaf)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

// drop closes the connection itself, and with it a transaction that is open.
func (w *sqliteWriter) drop() {
	for _, stmt := range []*sql.Stmt{w.ends, w.batches, w.event} {
		if stmt != nil {
			_ = stmt.Close()
		}
	}
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = w.conn.Close()
}

// sqliteSession is a session on the connection that writes. After any error the connection is closed. Only BEGIN waits for
// other processes, so only BEGIN ends with its context: watching a context costs as much as inserting an event.
type sqliteSession struct {
	file     *sqliteFile
	w        *sqliteWriter
	isOpen   bool // the transaction
	isBroken bool
}

func (s *sqliteSession) begin(ctx context.Context, seen int64, _ []Effect) (ends []end, counts []int64, err error) {
	defer s.note(&err)
	if _, err := s.w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, nil, err
	}
	s.isOpen = true
	rows, err := s.w.ends.QueryContext(context.WithoutCancel(ctx), seen)
	if err != nil {
		return nil, nil, err
	}
	ends, err = scanEnds(rows)
	return ends, nil, err
}

func (s *sqliteSession) run(ctx context.Context, effects []Effect) (counts []int64, err error) {
	defer s.note(&err)
	ctx = context.WithoutCancel(ctx)
	for _, e := range effects {
		result, err := s.w.conn.ExecContext(ctx, e.query, e.args...)
		var fault *sqlite.Error
		switch {
		case err == nil:
		case !errors.As(err, &fault):
			return nil, err
		case fault.Code()&0xff == sqlite3.SQLITE_CONSTRAINT:
			return nil, &rejected{true, err}
		case fault.Code()&0xff == sqlite3.SQLITE_TOOBIG, fault.Code()&0xff == sqlite3.SQLITE_MISMATCH:
			return nil, &rejected{false, err}
		default:
			return nil, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return nil, err
		}
		counts = append(counts, n)
	}
	return counts, nil
}

func (s *sqliteSession) commit(ctx context.Context, b audit.Batch, events []audit.Entry) (err error) {
	defer s.note(&err)
	ctx = context.WithoutCancel(ctx)
	if _, err := s.w.batches.ExecContext(ctx, b.Seq, b.Prev, b.Hash, b.N, b.Writer, b.At, b.Auth); err != nil {
		return err
	}
	for _, e := range events {
		if _, err := s.w.event.ExecContext(ctx, e.Seq, e.Idx, e.At, string(e.Type), e.Actor, e.Subject, e.Account, e.Role, e.Issue,
			e.Salt, e.Body, e.Leaf); err != nil {
			return err
		}
	}
	if _, err := s.w.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return errtext.Because(ErrUnknown, err)
	}
	s.isOpen = false
	return nil
}

// note remembers that the connection had an error.
func (s *sqliteSession) note(err *error) { s.isBroken = s.isBroken || *err != nil }

func (s *sqliteSession) end() {
	if s.isOpen && !s.isBroken {
		_, err := s.w.conn.ExecContext(context.Background(), "ROLLBACK")
		s.isBroken = err != nil
	}
	if s.isBroken {
		s.w.drop()
		s.file.writer <- nil
		return
	}
	s.file.writer <- s.w
}

// isMissingTable reports whether a query failed because the database has no such table.
func isMissingTable(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "SQLSTATE 42P01"))
}
