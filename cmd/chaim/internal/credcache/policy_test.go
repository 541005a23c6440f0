package credcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

var (
	errAway    = errors.New("chaim: no route to host")
	errRefused = errtext.Because(chaim.ErrDenied, &httpx.Refusal{StatusCode: 400, Message: "usertoken has expired", Final: true})
)

// source gives keys, or an error, after a while. Its users take turns.
type source struct {
	lifetime, latency time.Duration
	err               error
	asked             int
	isSingle          bool // the last call was to make one attempt
}

func (s *source) fetch(ctx context.Context) (chaim.AwsCreds, error) {
	s.asked++
	s.isSingle = keys.IsSingleAttempt(ctx)
	select {
	case <-time.After(s.latency):
	case <-ctx.Done():
		return chaim.AwsCreds{}, context.Cause(ctx)
	}
	if s.err != nil {
		return chaim.AwsCreds{}, s.err
	}
	return newCreds(strings.Repeat("X", s.asked), s.lifetime), nil
}

type outcome struct {
	creds chaim.AwsCreds
	err   error
	took  time.Duration
}

// bubble runs f with a cache and a source of keys for an hour.
func bubble(t *testing.T, f func(t *testing.T, get func() outcome, src *source)) {
	t.Helper()
	folder := newFolder(t)
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		cache := Cache{folder, slog.New(slog.NewTextHandler(&log, nil))}
		src := &source{lifetime: time.Hour}
		f(t, func() outcome {
			started := time.Now()
			creds, err := cache.Get(t.Context(), Key("a"), src.fetch)
			assert.True(t, err != nil || creds.Expires.After(time.Now()), "expired keys")
			return outcome{creds, err, time.Since(started)}
		}, src)
		assert.NotContains(t, log.String(), "CANARY")
	})
}

// together calls get that many times at once.
func together(n int, get func() outcome) []outcome {
	outcomes := make(chan outcome, n)
	for range n {
		go func() { outcomes <- get() }()
	}
	var all []outcome
	for range n {
		all = append(all, <-outcomes)
	}
	return all
}

func TestColdCallers(t *testing.T) {
	bubble(t, func(t *testing.T, get func() outcome, src *source) {
		src.latency = time.Minute
		all := together(crowd, get)
		for _, o := range all {
			require.NoError(t, o.err)
			assert.Equal(t, all[0].creds, o.creds)
		}
		assert.Equal(t, 1, src.asked)
	})
}

// TestFailureIsShared by those who waited, however long that took, and by those who come soon after.
func TestFailureIsShared(t *testing.T) {
	for name, tt := range map[string]struct {
		err         error
		isDenied    bool
		first, last time.Duration // bounds of the pause
	}{
		"refusal": {errRefused, true, 10 * time.Second, 10 * time.Second},
		"away":    {errAway, false, 750 * time.Millisecond, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, get func() outcome, src *source) {
				src.err, src.latency = tt.err, time.Minute
				for _, o := range together(crowd, get) {
					assert.ErrorContains(t, o.err, strings.TrimPrefix(tt.err.Error(), "chaim: "))
					assert.Equal(t, tt.isDenied, errors.Is(o.err, chaim.ErrDenied))
					assert.NotErrorIs(t, o.err, chaim.ErrExpired)
					assert.Equal(t, 1, strings.Count(o.err.Error(), "chaim: "))
				}
				assert.Equal(t, 1, src.asked)

				src.latency = 0
				failed := time.Now()
				<-time.After(tt.first - 100*time.Millisecond)
				assert.ErrorContains(t, get().err, fmt.Sprintf("(the answer to another process, %s ago)", tt.first.Round(time.Second)))
				assert.Equal(t, 1, src.asked)

				src.err = nil
				<-time.After(time.Until(failed.Add(tt.last)))
				assert.NoError(t, get().err)
				assert.Equal(t, 2, src.asked)
			})
		})
	}
}

func TestRenewal(t *testing.T) {
	bubble(t, func(t *testing.T, get func() outcome, src *source) {
		first := get()
		require.NoError(t, first.err)
		<-time.After(30*time.Minute - time.Second)
		assert.Equal(t, first, get())
		assert.Equal(t, 1, src.asked, "renewed after half the lifetime at the earliest")

		<-time.After(10*time.Minute + time.Second)
		src.latency = 20 * time.Second
		var slow, fast int
		var renewed chaim.AwsCreds
		for _, o := range together(crowd, get) {
			require.NoError(t, o.err)
			if o.took == 0 {
				fast++
				assert.Equal(t, first.creds, o.creds)
			} else {
				slow++
				renewed = o.creds
			}
		}
		assert.Equal(t, [2]int{1, crowd - 1}, [2]int{slow, fast}, "renewed after two thirds of the lifetime at the latest")
		assert.NotEqual(t, first.creds, renewed)
		assert.Equal(t, renewed, get().creds)
		assert.Equal(t, 2, src.asked)
	})
}

