package journal_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// database takes a second for each transaction, and answers each change with result.
type database struct {
	mu      sync.Mutex
	batches [][]store.Change
	result  func(store.Change) error
}

func (d *database) Append(_ context.Context, _ string, changes ...store.Change) ([]error, error) {
	time.Sleep(time.Second) // of synctest's clock
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batches = append(d.batches, changes)
	results := make([]error, len(changes))
	if d.result != nil {
		for i, c := range changes {
			results[i] = d.result(c)
		}
	}
	return results, nil
}

func change(subject string) store.Change {
	return store.Change{Events: []audit.Event{{Type: audit.UserAdded, Subject: subject}}}
}

// in runs a test with a journal in a bubble of synctest.
func in(t *testing.T, test func(t *testing.T, d *database, j *journal.Journal)) {
	synctest.Test(t, func(t *testing.T) {
		d := &database{}
		j := journal.New(d, journal.Options{Writer: "test"})
		test(t, d, j)
		require.NoError(t, j.Close())
	})
}

func TestChangesThatWaitShareATransaction(t *testing.T) {
	in(t, func(t *testing.T, d *database, j *journal.Journal) {
		var wg sync.WaitGroup
		for i := range 301 {
			wg.Go(func() { assert.NoError(t, j.Append(t.Context(), change("x"))) })
			if i == 0 {
				synctest.Wait() // the first goes at once
			}
		}
		wg.Wait()
		var sizes []int
		for _, b := range d.batches {
			sizes = append(sizes, len(b))
		}
		assert.Equal(t, []int{1, 256, 44}, sizes)
	})
}

func TestEachChangeGetsItsOwnResult(t *testing.T) {
	in(t, func(t *testing.T, d *database, j *journal.Journal) {
		d.result = func(c store.Change) error {
			if c.Events[0].Subject == "stale" {
				return store.ErrStale
			}
			return nil
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { assert.ErrorIs(t, j.Append(t.Context(), change("stale")), store.ErrStale) })
			wg.Go(func() { assert.NoError(t, j.Append(t.Context(), change("fresh"))) })
		}
		wg.Wait()
	})
}

func TestTooManyChangesAreRefusedAtOnce(t *testing.T) {
	in(t, func(t *testing.T, _ *database, j *journal.Journal) {
		var wg sync.WaitGroup
		for i := range 1001 {
			wg.Go(func() { assert.NoError(t, j.Append(t.Context(), change("x"))) })
			if i == 0 {
				synctest.Wait() // the first is in a transaction
			}
		}
		synctest.Wait()
		begun := time.Now()
		require.ErrorIs(t, j.Append(t.Context(), change("x")), store.ErrBusy)
		assert.Zero(t, time.Since(begun))
		wg.Wait()
	})
}

func TestACallerWhoLeavesInTimeLeavesNothing(t *testing.T) {
	in(t, func(t *testing.T, d *database, j *journal.Journal) {
		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, j.Append(t.Context(), change("first"))) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := j.Append(ctx, change("late"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, store.ErrUnknown)
		wg.Wait()
		require.NoError(t, j.Append(t.Context(), change("second")))
		assert.Len(t, d.batches, 2)
	})
}

func TestACallerWhoLeavesDuringTheCommitDoesNotKnow(t *testing.T) {
	in(t, func(t *testing.T, d *database, j *journal.Journal) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := j.Append(ctx, change("x"))
		require.ErrorIs(t, err, store.ErrUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, j.Close())
		assert.Len(t, d.batches, 1, "the commit went on")
	})
}

func TestCloseStoresWhatWasAccepted(t *testing.T) {
	in(t, func(t *testing.T, d *database, j *journal.Journal) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { assert.NoError(t, j.Append(t.Context(), change("x"))) })
		}
		synctest.Wait()
		require.NoError(t, j.Close())
		wg.Wait()
		require.ErrorIs(t, j.Append(t.Context(), change("late")), store.ErrBusy)
		stored := 0
		for _, b := range d.batches {
			stored += len(b)
		}
		assert.Equal(t, 50, stored)
	})
}

func TestAChangeIsNotStoredForACallerWhoHasLeft(t *testing.T) {
	in(t, func(t *testing.T, d *database, j *journal.Journal) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("gone"))
		require.ErrorIs(t, j.Append(ctx, change("x")), context.Canceled)
		require.NoError(t, j.Close())
		assert.Empty(t, d.batches)
	})
}

func TestTransactionsAreObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events int
		var took time.Duration
		j := journal.New(&database{}, journal.Options{Observe: func(n int, d time.Duration, err error) {
			events, took = n, d
			assert.NoError(t, err)
		}})
		require.NoError(t, j.Append(t.Context(), change("x")))
		require.NoError(t, j.Close())
		assert.Equal(t, 1, events)
		assert.Equal(t, time.Second, took)
	})
}
