package keys

import (
	"context"
	"errors"
	"time"
)

type singleAttempt struct{}

// WithSingleAttempt marks the context of a renewal: the keeper chooses the pauses between attempts.
func WithSingleAttempt(ctx context.Context, isSingle bool) context.Context {
	return context.WithValue(ctx, singleAttempt{}, isSingle)
}

// IsSingleAttempt reports whether ctx is marked so.
func IsSingleAttempt(ctx context.Context) bool { return ctx.Value(singleAttempt{}) == true }

// IsFinal reports whether asking again will not help, as the error says by a method of that name.
func IsFinal(err error) bool {
	var told interface{ IsFinal() bool }
	return errors.As(err, &told) && told.IsFinal()
}

// PauseAskedFor is how long the server that gave the error asks to be left alone, as the error says by a method RetryAfter.
func PauseAskedFor(err error) time.Duration {
	var told interface{ RetryAfter() time.Duration }
	if !errors.As(err, &told) {
		return 0
	}
	return told.RetryAfter()
}

// Jittered doubles base with every step up to limit, and takes three quarters of that and, for a random u in [0, 1), a
// part of the last one.
func Jittered(base, limit time.Duration, step int, u float64) time.Duration {
	d := limit
	if step < 16 {
		d = min(limit, base<<step)
	}
	return d*3/4 + time.Duration(u*float64(d/4))
}
