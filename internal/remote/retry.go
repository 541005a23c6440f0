package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	// AttemptTimeout is how long a server has for one reply: API Gateway may take 29 s to its first byte.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	AttemptTimeout = 35 * time.Second

	attempts      = 3
	retryBase     = 500 * time.Millisecond
	retryLimit    = 5 * time.Second
	maxRetryAfter = 30 * time.Second // a longer pause is the caller's decision
)

var errAttemptTimeout = fmt.Errorf("no complete reply within %s", AttemptTimeout)

type singleAttempt struct{}

// WithSingleAttempt marks the context of a renewal: the pauses between attempts are the caller's to choose.
func WithSingleAttempt(ctx context.Context, isSingle bool) context.Context {
	return context.WithValue(ctx, singleAttempt{}, isSingle)
}

// IsSingleAttempt reports whether ctx is marked so.
func IsSingleAttempt(ctx context.Context) bool { return ctx.Value(singleAttempt{}) == true }

// persist calls attempt, and again when what went wrong may pass, unless ctx asks for a single attempt. server is named in
// the log, and to those who wait.
func persist(ctx context.Context, log *slog.Logger, server string, attempt func(context.Context) error) error {
	defer awaiting.For(ctx, server)()
	for n := 0; ; n++ {
		one, cancel := context.WithTimeoutCause(ctx, AttemptTimeout, errAttemptTimeout)
		err := attempt(one)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case PauseAskedFor(err) > maxRetryAfter || IsFinal(err) || n+1 == attempts || IsSingleAttempt(ctx):
			return err
		}
		pause := retryPause(n, err)
		log.Info("chaim: server failed, will retry", "server", server, "pause", pause, "error", err)
		if sleep(ctx, pause) != nil {
			return context.Cause(ctx)
		}
	}
}

// retryPause is the wait after a failed attempt, of which the first has number 0.
func retryPause(n int, err error) time.Duration {
	return max(Jittered(retryBase, retryLimit, n, rand.Float64()), PauseAskedFor(err))
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

// final is what does not pass by itself, such as a TLS peer that cannot be verified.
type final struct{ text string }

func (e final) Error() string { return e.text }

// codeSent is the failure of a request with a code of an MFA device. STS takes a code once: a second request with it is
// refused, which would hide why the first one failed.
type codeSent struct{ error }

func (e codeSent) Unwrap() error { return e.error }

// IsFinal reports whether asking again will not help.
func IsFinal(err error) bool {
	var refusal *Refusal
	var reply interface{ HTTPStatusCode() int } // of STS, or of whatever service an SDK's provider asks
	switch {
	case errors.As(err, new(codeSent)):
		return true
	case errors.As(err, &refusal):
		return refusal.IsFinal
	case errors.As(err, &reply):
		return isFinalStatus(reply.HTTPStatusCode()) && !isThrottled(err)
	}
	return errors.As(err, new(final)) || errors.As(err, new(*tls.CertificateVerificationError))
}

func isFinalStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

// PauseAskedFor is what the server that gave the error has asked for.
func PauseAskedFor(err error) time.Duration {
	var refusal *Refusal
	var ofSTS *stsError
	var reply *smithyhttp.ResponseError
	switch {
	case errors.As(err, &refusal):
		return refusal.RetryAfter
	case errors.As(err, &ofSTS):
		return ofSTS.pause
	case errors.As(err, &reply) && reply.Response != nil:
		return retryAfter(reply.HTTPResponse().Header)
	}
	return 0
}

// maxPause is longer than any pause that is waited for.
const maxPause = 1 << 20 * time.Second

var secondsRule = lazyregexp.New(`^([0-9]+)(\.[0-9]*)?$`)

// retryAfter reads the header of that name, in seconds or as a date by the server's clock (RFC 9110 section 10.2.3). Parts
// of a second, which some servers send, count as a whole one. What is neither, or past, is no pause.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if parts := secondsRule().FindStringSubmatch(value); parts != nil {
		seconds, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil || seconds >= int64(maxPause/time.Second) { // more than fits is long too
			return maxPause
		}
		if strings.Trim(parts[2], ".0") != "" {
			seconds++
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(0, at.Sub(now)), maxPause)
}
