package keys

import (
	"context"
	"errors"
	"time"
)

type singleAttempt struct{}

// WithSingleAttempt tells a broker to make one attempt only, because the caller chooses the pauses between attempts.
func WithSingleAttempt(ctx context.Context, isSingle bool) context.Context {
	return context.WithValue(ctx, singleAttempt{}, isSingle)
}

// IsSingleAttempt reports whether ctx asks for one attempt only.
func IsSingleAttempt(ctx context.Context) bool { return ctx.Value(singleAttempt{}) == true }

// IsFinal reports whether another attempt cannot help, according to the error's method IsFinal.
func IsFinal(err error) bool {
	var told interface{ IsFinal() bool }
	return errors.As(err, &told) && told.IsFinal()
}

// PauseAskedFor returns how long the server wants to wait for the next request, according to the error's method RetryAfter.
func PauseAskedFor(err error) time.Duration {
	var told interface{ RetryAfter() time.Duration }
	if !errors.As(err, &told) {
		return 0
	}
	return told.RetryAfter()
}

// Jittered returns a pause: base doubled with each step up to limit, less up to a quarter. u, random in [0, 1), chooses how
// much less.
func Jittered(base, limit time.Duration, step int, u float64) time.Duration {
	d := limit
	if step < 16 {
		d = min(limit, base<<step)
	}
	return d*3/4 + time.Duration(u*float64(d/4))
}
