package renewal

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/keys"
)

// machine is a computer whose wall clock can be set, and a source of keys on it. A suspend is a step forward of the wall
// clock: the monotonic clock stands still. As with chaim's sources, keys expire by the machine's own wall clock, whatever
// that says.
type machine struct {
	lifetime  time.Duration
	onExpired func(error)  // of its keeper; may be nil
	takes     atomic.Int64 // nanoseconds that a call takes
	ahead     atomic.Int64 // nanoseconds by which the wall clock is ahead of that of the bubble
	fail      atomic.Pointer[error]
	calls     atomic.Int32 // also the number of the last set
	issued    sync.Map     // when a set came, by its number
}

func (c *machine) clocks() Instant {
	now := time.Now()
	return Instant{Wall: now.Round(0).Add(time.Duration(c.ahead.Load())), Mono: now}
}

func (c *machine) step(d time.Duration) { c.ahead.Add(int64(d)) }

func (c *machine) fetch(ctx context.Context) (keys.Grant, error) {
	n := c.calls.Add(1)
	// A timer that is due when it is made crashes the race detector: https://go.dev/issue/78156
	if d := time.Duration(c.takes.Load()); d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return keys.Grant{}, context.Cause(ctx)
		}
	}
	if err := c.fail.Load(); err != nil {
		return keys.Grant{}, *err
	}
	now := c.clocks()
	c.issued.Store(n, now.Mono)
	creds := keySet(int(n))
	creds.CanExpire, creds.Expires = true, now.Wall.Add(c.lifetime)
	return creds, nil
}

// age is how long ago a set came, by the monotonic clock.
func (c *machine) age(creds keys.Grant) time.Duration {
	n, _ := strconv.Atoi(creds.AccessKeyID)
	came, _ := c.issued.Load(int32(n))
	return time.Since(came.(time.Time))
}

// keeper starts a Keeper on the machine, and closes it at the end of the test.
func (c *machine) keeper(t *testing.T) *Keeper {
	k := NewKeeper(Config{Fetch: c.fetch, Log: slog.New(slog.DiscardHandler), OnExpired: c.onExpired})
	k.clock.now = c.clocks
	require.NoError(t, k.Renew(t.Context(), false))
	t.Cleanup(k.Close)
	return k
}

// After a suspend, the first attempt comes within one of these times, and expired keys are served no longer than the other.
const attemptAfterWaking, deadKeysAfterWaking = 15 * time.Second, 100 * time.Millisecond

// keySet returns the n-th set. Each part of it holds n.
func keySet(n int) (g keys.Grant) {
	id := strconv.Itoa(n)
	g.AccessKeyID, g.SecretAccessKey, g.SessionToken = id, "secret "+id, "token "+id
	return g
}

func TestKeeperForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &machine{lifetime: time.Hour}
		k := c.keeper(t)
		for start := time.Now(); time.Since(start) < 24*time.Hour; <-time.After(10 * time.Second) {
			h, err := k.Get(t.Context())
			require.NoError(t, err)
			require.GreaterOrEqual(t, time.Until(h.Expires), 19*time.Minute)
			require.Equal(t, OK, k.State())
		}
		renewals := c.calls.Load() - 1
		assert.True(t, 36 <= renewals && renewals <= 48, "%d renewals", renewals)
	})
}

func TestKeeperAfterASuspend(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			c := &machine{lifetime: time.Hour}
			k := c.keeper(t)
			<-time.After(rand.N(30 * time.Minute))
			c.step(9 * time.Hour)
			require.Equal(t, Expired, k.State())
			<-time.After(attemptAfterWaking)
			synctest.Wait()
			require.EqualValues(t, 2, c.calls.Load(), "renewed by itself")
			require.Equal(t, OK, k.State())
		})
	}
}

