package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// auditTables are the tables of the log, with the columns that name a row.
var auditTables = map[string][]string{"audit_batch": {"seq"}, "audit_event": {"seq", "idx"}}

// row is a row of one of these tables.
type row struct {
	table   string
	columns []string
	values  []any
}

func (r row) value(column string) any { return r.values[slices.Index(r.columns, column)] }

func (r row) seq() int64 { return r.value("seq").(int64) }

func rowsOf(t *testing.T, db *sql.DB, table string) (found []row) {
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table+" ORDER BY seq")
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		r := row{table: table}
		r.columns, err = rows.Columns()
		require.NoError(t, err)
		r.values = make([]any, len(r.columns))
		to := make([]any, len(r.columns))
		for i := range to {
			to[i] = &r.values[i]
		}
		require.NoError(t, rows.Scan(to...))
		found = append(found, r)
	}
	require.NoError(t, rows.Err())
	return found
}

// execOne runs a statement that changes one row.
func execOne(t *testing.T, db *sql.DB, query string, args ...any) {
	result, err := db.ExecContext(ctx, query, args...)
	require.NoError(t, err, query)
	n, err := result.RowsAffected()
	require.NoError(t, err)
	require.Equal(t, int64(1), n, query)
}

// set changes one column of the row that has other values in its key columns.
func (r row) set(t *testing.T, db *sql.DB, column string, from, to any) {
	args := []any{to}
	var where []string
	for _, key := range auditTables[r.table] {
		value := r.value(key)
		if key == column {
			value = from
		}
		args = append(args, value)
		where = append(where, fmt.Sprintf("%s = $%d", key, len(args)))
	}
	execOne(t, db, "UPDATE "+r.table+" SET "+column+" = $1 WHERE "+strings.Join(where, " AND "), args...)
}

// other is a value that differs in one byte.
func other(value any) any {
	switch v := value.(type) {
	case int64:
		return v ^ 1<<50
	case string:
		return v + "x"
	case []byte:
		changed := slices.Clone(v)
		changed[len(v)/2] ^= 1
		return changed
	}
	return []byte("x") // in place of NULL
}

// logToTamperWith makes a log with all kinds of events.
func logToTamperWith(t *testing.T, db *store.DB) {
	full := event(audit.IssueIssued)
	full.Subject, full.Account, full.Role, full.Issue = "bob", "123456789012", "rro", "iss_1"
	require.NoError(t, apply(db, change(audit.GatewayCreated)))
	require.NoError(t, apply(db, store.Change{Events: []audit.Event{full, event(audit.IssueDenied), full}}))
	require.NoError(t, apply(db, store.Redact(audit.Actor{Kind: "os"}, now, audit.Position{Seq: 2, Idx: 1}, "a name")))
	require.NoError(t, apply(db, change(audit.GatewayStopped)))
	require.Empty(t, findings(t, db))
}

func TestAChangedColumnIsNamed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		logToTamperWith(t, db)
		reads, writes := store.Pools(db)
		for table := range auditTables {
			for _, r := range rowsOf(t, reads, table) {
				for i, column := range r.columns {
					changed := other(r.values[i])
					if r.values[i] == nil && column != "salt" && column != "body" {
						t.Fatalf("column %s.%s is empty", table, column)
					}
					r.set(t, writes, column, r.values[i], changed)
					found := findings(t, db)
					named := fmt.Sprintf("%d", r.seq())
					isNamed := slices.ContainsFunc(found, func(f string) bool {
						return strings.HasPrefix(f, "batch "+named+":") || strings.HasPrefix(f, "event "+named+".")
					})
					assert.True(t, isNamed, "%s.%s of batch %s: %v", table, column, named, found)
					r.set(t, writes, column, changed, r.values[i])
				}
			}
		}
		assert.Empty(t, findings(t, db), "all is as it was")
	})
}

func TestARemovedRowIsNamed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		logToTamperWith(t, db)
		reads, writes := store.Pools(db)
		for table := range auditTables {
			for _, r := range rowsOf(t, reads, table) {
				where, args, places := "", []any{}, []string{}
				for _, key := range auditTables[table] {
					args = append(args, r.value(key))
					where += fmt.Sprintf(" AND %s = $%d", key, len(args))
				}
				execOne(t, writes, "DELETE FROM "+table+" WHERE"+strings.TrimPrefix(where, " AND"), args...)
				found := findings(t, db)
				assert.Contains(t, strings.Join(found, "\n"), fmt.Sprint(r.seq()), "%s without %v", table, args)
				for i := range r.values {
					places = append(places, fmt.Sprintf("$%d", i+1))
				}
				execOne(t, writes, "INSERT INTO "+table+" VALUES ("+strings.Join(places, ", ")+")", r.values...)
			}
		}
		assert.Empty(t, findings(t, db), "all is as it was")
	})
}

func TestACutEndIsNamedBehindACheckpoint(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		logToTamperWith(t, db)
		head, err := db.Head(ctx)
		require.NoError(t, err)
		point := audit.Checkpoint{GatewayID: db.ID(), Head: head, At: now}
		require.NoError(t, db.CheckFork(ctx, []audit.Checkpoint{point}))
		_, writes := store.Pools(db)
		for _, table := range []string{"audit_batch", "audit_event"} {
			execOne(t, writes, "DELETE FROM "+table+" WHERE seq = 4")
		}
		assert.Empty(t, findings(t, db), "the chain alone does not show it")
		assert.Equal(t, []string{
			"batch 4: the log had this batch at the checkpoint of 2026-05-04T03:02:01Z, and now ends at batch 3: its end was cut off",
		}, findings(t, db, point))

		again := storetest.Open(t, url)
		var fork *audit.ForkError
		require.ErrorAs(t, again.CheckFork(ctx, []audit.Checkpoint{point}), &fork)
		require.NoError(t, apply(again, store.Restored(audit.Actor{Kind: "os"}, now, "accepted", fork.Lost())))
	})
}

// TestASnapshotThatIsHeldDoesNotHinder holds a transaction that reads, as a dump does.
func TestASnapshotThatIsHeldDoesNotHinder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		require.NoError(t, apply(db, change(audit.UserAdded)))
		s, err := db.Snapshot(ctx)
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		count := func(ctx context.Context) (n int) {
			for _, err := range s.AllEvents(ctx) {
				require.NoError(t, err)
				n++
			}
			return n
		}
		require.Equal(t, 1, count(ctx))
		for range 100 {
			require.NoError(t, apply(db, change(audit.UserAdded)))
		}
		assert.Equal(t, 1, count(ctx), "it still sees its own time")
		assert.Len(t, allEvents(t, db, store.EventFilter{}), 101)
	})
}

func TestARedactedTextIsNoLongerInTheFile(t *testing.T) {
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	c := change(audit.UserAdded)
	c.Events[0].Subject = "CANARY-subject"
	c.Events[0].Details = map[string]string{"reason": strings.Repeat("CANARY-reason ", 2000)} // more than a page
	require.NoError(t, apply(db, c))
	require.NoError(t, apply(db, store.Redact(audit.Actor{Kind: "os"}, now, audit.Position{Seq: 1}, "a name")))
	_, writes := store.Pools(db)
	_, err := writes.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, err)
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(file(url) + suffix)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "CANARY")
	}
}
