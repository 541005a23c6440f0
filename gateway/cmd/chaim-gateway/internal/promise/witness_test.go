package promise

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

// witness reads the gateway's database through a connection of its own, in plain SQL. It shares no code with the gateway.
type witness struct{ db *sql.DB }

// newWitness opens the database of a gateway's URL.
func newWitness(t testing.TB, url string) *witness {
	driver, source := "pgx", url
	if path, isSQLite := strings.CutPrefix(url, "sqlite:"); isSQLite {
		driver, source = "sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, source)
	require.NoError(t, err)
	db.SetMaxOpenConns(8)
	t.Cleanup(func() { _ = db.Close() })
	return &witness{db}
}

// hasEvent reports whether an issue has an event of a type. It looks among the newest batches first, because no index of the
// log has issues.
func (w *witness) hasEvent(ctx context.Context, issue, kind string) (found bool, err error) {
	for _, among := range []string{`seq > (select max(seq) - 200 from audit_batch) and `, ``} {
		err = w.db.QueryRowContext(ctx, `select exists (select 1 from audit_event where `+among+`issue = $1 and type = $2)`, issue, kind).Scan(&found)
		if err != nil || found {
			break
		}
	}
	return found, err
}

// isIssued reports whether the row of a key says that it may be answered.
func (w *witness) isIssued(ctx context.Context, keyID string) (found bool, err error) {
	err = w.db.QueryRowContext(ctx, `select exists (select 1 from issue where access_key_id = $1 and state = 'issued')`, keyID).Scan(&found)
	return found, err
}

// count counts the events of a type.
func (w *witness) count(ctx context.Context, kind string) (n int, err error) {
	err = w.db.QueryRowContext(ctx, `select count(*) from audit_event where type = $1`, kind).Scan(&n)
	return n, err
}

// record is the audit log, as far as issues go.
type record struct {
	allowed map[string]int64  // the batch in which an issue was allowed
	issued  map[string]int64  // the batch in which an issue was issued
	keyOf   map[string]string // the issue of each access key id
}

// read reads the whole log.
func (w *witness) read(ctx context.Context) (record, error) {
	rec := record{allowed: map[string]int64{}, issued: map[string]int64{}, keyOf: map[string]string{}}
	rows, err := w.db.QueryContext(ctx, `select seq, type, issue, body from audit_event where type in ('issue.allowed', 'issue.issued')`)
	if err != nil {
		return rec, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var kind, issue string
		var body []byte
		if err := rows.Scan(&seq, &kind, &issue, &body); err != nil {
			return rec, err
		}
		var event struct {
			Details map[string]string `json:"details"`
		}
		if err := json.Unmarshal(body, &event); err != nil {
			return rec, err
		}
		if kind == "issue.allowed" {
			rec.allowed[issue] = seq
			continue
		}
		rec.issued[issue] = seq
		rec.keyOf[event.Details["key_id"]] = issue
	}
	return rec, rows.Err()
}
