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
)

const (
	// throttlePatience is how long a source may do nothing but throttle until that is a failure.
	throttlePatience = 5 * time.Minute

	askTimeout = 2 * time.Minute // of a source that sets no limit itself

	// Requests per second. The first limit is more than a source allows that throttles a few callers, and comes down
	// within a second. The lowest still finds out soon enough when it allows more again.
	firstRate, lowestRate = 50, 0.5

	rateCut    = 0.7 // of the rate stays when the source throttles
	rateGrowth = 0.1 // by an answer, for each second since throttling ended
)

var errAskTimeout = fmt.Errorf("no answer within %s", askTimeout)

// Pace is what callers of one source share, so that a source that throttles slows all of them instead of failing some.
// There is no limit until it does. Then they take turns, first come, first served, at a rate that each refusal cuts and
// each answer lets grow: the faster, the longer there was no refusal.
type Pace struct {
	turn chan struct{} // holds a token while a caller is the next one

	mu       sync.Mutex
	rate     float64   // requests per second; zero means no limit
	next     time.Time // when the rate allows another request
	cut      time.Time // when the rate was last cut
	throttle throttling
}

// throttling is when a source throttled.
type throttling struct {
	err    error     // the last outcome, if that was throttling
	since  time.Time // when the first of these came
	latest time.Time
	resume time.Time // when the source, at the latest, wanted to be asked again
}

// NewPace returns one for callers that are about to begin.
func NewPace() *Pace { return &Pace{turn: make(chan struct{}, 1)} }

// Do calls ask when its time has come, for single attempts, and again when what went wrong may pass. If ctx is that of a
// single attempt already, it does so once. A provider that is not chaim's has tried again itself.
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
		if failures++; keys.PauseAskedFor(err) > maxRetryAfter || hasTriedAgain(err) || failures == attempts {
			return err
		}
		if err := sleep(ctx, retryPause(failures-1, err)); err != nil {
			return err
		}
	}
}

// wait returns when the source may be asked, and reports whether that was a matter of the rate.
func (p *Pace) wait(ctx context.Context) (isLimited bool, err error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return false, errWaiting(ctx)
	}
	defer func() { <-p.turn }()
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

// pause is how long to wait with the next request; if that is nothing, it has begun. It is an error while there is no
// patience with the source, which is asked again after a while without an answer.
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

// note takes in what came of a request, and reports whether there has been something other than throttling lately.
func (p *Pace) note(began time.Time, isLimited bool, err error) (hasPatience bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !IsThrottled(err) {
		if isLimited { // or there is no telling what the source allows
			p.rate += rateGrowth * max(0, now.Sub(p.throttle.resume).Seconds())
		}
		p.throttle.err = nil
		return true
	}
	if p.throttle.err == nil || now.Sub(p.throttle.latest) >= throttlePatience { // or no request was made for a while
		p.throttle.since = now
	}
	p.throttle.err, p.throttle.latest = err, now
	switch {
	case p.rate == 0:
		p.rate, p.cut = firstRate, now
	case began.After(p.cut): // with what were under way then it is one refusal
		p.rate, p.cut = max(p.rate*rateCut, lowestRate), now
	}
	if resume := now.Add(min(keys.PauseAskedFor(err), maxRetryAfter)); resume.After(p.throttle.resume) {
		p.throttle.resume = resume
	}
	return now.Sub(p.throttle.since) < throttlePatience
}

// IsThrottled reports whether a source has answered that there are too many requests.
func IsThrottled(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal) && refusal.StatusCode == http.StatusTooManyRequests ||
		retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}

// sleep ends early with ctx. Without a pause it makes no timer: in tests with fake time, several that are due when they
// are made crash the race detector (https://go.dev/issue/78156).
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
