package chaim

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/remote"
)

const (
	// The first renewal falls into this part of the lifetime: early enough to outlast a source that is away for a
	// third of it, wide enough that clients started together do not renew together.
	softFrom, softTo = 0.5, 2.0 / 3

	minLifetime = time.Second // keys are not renewed sooner

	// The wall clock gets ahead of the monotonic one by more than this in a suspend, or when somebody sets it.
	jump = 5 * time.Second

	forever = time.Duration(math.MaxInt64)
)

// softPoint is how long after receipt keys of that lifetime are renewed, for a random u in [0, 1).
func softPoint(lifetime time.Duration, u float64) time.Duration {
	return time.Duration(float64(lifetime) * (softFrom + u*(softTo-softFrom)))
}

// retryDelay is the wait after a number of failures in a row, with left until the keys expire and a random u in
// [0, 1). An error that the source will not get over by itself is retried slowly.
func retryDelay(err error, failures int, left time.Duration, u float64) time.Duration {
	if isFinal(err) {
		return time.Minute + time.Duration(u*float64(4*time.Minute))
	}
	// With these a source that is back after an outage gets the least calls a second from a fleet, and is noticed soon.
	base := min(max(left/30, time.Second), 40*time.Second)
	limit := min(max(left/5, 5*time.Second), max(left/45, 170*time.Second))
	longest := left / 3
	if left <= 0 { // nothing is left to lose by waiting
		limit, longest = time.Minute, 5*time.Minute
	}
	return max(remote.Jittered(base, limit, failures-1, u), min(pauseAskedFor(err), longest))
}

// instant is one reading of both clocks: the wall clock, which is right after a suspend, and the monotonic one, which
// nobody can set.
type instant struct{ wall, mono time.Time }

func readClocks() instant {
	now := time.Now()
	return instant{now.Round(0), now}
}

// until is the time until t, by whichever clock comes to it first.
func (i instant) until(t instant) time.Duration { return min(t.wall.Sub(i.wall), t.mono.Sub(i.mono)) }

func (i instant) add(d time.Duration) instant { return instant{i.wall.Add(d), i.mono.Add(d)} }

// held is a set of keys with the time it arrived.
type held struct {
	creds    aws.Credentials
	received time.Time // with the monotonic clock
	end      instant
	lifetime time.Duration // forever for keys without an expiration
	soft     time.Duration // what is left of lifetime when the renewal is due
	checked  atomic.Int64  // nanoseconds after received at which the wall clock was last looked at
}

// hold takes in a set that is renewed at the soft point for a random u in [0, 1).
func hold(creds aws.Credentials, now instant, u float64) (*held, error) {
	h := &held{creds: creds, received: now.mono, lifetime: forever}
	if !creds.HasKeys() {
		return nil, errors.New("chaim: the source answered without keys")
	}
	if creds.CanExpire {
		h.lifetime = creds.Expires.Round(0).Sub(now.wall)
		if h.lifetime <= 0 {
			return nil, fmt.Errorf("%w: the source answered with keys that ended at %s; is this machine's clock right?", ErrExpired, creds.Expires.UTC().Format(time.RFC3339))
		}
		h.soft = h.lifetime - max(softPoint(h.lifetime, u), minLifetime)
		h.end = now.add(h.lifetime)
	}
	return h, nil
}

// sameKeys reports whether a source has no new keys yet. What it says of their end may differ by what its replies took,
// or by a jitter of its own.
func sameKeys(creds, old aws.Credentials) bool {
	return creds.AccessKeyID == old.AccessKeyID && !creds.Expires.After(old.Expires.Add(jump))
}

// endsSooner reports whether keys that have come just now are worse than the valid ones at hand.
func (h *held) endsSooner(old *held, now instant) bool {
	left := old.left(now)
	return left > 0 && left != forever && h.left(now) < left && !sameKeys(h.creds, old.creds)
}

// left is the time until the keys expire.
func (h *held) left(now instant) time.Duration {
	if h.lifetime == forever {
		return forever
	}
	return now.until(h.end)
}

// State is how it stands with the keys of a [Monitor].
type State int

const (
	// StateOK: the keys are valid, and the last attempt to renew them succeeded.
	StateOK State = iota
	// StateLate: renewing failed, and is tried again while the keys are valid.
	StateLate
	// StateCritical: as StateLate, with less than 5 minutes or a tenth of the lifetime left, whichever is more.
	StateCritical
	// StateExpired: there are no valid keys.
	StateExpired
)

// String names the state.
func (s State) String() string {
	switch s {
	case StateOK:
		return "ok"
	case StateLate:
		return "late"
	case StateCritical:
		return "critical"
	case StateExpired:
		return "expired"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

func stateOf(left, lifetime time.Duration, err error) State {
	switch {
	case left <= 0:
		return StateExpired
	case err == nil:
		return StateOK
	case left < max(5*time.Minute, lifetime/10):
		return StateCritical
	}
	return StateLate
}
