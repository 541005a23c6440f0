package renewal

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/keys"
)

func TestRetryDelay(t *testing.T) {
	plain := errors.New("network")
	for _, tt := range []struct {
		name     string
		err      error
		failures int
		left     time.Duration
		min, max time.Duration
	}{
		{"first failure, an hour left", plain, 1, time.Hour, 30 * time.Second, 40 * time.Second},
		{"second failure, an hour left", plain, 2, time.Hour, time.Minute, 80 * time.Second},
		{"many failures, an hour left", plain, 100, time.Hour, 127500 * time.Millisecond, 170 * time.Second},
		{"many failures, 6 hours left", plain, 100, 6 * time.Hour, 6 * time.Minute, 8 * time.Minute},
		{"a minute left", plain, 9, time.Minute, 9 * time.Second, 12 * time.Second},
		{"nothing left", plain, 9, -time.Hour, 45 * time.Second, time.Minute},
		{"refused", &refusal{final: true}, 1, time.Minute, time.Minute, 5 * time.Minute},
		{"told to wait", &refusal{pause: 10 * time.Minute}, 1, time.Hour, 10 * time.Minute, 10 * time.Minute},
		{"told to wait too long", &refusal{pause: 10 * time.Hour}, 1, time.Hour, 20 * time.Minute, 20 * time.Minute},
		{"the profile is another program's", keys.ErrInUse, 1, time.Minute, time.Minute, 5 * time.Minute},
	} {
		assert.Equal(t, tt.min, RetryDelay(tt.err, tt.failures, tt.left, 0), tt.name)
		assert.InDelta(t, tt.max, RetryDelay(tt.err, tt.failures, tt.left, 0.999999999), float64(time.Second), tt.name)
	}
}

func TestKeeperSharesOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &machine{lifetime: time.Hour}
		k := src.keeper(t)
		src.takes.Store(int64(time.Minute))
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { assert.NoError(t, k.Renew(t.Context(), false)) })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, k.Renew(ctx, false), context.DeadlineExceeded, "a caller may leave")
		wg.Wait()
		assert.EqualValues(t, 2, src.calls.Load(), "and the others still get the result")
	})
}

func TestKeeperCloseEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &machine{lifetime: time.Hour}
		k := src.keeper(t)
		src.takes.Store(int64(time.Minute))
		failed := make(chan error)
		go func() { failed <- k.Renew(t.Context(), false) }()
		synctest.Wait()
		started := time.Now()
		k.Close()
		assert.Zero(t, time.Since(started))
		assert.ErrorIs(t, <-failed, keys.ErrClosed)
	})
}

// deafSource answers once release is closed, even if the context has ended.
type deafSource struct {
	machine
	release chan struct{}
}

func (s *deafSource) fetch(ctx context.Context) (keys.Grant, error) {
	if s.calls.Load() > 0 {
		<-s.release
	}
	return s.machine.fetch(context.WithoutCancel(ctx))
}

func TestKeeperDoesNotDependOnADeafSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &deafSource{machine: machine{lifetime: time.Hour}, release: make(chan struct{})}
		expired := make(chan error, 1)
		k := NewKeeper(Config{Fetch: src.fetch, Log: slog.New(slog.DiscardHandler), OnExpired: func(err error) { expired <- err }})
		started := time.Now()
		require.NoError(t, k.Renew(t.Context(), false))
		err := <-expired
		assert.ErrorIs(t, err, keys.ErrExpired)
		assert.ErrorIs(t, err, errRenewalTimeout)
		assert.Equal(t, time.Hour, time.Since(started), "reported when the keys expire")

		started = time.Now()
		k.Close()
		assert.Equal(t, closeGrace, time.Since(started))
		close(src.release)
	})
}

func TestKeeperSourceThatEndsItsGoroutine(t *testing.T) {
	k := NewKeeper(Config{Log: slog.New(slog.DiscardHandler), Fetch: func(context.Context) (keys.Grant, error) {
		runtime.Goexit()
		return keys.Grant{}, nil
	}})
	defer k.Close()
	assert.ErrorIs(t, k.Renew(t.Context(), false), errSourceLeft)
}

func TestRetryAfterCountsWhenExpiredToo(t *testing.T) {
	throttled := &refusal{pause: time.Minute}
	assert.GreaterOrEqual(t, RetryDelay(throttled, 1, -time.Second, 0), time.Minute)
	throttled.pause = time.Hour
	assert.Equal(t, 5*time.Minute, RetryDelay(throttled, 1, -time.Second, 0))
}

func TestExpiryIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		src := &machine{lifetime: time.Hour, onExpired: func(err error) { ended <- err }}
		src.keeper(t)
		started := time.Now()
		var failure error = &refusal{final: true}
		src.fail.Store(&failure)
		assert.ErrorIs(t, <-ended, keys.ErrExpired)
		assert.Equal(t, time.Hour, time.Since(started))
	})
}

// TestKeeperIsReady has Ready refuse sets that are fetched, given, or could not be stored before.
func TestKeeperIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &machine{lifetime: time.Hour}
		var refused, failure error
		var stored []string
		k := NewKeeper(Config{
			Ready: func(context.Context) error { return refused },
			Fetch: src.fetch,
			Store: func(_ context.Context, g keys.Grant) error {
				if failure == nil {
					stored = append(stored, g.AccessKeyID)
				}
				return failure
			},
			Log: slog.New(slog.DiscardHandler),
		})
		defer k.Close()
		given, err := src.fetch(t.Context())
		require.NoError(t, err)
		given.AccessKeyID, given.Received = "given", time.Now()

		refused = keys.ErrInUse
		assert.ErrorIs(t, k.Renew(t.Context(), false), keys.ErrInUse)
		assert.ErrorIs(t, k.Put(t.Context(), given), keys.ErrInUse)
		assert.EqualValues(t, 1, src.calls.Load(), "the source is not asked")

		refused, failure = nil, errors.New("full")
		assert.ErrorIs(t, k.Put(t.Context(), given), failure)
		refused, failure = keys.ErrInUse, nil
		assert.ErrorIs(t, k.Renew(t.Context(), false), keys.ErrInUse, "also before a set that could not be stored")
		assert.Empty(t, stored)

		refused = nil
		require.NoError(t, k.Renew(t.Context(), false))
		assert.Equal(t, []string{"given"}, stored)
		assert.EqualValues(t, 1, src.calls.Load())
	})
}
