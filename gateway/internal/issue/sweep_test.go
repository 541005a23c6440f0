package issue_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// TestIntentsGetAnEnd leaves an intent as a killed process would, and runs two replicas.
func TestIntentsGetAnEnd(t *testing.T) {
	url := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, url)
		w.journal.fail = func(n int, _ store.Change) (bool, error) {
			return false, map[bool]error{true: errors.New("killed")}[n == 2 || n == 3]
		}
		_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
		w.refused(err)
		require.Equal(t, store.Intent, w.only().State)
		n, err := w.Sweep(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n, "it may still be worked on")

		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, replica := range []string{"replica-1", "replica-2"} {
			d := w.deps
			d.Options.Replica = replica
			wg.Go(func() { issue.New(d).Run(ctx) })
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		stop()
		wg.Wait()
		assert.Equal(t, store.Unknown, w.only().State)
		ends := w.events(audit.IssueUnknown)
		require.Len(t, ends, 1, "one replica ends it")
		assert.Equal(t, "gateway", ends[0].Actor.Kind)
		assert.Equal(t, []string{"ada", "111111111111", w.only().ID}, []string{ends[0].Subject, ends[0].Account, ends[0].Issue})
	})
}

// TestKeysOfASweptIntentAreWithheldWithTheirID lets another replica, whose clock is ahead, sweep while STS works.
func TestKeysOfASweptIntentAreWithheldWithTheirID(t *testing.T) {
	w := newWorld(t)
	w.sts.answer = func(_ context.Context, s issue.Session) (issue.Lent, error) {
		w.change(store.Finish(s.Issue, store.Intent, store.Unknown, store.IssuedKeys{}, "swept"))
		return keysFor(1, s), nil
	}
	_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
	assert.Equal(t, issue.Unavailable, w.refused(err).Code)
	row, err := w.db.IssueByKey(t.Context(), "ASIATEST00000001")
	require.NoError(t, err, "whose-key finds the keys that AWS has made")
	assert.Equal(t, store.Withheld, row.State)
	assert.Equal(t, "ASIATEST00000001", w.events(audit.IssueWithheld)[0].Details["key_id"])
}

// TestRefusedTokensAreCounted guesses tokens for three minutes.
func TestRefusedTokensAreCounted(t *testing.T) {
	url := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		w := newWorldOn(t, url, func(d *issue.Deps) { d.Hooks.AuthFailed = func(issue.Code) { told.Add(1) } })
		var isAway atomic.Bool
		w.journal.fail = func(int, store.Change) (bool, error) {
			return false, map[bool]error{true: errors.New("disk full")}[isAway.Load()]
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		c := w.caller("ada")
		c.User = "eve"
		time.Sleep(time.Second)
		for range 30 {
			for range 10 {
				_, err := w.Keys(t.Context(), c, issue.Ask{Account: "sredev"})
				assert.Equal(t, issue.BadToken, w.refused(err).Code)
			}
			time.Sleep(5 * time.Second)
		}
		isAway.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		isAway.Store(false)
		stop()
		wg.Wait()
		assert.EqualValues(t, 300, told.Load())
		events := w.events()
		require.Len(t, events, 3, "one a minute, and one at the end with what could not be recorded")
		var counts []string
		for _, e := range events {
			assert.Equal(t, audit.AuthFailed, e.Type)
			assert.Equal(t, e.Details["count"], e.Details["bad_token"])
			assert.Empty(t, e.Actor.IP)
			counts = append(counts, e.Details["count"])
		}
		assert.Equal(t, []string{"120", "120", "60"}, counts)
	})
}

// TestLooksAreShared has many strangers at once: each refusal needs a look at the database after the call, and those that wait
// share one.
func TestLooksAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{view: &store.View{Auth: 7}}
		i := issue.New(issue.Deps{Store: s, Ring: newRing(t)})
		var wg sync.WaitGroup
		c := issue.Caller{Token: "chm1_00000000000000000000000000_0000000000000000000000000000000000000000000000000000", User: "eve"}
		for range 200 {
			wg.Go(func() {
				_, err := i.Accounts(t.Context(), c)
				var r *issue.Refusal
				assert.ErrorAs(t, err, &r)
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, s.views.Load())
		assert.LessOrEqual(t, s.auths.Load(), int64(6))
	})
}

// TestDatabaseAwayIsToldToAll counts looks while the database does not answer.
func TestDatabaseAwayIsToldToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{err: errors.New("CANARY: connection refused")}
		i := issue.New(issue.Deps{Store: s, Ring: newRing(t)})
		start := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := i.Accounts(t.Context(), issue.Caller{})
				var r *issue.Refusal
				if assert.ErrorAs(t, err, &r) {
					assert.Equal(t, issue.Unavailable, r.Code)
					assert.NotContains(t, r.Text, "CANARY")
				}
			})
		}
		wg.Wait()
		assert.LessOrEqual(t, time.Since(start), 2*slowLook)
	})
}

const slowLook = 100 * time.Millisecond

// slowStore takes its time for each look.
type slowStore struct {
	issue.Store
	view         *store.View
	err          error
	auths, views atomic.Int64
}

func (s *slowStore) Auth(context.Context) (int64, error) {
	s.auths.Add(1)
	time.Sleep(slowLook)
	if s.err != nil {
		return 0, s.err
	}
	return s.view.Auth, nil
}

func (s *slowStore) View(context.Context) (*store.View, error) {
	s.views.Add(1)
	return s.view, nil
}

func (s *slowStore) Token(context.Context, string) (store.Token, error) {
	return store.Token{}, store.ErrNotFound
}