// TestDueIsDrawnOnce, and for each set of keys anew.
func TestDueIsDrawnOnce(t *testing.T) {
	folder := newFolder(t)
	synctest.Test(t, func(t *testing.T) {
		cache, src := Cache{folder: folder}, &source{lifetime: time.Hour}
		drawn := map[time.Duration]bool{}
		for range 50 {
			key := Key("a")
			_, err := cache.Get(t.Context(), key, src.fetch)
			require.NoError(t, err)
			e, err := cache.read(key)
			require.NoError(t, err)
			due := e.Due.Sub(e.Received)
			drawn[due] = true
			assert.GreaterOrEqual(t, due, 30*time.Minute)
			assert.LessOrEqual(t, due, 40*time.Minute)

			<-time.After(due - 1)
			_, err = cache.Get(t.Context(), key, src.fetch)
			require.NoError(t, err)
			again, err := cache.read(key)
			require.NoError(t, err)
			assert.Equal(t, e, again)
			<-time.After(1)
		}
		assert.Equal(t, 50, src.asked)
		assert.Greater(t, len(drawn), 40)
	})
}

// TestFailedRenewal asks once in a while, serves what is valid, and nothing else.
func TestFailedRenewal(t *testing.T) {
	for name, tt := range map[string]struct {
		err         error
		least, most int // calls of the source in the last 20 minutes of the keys
	}{
		"refusal": {errRefused, 4, 20},
		"away":    {errAway, 8, 120},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, get func() outcome, src *source) {
				first := get()
				<-time.After(40 * time.Minute)
				src.err, src.asked = tt.err, 0
				for time.Until(first.creds.Expires) > 0 {
					o := get()
					require.NoError(t, o.err)
					assert.Equal(t, first.creds, o.creds)
					<-time.After(time.Second)
				}
				assert.GreaterOrEqual(t, src.asked, tt.least)
				assert.LessOrEqual(t, src.asked, tt.most)

				asked := src.asked
				<-time.After(10 * time.Second)
				assert.ErrorIs(t, get().err, tt.err, "whoever finds no keys waits 10 seconds at most")
				assert.Equal(t, asked+1, src.asked)
				assert.ErrorContains(t, get().err, "another process")

				src.err = nil
				<-time.After(10 * time.Second)
				renewed := get()
				require.NoError(t, renewed.err)
				assert.NotEqual(t, first.creds, renewed.creds)
			})
		})
	}
}

// TestSlowRenewal gives up in time for those who have valid keys, but not for those who have none.
func TestSlowRenewal(t *testing.T) {
	bubble(t, func(t *testing.T, get func() outcome, src *source) {
		first := get()
		assert.False(t, src.isSingle)
		<-time.After(40 * time.Minute)
		src.latency = time.Hour
		assert.Equal(t, outcome{first.creds, nil, renewalTimeout}, get())
		assert.True(t, src.isSingle)

		<-time.After(20 * time.Minute)
		o := get()
		assert.Equal(t, fetchTimeout, o.took)
		assert.ErrorIs(t, o.err, errTimeout)
	})
}

// TestKeysEndDuringTheirRenewal, which fails.
func TestKeysEndDuringTheirRenewal(t *testing.T) {
	bubble(t, func(t *testing.T, get func() outcome, src *source) {
		first := get()
		<-time.After(time.Until(first.creds.Expires) - time.Second)
		src.latency, src.err = 2*time.Second, errAway
		assert.ErrorIs(t, get().err, errAway)
	})
}

func TestUselessAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		lifetime time.Duration
		want     string
	}{
		"keys that end sooner": {time.Minute, ""},
		"keys that have ended": {-time.Minute, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, get func() outcome, src *source) {
				first := get()
				<-time.After(40 * time.Minute)
				src.lifetime = tt.lifetime
				for range 2 {
					assert.Equal(t, first, get())
				}
				assert.Equal(t, 2, src.asked)
			})
			bubble(t, func(t *testing.T, get func() outcome, src *source) {
				src.lifetime = tt.lifetime
				o := get()
				if tt.want == "" {
					assert.NoError(t, o.err)
					return
				}
				assert.ErrorContains(t, o.err, tt.want)
				assert.ErrorIs(t, get().err, chaim.ErrExpired)
				assert.Equal(t, 1, src.asked)
			})
		})
	}
}

