package httpx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/turn"
)

const (
	// throttlePatience is how long a source may throttle every request before that is an error.
	throttlePatience = 5 * time.Minute

	askTimeout = 2 * time.Minute // for sources that set no limit themselves

	// Requests per second. firstRate is too high for a source that throttles, but falls within a second. lowestRate still
	// finds out soon when the source allows more again.
	firstRate, lowestRate = 50, 0.5

	rateCut    = 0.7 // factor for each refusal
	rateGrowth = 0.1 // for each answer, times the seconds since throttling ended
)

var errAskTimeout = fmt.Errorf("no answer within %s", askTimeout)

// Pace limits the requests of all callers of one source together, so that throttling slows all of them instead of failing
// some. There is no limit until the source throttles. Then callers take turns, first come, first served. Each refusal cuts
// the rate. Each answer raises it, by more the longer there was no refusal. The zero value has no limit.
type Pace struct {
	turn turn.Lock // held while a caller waits as the next one

	mu       sync.Mutex
	rate     float64   // requests per second; zero means no limit
	next     time.Time // when the rate allows another request
	cut      time.Time // when the rate was last cut
	throttle throttling
}

// throttling says when a source throttled.
type throttling struct {
	err    error     // the last outcome, if it was throttling
	since  time.Time // the first refusal in a row
	latest time.Time // the last refusal
	resume time.Time // the source allows the next request after this time
}

// Do calls ask when the rate allows it, and again after failures that may pass. It asks for single attempts, as it makes the
// pauses itself. If ctx asks for a single attempt, it calls ask once. It does not repeat a provider's call if the provider
// makes attempts of its own.
func (p *Pace) Do(ctx context.Context, ask func(context.Context) error) error {
	for failures := 0; ; {
		isLimited, err := p.wait(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		one, cancel := context.WithTimeoutCause(keys.WithSingleAttempt(ctx, true), askTimeout, errAskTimeout)
		err = ask(one)
		cancel()
		if ctx.Err() != nil {
			return err
		}
		hasPatience := p.note(began, isLimited, err)
		if err == nil || keys.IsSingleAttempt(ctx) || !hasPatience || keys.IsFinal(err) {
			return err
		}
		if IsThrottled(err) {
			continue
		}
		failures++
		if errors.Is(err, keys.ErrDenied) || keys.PauseAskedFor(err) > maxRetryAfter || hasTriedAgain(err) || failures == attempts {
			return err
		}
		if err := sleep(ctx, retryPause(failures-1, err)); err != nil {
			return err
		}
	}
}

// wait returns when the source may be asked. isLimited reports whether the caller had to wait for that.
func (p *Pace) wait(ctx context.Context) (isLimited bool, err error) {
	if p.turn.Take(ctx) != nil {
		return false, errWaiting(ctx)
	}
	defer p.turn.Give()
	for {
		pause, err := p.pause()
		if err != nil {
			return false, err
		}
		if err := sleep(ctx, pause); err != nil {
			return false, err
		}
		if pause <= 0 {
			return isLimited, nil
		}
		isLimited = true
	}
}

// pause returns how long the next request must wait. If it need not wait, pause counts it as sent. After throttlePatience of
// throttling pause returns an error, until no request has been sent for a while.
func (p *Pace) pause() (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.throttle.err != nil && p.throttle.latest.Sub(p.throttle.since) >= throttlePatience && now.Sub(p.throttle.latest) < maxRetryAfter {
		return 0, p.throttle.err
	}
	pause := max(p.next.Sub(now), p.throttle.resume.Sub(now))
	if pause <= 0 && p.rate > 0 {
		p.next = now.Add(time.Duration(float64(time.Second) / p.rate))
	}
	return pause, nil
}

// note records the outcome of a request. hasPatience reports whether the source may be asked again: it has throttled for
// less than throttlePatience.
func (p *Pace) note(began time.Time, isLimited bool, err error) (hasPatience bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !IsThrottled(err) {
		if isLimited { // only such a request shows that the source allows this rate
			p.rate += rateGrowth * max(0, now.Sub(p.throttle.resume).Seconds())
		}
		p.throttle.err = nil
		return true
	}
	if p.throttle.err == nil || now.Sub(p.throttle.latest) >= throttlePatience { // the latter: there were no requests for a while
		p.throttle.since = now
	}
	p.throttle.err, p.throttle.latest = err, now
	switch {
	case p.rate == 0:
		p.rate, p.cut = firstRate, now
	case began.After(p.cut): // refusals of requests that were under way at the last cut count once
		p.rate, p.cut = max(p.rate*rateCut, lowestRate), now
	}
	if resume := now.Add(min(keys.PauseAskedFor(err), maxRetryAfter)); resume.After(p.throttle.resume) {
		p.throttle.resume = resume
	}
	return now.Sub(p.throttle.since) < throttlePatience
}

// IsThrottled reports whether a source answered that there are too many requests.
func IsThrottled(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal) && refusal.StatusCode == http.StatusTooManyRequests ||
		retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}

// sleep ends early with ctx. Without a pause it makes no timer: in tests with fake time, several timers that are due at once
// crash the race detector (https://go.dev/issue/78156).
func sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return errWaiting(ctx)
	}
	return nil
}

func errWaiting(ctx context.Context) error {
	return errtext.Wrap(context.Cause(ctx), "waiting to ask again")
}
