// Package renewal keeps keys fresh, even if a clock is set or stands still.
package renewal

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/chaim-go/chaim/internal/keys"
)

const (
	// The first renewal falls into this part of the lifetime. It is early enough to outlast a source that is away for a
	// third of the lifetime, and wide enough that clients that start together do not renew together.
	softFrom, softTo = 0.5, 2.0 / 3

	minLifetime = time.Second // keys are not renewed sooner

	// If the wall clock gets ahead of the monotonic clock by more than this, the machine was suspended or its clock was set.
	jump = 5 * time.Second

	// Reading the monotonic clock alone takes half the time of reading both, so Get reads the wall clock only this often.
	wallCheck = 100 * time.Millisecond

	// Forever is the lifetime of keys that do not expire.
	Forever = time.Duration(math.MaxInt64)
)

// softPoint is how long after receipt keys of that lifetime are renewed, for a random u in [0, 1).
func softPoint(lifetime time.Duration, u float64) time.Duration {
	return time.Duration(float64(lifetime) * (softFrom + u*(softTo-softFrom)))
}

// RetryDelay is the wait after a number of failures in a row, of which err is the last. left is the time until the keys
// expire, and u is random in [0, 1). An error that the source will not get over by itself makes the wait long.
func RetryDelay(err error, failures int, left time.Duration, u float64) time.Duration {
	if keys.IsFinal(err) || errors.Is(err, keys.ErrInUse) {
		return time.Minute + time.Duration(u*float64(4*time.Minute))
	}
	// With these values a fleet soon notices a source that is back after an outage, and makes the fewest calls a second.
	base := min(max(left/30, time.Second), 40*time.Second)
	limit := min(max(left/5, 5*time.Second), max(left/45, 170*time.Second))
	longest := left / 3
	if left <= 0 { // the keys have expired, so waiting loses nothing
		limit, longest = time.Minute, 5*time.Minute
	}
	return max(keys.Jittered(base, limit, failures-1, u), min(keys.PauseAskedFor(err), longest))
}

// Instant is one reading of both clocks: the wall clock, which is right after a suspend, and the monotonic clock, which
// cannot be set.
type Instant struct{ Wall, Mono time.Time }

// Now reads both clocks.
func Now() Instant {
	now := time.Now()
	return Instant{now.Round(0), now}
}

// Until is the time until t, by the clock that reaches it first.
func (i Instant) Until(t Instant) time.Duration { return min(t.Wall.Sub(i.Wall), t.Mono.Sub(i.Mono)) }

// Add is the instant that much later.
func (i Instant) Add(d time.Duration) Instant { return Instant{i.Wall.Add(d), i.Mono.Add(d)} }

// IsJump reports whether the machine was suspended, or its clock set forward, since the last reading.
func (i Instant) IsJump(last Instant) bool { return i.Wall.Sub(last.Wall)-i.Mono.Sub(last.Mono) > jump }

// Held is a set of keys with the time it arrived.
type Held struct {
	keys.Grant
	Lifetime time.Duration // Forever for keys without an expiration
	Soft     time.Duration // what is left of Lifetime when the renewal is due

	received time.Time    // with the monotonic clock
	fresh    atomic.Int64 // nanoseconds after received, see IsFresh
	end      Instant
}

// Hold returns a set that came at now, to be renewed at the soft point for a random u in [0, 1).
func Hold(g keys.Grant, now Instant, u float64) (*Held, error) {
	h := &Held{Grant: g, received: now.Mono, Lifetime: Forever}
	if !g.HasKeys() {
		return nil, errors.New("chaim: the source answered without keys")
	}
	if g.CanExpire {
		h.Lifetime = g.Expires.Round(0).Sub(now.Wall)
		if h.Lifetime <= 0 {
			return nil, fmt.Errorf("%w: the source answered with keys that ended at %s; is this machine's clock right?", keys.ErrExpired, g.Expires.UTC().Format(time.RFC3339))
		}
		h.Soft = h.Lifetime - max(softPoint(h.Lifetime, u), minLifetime)
		h.end = now.Add(h.Lifetime)
	}
	return h, nil
}

// Renews reports whether the keys are newer than the old ones. If a source gives the same keys again, their expiry may
// differ a little, because of the time that a reply takes or a jitter of the source.
func (h *Held) Renews(old *Held) bool {
	return h.AccessKeyID != old.AccessKeyID || h.Expires.After(old.Expires.Add(jump))
}

// EndsSooner reports whether keys that have just come end sooner than the valid keys at hand.
func (h *Held) EndsSooner(old *Held, now Instant) bool {
	left := old.Left(now)
	return left > 0 && left != Forever && h.Left(now) < left && h.Renews(old)
}

// Left is the time until the keys expire.
func (h *Held) Left(now Instant) time.Duration {
	if h.Lifetime == Forever {
		return Forever
	}
	return now.Until(h.end)
}

// IsFresh reports whether the keys were found valid less than wallCheck ago, and have not expired since by the monotonic
// clock. It is small enough to be inlined.
func (h *Held) IsFresh() bool { return int64(time.Since(h.received)) < h.fresh.Load() }

// isValid reports whether the keys are valid by both clocks, and notes for IsFresh how long they certainly are.
func (h *Held) isValid(now Instant) bool {
	left := h.Left(now)
	h.fresh.Store(int64(now.Mono.Sub(h.received) + min(left, wallCheck)))
	return left > 0
}
