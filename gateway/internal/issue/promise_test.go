package issue_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	groupcommit "github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// leaveKey is the key of the function that ends a client's patience.
type leaveKey struct{}

// TestPromise has 50 clients ask, of whom many leave, while the log fails at random, before and after it has stored, and STS
// fails at random. Each key that STS made must have an earlier allowed event, and each key that was answered an issued one.
func TestPromise(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldOn(t, url)
		shared := groupcommit.New(w.db, groupcommit.Options{Writer: "test"})
		t.Cleanup(func() { require.NoError(t, shared.Close()) })
		w.journal.next = shared
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		var mu sync.Mutex // guards what follows
		dice := rand.New(rand.NewPCG(seed, 1))
		roll := func(n int) int {
			mu.Lock()
			defer mu.Unlock()
			return dice.IntN(n)
		}
		made, answered := map[string]string{}, map[string]bool{} // issues of keys; keys
		w.journal.fail = func(int, store.Change) (bool, error) {
			return roll(2) == 0, []error{store.ErrUnknown, store.ErrConflict, errors.New("disk full"), nil, nil, nil, nil, nil}[roll(8)]
		}
		w.sts.answer = func(ctx context.Context, s issue.Session) (issue.Lent, error) {
			if roll(8) == 0 {
				ctx.Value(leaveKey{}).(context.CancelFunc)()
			}
			row, err := w.db.Issue(context.Background(), s.Issue)
			if assert.NoError(t, err, "STS is asked after the record only") {
				assert.Equal(t, store.Intent, row.State)
			}
			n := roll(1 << 30)
			if n%5 == 0 {
				return issue.Lent{}, &issue.STSError{Cause: issue.Away, Text: "away", MayHaveKeys: n%2 == 0}
			}
			lent := keysFor(n, s)
			mu.Lock()
			defer mu.Unlock()
			made[lent.Keys.AccessKeyID] = s.Issue
			return lent, nil
		}
		var clients sync.WaitGroup
		for range 50 {
			clients.Go(func() {
				for range 4 {
					ctx, leave := context.WithCancel(context.Background())
					if roll(8) == 0 {
						leave := leave
						defer time.AfterFunc(time.Duration(roll(20))*time.Millisecond, leave).Stop()
					}
					ctx = context.WithValue(ctx, leaveKey{}, leave)
					grant, err := w.Keys(ctx, w.caller("ada"), issue.Ask{Account: "sredev"})
					leave()
					if err == nil {
						mu.Lock()
						answered[grant.Keys.AccessKeyID] = true
						mu.Unlock()
					}
				}
			})
		}
		clients.Wait()
		allowed, issued := map[string]bool{}, map[string]bool{}
		for _, e := range w.events() {
			switch e.Type {
			case audit.IssueAllowed:
				allowed[e.Issue] = true
			case audit.IssueIssued:
				require.True(t, allowed[e.Issue], "in this order")
				issued[e.Details["key_id"]] = true
			}
		}
		require.NotEmpty(t, made)
		for key, id := range made {
			assert.True(t, allowed[id], "key %s has no record", key)
		}
		for key := range answered {
			assert.True(t, issued[key], "key %s was answered without a record", key)
			row, err := w.db.IssueByKey(t.Context(), key)
			if assert.NoError(t, err) {
				assert.Equal(t, store.Issued, row.State)
			}
		}
		t.Logf("%d allowed, %d keys made, %d answered", len(allowed), len(made), len(answered))
	})
}