// TestKeysWithoutEnd are nothing to leave on a disk.
func TestKeysWithoutEnd(t *testing.T) {
	cache := Cache{folder: newFolder(t)}
	want := newCreds("", 0)
	want.Expires = time.Time{}
	got, err := cache.Get(t.Context(), Key("a"), func(context.Context) (chaim.AwsCreds, error) { return want, nil })
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.NoFileExists(t, cache.path(Key("a"), dataExtension))
}

func TestClockSetBack(t *testing.T) {
	bubble(t, func(t *testing.T, get func() outcome, src *source) {
		got := get()
		now := time.Now()
		keys := plain(got.creds)
		e := entry{Keys: &keys, Received: now}
		assert.True(t, e.isValid(now))
		assert.False(t, e.isValid(now.Add(-1)))
		assert.False(t, e.isValid(keys.Expires))
		assert.True(t, e.isValid(keys.Expires.Add(-1)))
	})
	now := time.Now()
	e := entry{Due: now.Add(time.Second), lastFailure: lastFailure{Failed: now, Reason: "away"}}
	assert.Error(t, e.failure(now, now))
	assert.NoError(t, e.failure(now.Add(-2), now.Add(-1)))
	assert.NoError(t, e.failure(now.Add(1), now.Add(time.Second)))
	assert.Error(t, e.failure(now.Add(-1), now.Add(time.Hour)), "whoever asked before has the answer")
}

// TestCallerLeaves, which says nothing of the source.
func TestCallerLeaves(t *testing.T) {
	folder := newFolder(t)
	errLeft := errors.New("left")
	synctest.Test(t, func(t *testing.T) {
		cache, src := Cache{folder: folder}, &source{lifetime: time.Hour, latency: 10 * time.Second}
		ctx, cancel := context.WithCancelCause(t.Context())
		errs := make(chan error, 2)
		for range 2 { // one asks, and one waits
			go func() {
				_, err := cache.Get(ctx, Key("a"), src.fetch)
				errs <- err
			}()
		}
		<-time.After(time.Second)
		cancel(errLeft)
		assert.ErrorIs(t, <-errs, errLeft)
		assert.ErrorIs(t, <-errs, errLeft)

		creds, err := cache.Get(t.Context(), Key("a"), src.fetch)
		require.NoError(t, err)
		<-time.After(40 * time.Minute)
		got, err := cache.Get(ctx, Key("a"), src.fetch)
		require.NoError(t, err)
		assert.Equal(t, creds, got)

		<-time.After(time.Until(creds.Expires))
		_, err = cache.Get(ctx, Key("a"), src.fetch)
		assert.ErrorIs(t, err, errLeft)
		src.err = errAway
		_, err = cache.Get(t.Context(), Key("a"), src.fetch)
		assert.ErrorIs(t, err, errAway, "not that somebody left")
		e, err := cache.read(Key("a"))
		require.NoError(t, err)
		assert.Nil(t, e.Keys, "expired ones")
	})
}

func TestOtherKeysDoNotWait(t *testing.T) {
	folder := newFolder(t)
	synctest.Test(t, func(t *testing.T) {
		cache, src := Cache{folder: folder}, &source{lifetime: time.Hour}
		_, err := cache.Get(t.Context(), Key("a"), func(ctx context.Context) (chaim.AwsCreds, error) {
			return cache.Get(ctx, Key("b"), src.fetch)
		})
		require.NoError(t, err)
	})
}

// TestLockedForTooLong has a source that does not heed its context.
func TestLockedForTooLong(t *testing.T) {
	folder := newFolder(t)
	synctest.Test(t, func(t *testing.T) {
		cache := Cache{folder: folder}
		held, err := (Cache{folder: folder}).Get(t.Context(), Key("a"), func(context.Context) (chaim.AwsCreds, error) {
			started := time.Now()
			_, err := cache.Get(t.Context(), Key("a"), nil)
			assert.ErrorIs(t, err, chaim.ErrLocked)
			assert.ErrorContains(t, err, cache.path(Key("a"), lockExtension))
			assert.Equal(t, lockTimeout, time.Since(started))
			return newCreds("", time.Hour), nil
		})
		require.NoError(t, err)
		assert.NotEmpty(t, held.AccessKeyID)
	})
}

// TestPanicEndsTheLock, as the program may go on.
func TestPanicEndsTheLock(t *testing.T) {
	cache, src := Cache{folder: newFolder(t)}, &source{lifetime: time.Hour}
	assert.PanicsWithValue(t, "mine", func() {
		_, _ = cache.Get(t.Context(), Key("a"), func(context.Context) (chaim.AwsCreds, error) { panic("mine") })
	})
	_, err := cache.Get(t.Context(), Key("a"), src.fetch)
	require.NoError(t, err)
}
