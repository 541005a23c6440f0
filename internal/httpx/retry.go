package httpx

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/keys"
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

// Persist calls attempt, and again after failures that may pass, unless ctx asks for a single attempt. server is its name in
// the log and in messages about waiting.
func Persist(ctx context.Context, log *slog.Logger, server string, attempt func(context.Context) error) error {
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
		case keys.PauseAskedFor(err) > maxRetryAfter || keys.IsFinal(err) || n+1 == attempts || keys.IsSingleAttempt(ctx):
			return err
		}
		pause := retryPause(n, err)
		log.Info("chaim: server failed, will retry", "server", server, "pause", pause, "error", err)
		if sleep(ctx, pause) != nil {
			return context.Cause(ctx)
		}
	}
}

// retryPause returns the pause after failed attempt n. The first attempt has number 0.
func retryPause(n int, err error) time.Duration {
	return max(keys.Jittered(retryBase, retryLimit, n, rand.Float64()), keys.PauseAskedFor(err))
}

// Final is an error that another attempt cannot change, such as a TLS certificate that cannot be verified.
type Final struct{ Text string }

func (e Final) Error() string { return e.Text }

// IsFinal reports that another attempt cannot help.
func (e Final) IsFinal() bool { return true }

// IsFinalStatus reports whether another attempt cannot help after a reply with this status.
func IsFinalStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

// maxPause is longer than any pause that chaim waits for.
const maxPause = 1 << 20 * time.Second

var secondsRule = lazyregexp.New(`^([0-9]+)(\.[0-9]*)?$`)

// RetryAfter is a pause as a value of the header Retry-After. Parts of a second are rounded up, because a client that comes too
// early only waits again.
func RetryAfter(pause time.Duration) string {
	return strconv.FormatInt(int64((pause+time.Second-1)/time.Second), 10)
}

// PauseIn reads the header Retry-After, in seconds or as a date by the server's clock (RFC 9110 section 10.2.3). Parts of a
// second, which some servers send, are rounded up. Any other value, or a date in the past, is no pause.
func PauseIn(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if parts := secondsRule().FindStringSubmatch(value); parts != nil {
		seconds, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil || seconds >= int64(maxPause/time.Second) { // err: the number is too large
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
