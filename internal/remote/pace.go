package remote

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/chaim-go/chaim/internal/errtext"
)

// throttlePatience is how long a source may do nothing but throttle until that is a failure.
const throttlePatience = 5 * time.Minute

// Pace is what callers of one source share, so that a source that throttles slows all of them instead of failing some.
// The rate is the SDK's to choose: each refusal cuts it, and it grows while there are none.
type Pace struct {
	limiter *retry.AdaptiveMode

	mu       sync.Mutex
	answered time.Time // when there was last an outcome other than throttling
	resume   time.Time // when the source wants to be asked again
}

// NewPace returns one for callers that are about to begin.
func NewPace() *Pace {
	isThrottle := func(err error) aws.Ternary { return aws.BoolTernary(isThrottled(err)) }
	return &Pace{answered: time.Now(), limiter: retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.Throttles = []retry.IsErrorThrottle{retry.IsErrorThrottleFunc(isThrottle)}
	})}
}

// Do calls ask when its time has come, for single attempts, and again when what went wrong may pass. If ctx is that of a
// single attempt already, it does so once.
func (p *Pace) Do(ctx context.Context, ask func(context.Context) error) error {
	for failures := 0; ; {
		if err := sleep(ctx, p.pause()); err != nil {
			return err
		}
		release, err := p.limiter.GetAttemptToken(ctx)
		if err != nil {
			return sleep(ctx, 0) // it fails only with ctx
		}
		err = ask(WithSingleAttempt(ctx, true))
		_ = release(err) // always nil
		hasPatience := p.note(err)
		if err == nil || ctx.Err() != nil || IsSingleAttempt(ctx) || !hasPatience {
			return err
		}
		if isThrottled(err) {
			continue
		}
		if failures++; IsFinal(err) || failures == attempts {
			return err
		}
		if err := sleep(ctx, retryPause(failures-1, err)); err != nil {
			return err
		}
	}
}

func (p *Pace) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.resume)
}

// note takes in an outcome, and reports whether there has been one other than throttling lately.
func (p *Pace) note(err error) (hasPatience bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !isThrottled(err) {
		p.answered = now
		return true
	}
	if resume := now.Add(min(PauseAskedFor(err), maxRetryAfter)); resume.After(p.resume) {
		p.resume = resume
	}
	return now.Sub(p.answered) < throttlePatience
}

// isThrottled reports whether a source has answered that there are too many requests.
func isThrottled(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal) && refusal.StatusCode == http.StatusTooManyRequests ||
		retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}

// sleep ends early with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errtext.Wrap(context.Cause(ctx), "waiting to ask again")
	}
}
