package httpx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim/internal/keys"
)

// limited is a source with a token bucket: rate requests per second, burst at once. It throttles the others.
type limited struct {
	rate, burst float64
	pause       time.Duration // sent with each refusal
	opens       time.Time     // all requests before are throttled

	mu       sync.Mutex
	tokens   float64
	filled   time.Time
	asked    []time.Time
	answered []time.Time
}

const latency = 100 * time.Millisecond

func (l *limited) ask(ctx context.Context) error {
	now := time.Now()
	l.mu.Lock()
	if l.filled.IsZero() {
		l.tokens, l.filled = l.burst, now
	}
	l.tokens, l.filled = min(l.burst, l.tokens+now.Sub(l.filled).Seconds()*l.rate), now
	isRefused := l.tokens < 1 || now.Before(l.opens)
	l.asked = append(l.asked, now)
	if !isRefused {
		l.tokens--
		l.answered = append(l.answered, now)
	}
	l.mu.Unlock()
	if err := sleep(ctx, latency); err != nil {
		return err
	}
	if isRefused {
		return &Refusal{StatusCode: http.StatusTooManyRequests, Pause: l.pause}
	}
	return nil
}

// askTimes makes n requests, parallel at a time, and returns their errors.
func askTimes(ctx context.Context, p *Pace, n, parallel int, ask func(context.Context) error) (failed []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := p.Do(ctx, ask); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	wg.Wait()
	return failed
}

func TestPaceFollowsTheSource(t *testing.T) {
	for name, c := range map[string]struct {
		rate, burst float64
		pause       time.Duration
		n           int
		most        float64 // requests per answer, at most
		within      time.Duration
	}{
		"10 per second":           {10, 10, 0, 200, 1.5, 25 * time.Second},
		"10 per second, no burst": {10, 1, 0, 200, 1.5, 40 * time.Second},
		"10 per second, told":     {10, 10, time.Second, 200, 1.5, 35 * time.Second},
		"2 per second":            {2, 10, 0, 1000, 1.35, 10 * time.Minute},
		"200 per second":          {200, 200, 0, 1000, 1.1, 10 * time.Second},
		"more than are asked":     {1000, 1000, 0, 1000, 1, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &limited{rate: c.rate, burst: c.burst, pause: c.pause}
				start := time.Now()
				assert.Empty(t, askTimes(t.Context(), new(Pace), c.n, 50, l.ask))
				assert.LessOrEqual(t, time.Since(start), c.within)
				assert.LessOrEqual(t, float64(len(l.asked)), float64(c.n)*c.most)
			})
		})
	}
}

func TestPaceHasNoBurstsOnceThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 10
		l := &limited{rate: rate, burst: rate}
		assert.Empty(t, askTimes(t.Context(), new(Pace), 500, 50, l.ask))
		settled := l.asked[0].Add(5 * time.Second)
		from, _ := slices.BinarySearchFunc(l.asked, settled, time.Time.Compare)
		most := 0
		for i := from; i < len(l.asked); i++ {
			end, _ := slices.BinarySearchFunc(l.asked, l.asked[i].Add(time.Second), time.Time.Compare)
			most = max(most, end-i)
		}
		assert.LessOrEqual(t, most, 2*rate, "requests in a second")
	})
}

func TestPaceRecovers(t *testing.T) {
	for _, down := range []time.Duration{10 * time.Second, 4 * time.Minute} {
		for _, pause := range []time.Duration{0, 10 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				l := &limited{rate: 1e6, burst: 1e6, opens: time.Now().Add(down), pause: pause}
				assert.Empty(t, askTimes(t.Context(), new(Pace), 1000, 50, l.ask))
				took := l.answered[len(l.answered)-1].Sub(l.opens)
				assert.LessOrEqual(t, took, 20*time.Second+pause, "down for %s, asks for %s", down, pause)
				assert.LessOrEqual(t, len(l.asked), 1000+50+40+int(down.Seconds())/2)
			})
		}
	}
}

func TestPaceIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limited{rate: 2, burst: 1, opens: time.Now().Add(time.Minute)}
		p := new(Pace)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { assert.NoError(t, p.Do(t.Context(), l.ask)) })
		}
		<-time.After(2 * time.Minute)
		begun := time.Now()
		assert.NoError(t, p.Do(t.Context(), l.ask))
		assert.Less(t, time.Since(begun), time.Minute, "the last caller does not wait for ever")
		wg.Wait()
	})
}

