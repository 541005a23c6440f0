// Package renewal keeps keys fresh, by clocks that may be set or stand still.
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
	// The first renewal falls into this part of the lifetime: early enough to outlast a source that is away for a
	// third of it, wide enough that clients started together do not renew together.
	softFrom, softTo = 0.5, 2.0 / 3

	minLifetime = time.Second // keys are not renewed sooner

	// The wall clock gets ahead of the monotonic one by more than this in a suspend, or when it is set.
	jump = 5 * time.Second

	// Reading the monotonic clock alone takes half the time of reading both, so Get looks at the other one
	// only this often.
	wallCheck = 100 * time.Millisecond

	// Forever is the lifetime of keys without an expiration.
	Forever = time.Duration(math.MaxInt64)
)

// softPoint is how long after receipt keys of that lifetime are renewed, for a random u in [0, 1).
func softPoint(lifetime time.Duration, u float64) time.Duration {
	return time.Duration(float64(lifetime) * (softFrom + u*(softTo-softFrom)))
}

// RetryDelay is the wait after a number of failures in a row, the last with err, with left until the keys expire and a
// random u in [0, 1). What the source will not get over by itself is retried slowly.
func RetryDelay(err error, failures int, left time.Duration, u float64) time.Duration {
	if keys.IsFinal(err) || errors.Is(err, keys.ErrInUse) {
		return time.Minute + time.Duration(u*float64(4*time.Minute))
	}
	// With these a source that is back after an outage gets the least calls a second from a fleet, and is noticed soon.
	base := min(max(left/30, time.Second), 40*time.Second)
	limit := min(max(left/5, 5*time.Second), max(left/45, 170*time.Second))
	longest := left / 3
	if left <= 0 { // nothing is left to lose by waiting
		limit, longest = time.Minute, 5*time.Minute
	}
	return max(keys.Jittered(base, limit, failures-1, u), min(keys.PauseAskedFor(err), longest))
}

// Instant is one reading of both clocks: the wall clock, which is right after a suspend, and the monotonic one, which
// cannot be set.
type Instant struct{ Wall, Mono time.Time }

// Now reads both clocks.
func Now() Instant {
	now := time.Now()
	return Instant{now.Round(0), now}
}

// Until is the time until t, by whichever clock comes to it first.
func (i Instant) Until(t Instant) time.Duration { return min(t.Wall.Sub(i.Wall), t.Mono.Sub(i.Mono)) }

// Add is the instant that much later.
func (i Instant) Add(d time.Duration) Instant { return Instant{i.Wall.Add(d), i.Mono.Add(d)} }

// IsJump reports whether the machine was suspended since the last reading, or its clock was set.
func (i Instant) IsJump(last Instant) bool { return i.Wall.Sub(last.Wall)-i.Mono.Sub(last.Mono) > jump }

// Held is a set of keys with the time it arrived.
type Held struct {
	keys.Grant
	Lifetime time.Duration // Forever for keys without an expiration
	Soft     time.Duration // what is left of Lifetime when the renewal is due

	received time.Time    // with the monotonic clock
	fresh    atomic.Int64 // nanoseconds after it, see IsFresh
	end      Instant
}

// Hold takes in a set that is renewed at the soft point for a random u in [0, 1).
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

// Renews reports whether the keys are others than the old ones. What a source says of the end of keys that it gives again
// may differ by what its replies took, or by a jitter of its own.
func (h *Held) Renews(old *Held) bool {
	return h.AccessKeyID != old.AccessKeyID || h.Expires.After(old.Expires.Add(jump))
}

// EndsSooner reports whether keys that have come just now are worse than the valid ones at hand.
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
// clock. It is small enough for the compiler to inline.
func (h *Held) IsFresh() bool { return int64(time.Since(h.received)) < h.fresh.Load() }

// isValid reports whether the keys have expired by neither clock. While they have not, IsFresh need not look again.
func (h *Held) isValid(now Instant) bool {
	left := h.Left(now)
	h.fresh.Store(int64(now.Mono.Sub(h.received) + min(left, wallCheck)))
	return left > 0
}
