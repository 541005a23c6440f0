package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

const (
	benchBatch = 256
	benchRound = 48 // batches
)

func benchEvent() audit.Event {
	e := event(audit.IssueAllowed)
	e.Account, e.Role, e.Issue = "123456789012", "rro", "iss_06g0000000000000000000000"
	e.Details = map[string]string{"grant": "operators", "policy": "17", "duration": "3600"}
	return e
}

// BenchmarkAppend compares the journal under load with inserts of the same rows in batches of the same size that do nothing
// else. Rounds of both alternate, so that both meet the same disk. The target of the ratio is 0.8.
func BenchmarkAppend(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchAppend(b, storetest.SQLite(b), storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchAppend(b, storetest.Postgres(b), storetest.Postgres(b)) })
}

func benchAppend(b *testing.B, journalURL, rawURL string) {
	db, raw := storetest.Open(b, journalURL), storetest.Open(b, rawURL)
	_, writes := store.Pools(raw)
	conn, err := writes.Conn(ctx)
	require.NoError(b, err)
	defer func() { require.NoError(b, conn.Close()) }()
	insert, err := store.RawInsert(ctx, raw, conn)
	require.NoError(b, err)
	transactions := 0
	j := journal.New(db, journal.Options{Writer: "bench", Observe: func(int, time.Duration, error) { transactions++ }})

	head := audit.Genesis("bench")
	var rawTime, journalTime time.Duration
	events := 0
	for b.Loop() {
		var batches []audit.Batch
		var entries [][]audit.Entry
		for range benchRound {
			var es []audit.Entry
			for range benchBatch {
				es = append(es, audit.Seal(benchEvent()))
			}
			batch := head.Seal(audit.Header{At: now, Auth: 1, Writer: "bench"}, es)
			head = audit.Head{Seq: batch.Seq, Hash: audit.Hash(batch.Hash)}
			batches, entries = append(batches, batch), append(entries, es)
		}
		begun := time.Now()
		for i := range batches {
			require.NoError(b, insert(batches[i], entries[i]))
		}
		rawTime += time.Since(begun)

		begun = time.Now()
		var wg sync.WaitGroup
		for range 3 * benchBatch {
			wg.Go(func() {
				for range benchRound / 3 {
					require.NoError(b, j.Append(ctx, store.Change{Events: []audit.Event{benchEvent()}}))
				}
			})
		}
		wg.Wait()
		journalTime += time.Since(begun)
		events += benchRound * benchBatch
	}
	b.ReportMetric(float64(events)/journalTime.Seconds(), "events/s")
	b.ReportMetric(float64(events)/rawTime.Seconds(), "raw-events/s")
	require.NoError(b, j.Close())
	b.ReportMetric(float64(events)/float64(transactions), "events/batch")
	b.ReportMetric(rawTime.Seconds()/journalTime.Seconds(), "ratio")
}

// BenchmarkOneAtATime measures a change with an effect that waits for no other one, beside a commit of the same database that
// stores one row.
func BenchmarkOneAtATime(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			db := storetest.Open(b, url(b))
			_, writes := store.Pools(db)
			var bare time.Duration
			for b.Loop() {
				i := newIssue()
				require.NoError(b, apply(db, change(audit.IssueAllowed, store.Intend(i))))
				b.StopTimer()
				begun := time.Now()
				_, err := writes.ExecContext(ctx, "INSERT INTO grp (name, created) VALUES ($1, 0)", i.ID)
				require.NoError(b, err)
				bare += time.Since(begun)
				b.StartTimer()
			}
			b.ReportMetric(float64(bare.Nanoseconds())/float64(b.N), "bare-ns/op")
		})
	}
}
