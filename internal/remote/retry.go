package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

type singleAttempt struct{}

// WithSingleAttempt marks the context of a renewal: the pauses between attempts are the caller's to choose.
func WithSingleAttempt(ctx context.Context, isSingle bool) context.Context {
	return context.WithValue(ctx, singleAttempt{}, isSingle)
}

// IsSingleAttempt reports whether ctx is marked so.
func IsSingleAttempt(ctx context.Context) bool { return ctx.Value(singleAttempt{}) == true }

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

// IsFinal reports whether asking again will not help.
func IsFinal(err error) bool {
	var refusal *Refusal
	var reply interface{ HTTPStatusCode() int } // of STS, or of whatever service an SDK's provider asks
	switch {
	case errors.As(err, &refusal):
		return refusal.IsFinal
	case errors.As(err, &reply):
		return isFinalStatus(reply.HTTPStatusCode()) && retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) != aws.TrueTernary
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

// retryAfter reads the header of that name, in seconds or as a date (RFC 9110 section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 && seconds < 1<<20 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