func TestKeeperAfterASuspendWithoutNetwork(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			c := &machine{lifetime: time.Hour}
			k := c.keeper(t)
			<-time.After(rand.N(30 * time.Minute))
			c.fail.Store(new(error(errAway)))
			_, err := k.Get(t.Context())
			require.NoError(t, err)
			c.step(9 * time.Hour)
			resumed := time.Now()
			for time.Since(resumed) < 10*time.Minute {
				_, err := k.Get(t.Context())
				if time.Since(resumed) >= deadKeysAfterWaking {
					require.ErrorIs(t, err, keys.ErrExpired)
					require.ErrorIs(t, err, errAway)
				}
				require.Equal(t, Expired, k.State())
				if time.Since(resumed) < time.Second {
					<-time.After(10 * time.Millisecond)
				} else {
					<-time.After(time.Second)
				}
			}
			c.fail.Store(nil)
			<-time.After(time.Minute)
			synctest.Wait()
			require.Equal(t, OK, k.State(), "recovers")
			_, err = k.Get(t.Context())
			require.NoError(t, err)
		})
	}
}

func TestKeeperWhenTheClockIsSet(t *testing.T) {
	const lifetime, points, look = time.Hour, 20, 5 * time.Second
	for _, step := range []time.Duration{time.Minute, -time.Minute, time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour} {
		for point := range points {
			synctest.Test(t, func(t *testing.T) {
				c := &machine{lifetime: lifetime}
				k := c.keeper(t)
				last, extra := time.Now(), 0
				calls := c.calls.Load()
				for start := time.Now(); time.Since(start) < 3*lifetime; {
					h, err := k.Get(t.Context())
					require.NoError(t, err)
					require.LessOrEqual(t, c.age(h.Grant), lifetime+15*time.Second, "step of %s at %d/%d", step, point, points)
					if time.Since(start) == lifetime*time.Duration(point)/points {
						c.step(step)
					}
					<-time.After(look)
					if n := c.calls.Load(); n != calls {
						if time.Since(last) < lifetime/2-look {
							extra += int(n - calls)
						}
						last, calls = time.Now(), n
					}
				}
				require.LessOrEqual(t, extra, 2, "step of %s at %d/%d", step, point, points)
				require.Equal(t, OK, k.State())
			})
		}
	}
}

func TestKeysEndThoughTheClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &machine{lifetime: time.Hour}
		k := c.keeper(t)
		c.fail.Store(new(error(errAway)))
		c.step(-24 * time.Hour)
		<-time.After(time.Hour)
		assert.Equal(t, Expired, k.State())
		assert.True(t, k.Held().Expires.After(c.clocks().Wall), "valid by the wall clock")
	})
}

func TestKeeperAsksOnceForAHundredCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &machine{lifetime: time.Hour}
		k := c.keeper(t)
		c.takes.Store(int64(time.Second))
		<-time.After(time.Minute)
		c.step(9 * time.Hour)
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				h, err := k.Get(t.Context())
				if assert.NoError(t, err) {
					assert.Equal(t, "2", h.AccessKeyID)
				}
			})
		}
		callers.Wait()
		assert.EqualValues(t, 2, c.calls.Load())
	})
}

func TestReadersSeeWholeSets(t *testing.T) {
	const swaps = 1_000_000
	end := time.Now().Add(time.Hour)
	set := func(n int) keys.Grant {
		creds := keySet(n)
		creds.CanExpire, creds.Expires = true, end.Add(time.Duration(n))
		return creds
	}
	k := &Keeper{clock: clock{Now, rand.Float64}}
	first, err := Hold(set(0), Now(), 0)
	require.NoError(t, err)
	k.current.Store(first)
	var readers sync.WaitGroup
	var done atomic.Bool
	var seen atomic.Int64
	for range 2 {
		readers.Go(func() {
			last := ""
			for !done.Load() {
				h, err := k.Get(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				creds := h.Credentials
				if creds.SecretAccessKey != "secret "+creds.AccessKeyID || creds.SessionToken != "token "+creds.AccessKeyID {
					t.Errorf("key id %q with secret %q and token %q", creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken)
					return
				}
				if creds.AccessKeyID != last {
					last = creds.AccessKeyID
					seen.Add(1)
				}
			}
		})
	}
	for n := 1; n <= swaps; n++ {
		k.landSet(set(n), nil)
	}
	done.Store(true)
	readers.Wait()
	last, err := k.Get(t.Context())
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(swaps), last.AccessKeyID)
	assert.Greater(t, seen.Load(), int64(1000), "sets that readers have seen")
}