func TestPaceLosesPatience(t *testing.T) {
	for _, pause := range []time.Duration{0, 7 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			l := &limited{pause: pause}
			p := new(Pace)
			start := time.Now()
			failed := askTimes(t.Context(), p, 1000, 50, l.ask)
			assert.Len(t, failed, 1000)
			for _, err := range failed {
				assert.ErrorAs(t, err, new(*Refusal))
			}
			assert.GreaterOrEqual(t, time.Since(start), throttlePatience)
			assert.LessOrEqual(t, time.Since(start), throttlePatience+maxRetryAfter+time.Second)
			assert.LessOrEqual(t, len(l.asked), 50+40+150)

			asked := len(l.asked)
			<-time.After(time.Minute)
			assert.Len(t, askTimes(t.Context(), p, 1, 1, l.ask), 1)
			assert.Len(t, l.asked, asked+1, "after a while it asks again")

			<-time.After(time.Minute)
			l.mu.Lock()
			l.rate, l.burst = 1, 100
			l.mu.Unlock()
			assert.Empty(t, askTimes(t.Context(), p, 100, 10, l.ask))
		})
	}
}

func TestPaceForgivesThrottlingAfterALongRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(Pace)
		<-time.After(time.Hour)
		l := &limited{rate: 1e6, burst: 1e6, opens: time.Now().Add(time.Minute)}
		assert.NoError(t, p.Do(t.Context(), l.ask))
		<-time.After(time.Hour)
		l.opens = time.Now().Add(time.Minute)
		assert.NoError(t, p.Do(t.Context(), l.ask))
	})
}

func TestPaceAsksAgain(t *testing.T) {
	network := errors.New("connection refused")
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"server failed", &Refusal{StatusCode: http.StatusServiceUnavailable}, attempts},
		{"network", network, attempts},
		{"refused", &Refusal{StatusCode: http.StatusForbidden, Final: true}, 1},
		{"another provider", Foreign(network, nil), 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			err := new(Pace).Do(t.Context(), func(ctx context.Context) error {
				assert.True(t, keys.IsSingleAttempt(ctx))
				asked++
				return c.err
			})
			assert.Equal(t, c.err, err, c.name)
			assert.Equal(t, c.want, asked, c.name)
		})
	}
}

func TestPaceOfASingleAttempt(t *testing.T) {
	for _, want := range []error{errors.New("connection refused"), &Refusal{StatusCode: http.StatusTooManyRequests}} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			err := new(Pace).Do(keys.WithSingleAttempt(t.Context(), true), func(context.Context) error { asked++; return want })
			assert.Equal(t, want, err)
			assert.Equal(t, 1, asked)
		})
	}
}

func TestPaceEndsWithItsContext(t *testing.T) {
	cause := errors.New("enough")
	for _, pause := range []time.Duration{0, 20 * time.Second} {
		for range 20 { // if two channels are ready, select chooses one at random
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				l := &limited{pause: pause}
				time.AfterFunc(10*time.Second+latency/2, func() { cancel(cause) })
				start := time.Now()
				failed := askTimes(ctx, new(Pace), 60, 50, l.ask)
				assert.Len(t, failed, 60, "each has an error")
				for _, err := range failed {
					assert.ErrorIs(t, err, cause)
				}
				assert.Equal(t, 10*time.Second+latency/2, time.Since(start))
			})
		}
	}
}

func TestPaceBoundsASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := new(Pace).Do(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			return Foreign(context.Cause(ctx), nil)
		})
		assert.ErrorIs(t, err, errAskTimeout)
		assert.Equal(t, askTimeout, time.Since(start))
	})
}

// TestPaceDoesNotWaitForHours: a long pause is an error, so that the caller decides.
func TestPaceDoesNotWaitForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		away := &Refusal{StatusCode: 503, Pause: 12 * time.Hour}
		assert.ErrorIs(t, new(Pace).Do(t.Context(), func(context.Context) error { return away }), away)
		assert.Zero(t, time.Since(began))
	})
}

// TestPaceAndDenials does not repeat what was denied.
func TestPaceAndDenials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pace
		calls := 0
		err := p.Do(t.Context(), func(context.Context) error {
			calls++
			return fmt.Errorf("no sign-in: %w", keys.ErrDenied)
		})
		assert.ErrorIs(t, err, keys.ErrDenied)
		assert.Equal(t, 1, calls)
	})
}
