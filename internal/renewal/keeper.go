package renewal

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/remote"
)

const (
	// Timers stand still while a machine is suspended, so the clock is read at least this often.
	wakeCheck = 15 * time.Second

	// A renewal may take this long. The end of the keys is told at once, except after a suspend, when a network may need
	// a while too.
	renewalTimeout, wakeGrace = 2 * time.Minute, 30 * time.Second

	closeGrace = time.Second // for a source to heed the end of its context

	// LazyPause is the longest wait between attempts that only callers ask for.
	LazyPause = 10 * time.Second
)

// The errors that callers of a Keeper test for.
var (
	ErrClosed     = errors.New("chaim: closed")
	ErrInUse      = errors.New("chaim: profile in use") // of a source that writes one: asking again will not help
	ErrEndsSooner = errors.New("chaim: the source answered with keys that end sooner than those at hand")
)

var (
	errRenewalTimeout = errors.New("the source has not answered yet")
	errSourceLeft     = errors.New("the source ended its goroutine")
)

// State is how it stands with the keys of a [Keeper].
type State int

// The states, as the package chaim describes and numbers them.
const (
	OK State = iota
	Late
	Critical
	Expired
)

func stateOf(left, lifetime time.Duration, err error) State {
	switch {
	case left <= 0:
		return Expired
	case err == nil:
		return OK
	case left < max(5*time.Minute, lifetime/10):
		return Critical
	}
	return Late
}

// Config is what a [Keeper] is made of. Only Source and Log must be given.
type Config struct {
	Source    func(context.Context) (aws.Credentials, error) // its errors are fit to be shown
	Log       *slog.Logger
	Lazy      bool          // renew only when a caller finds the keys expired
	OnExpired func(error)   // called when keys expired and could not be renewed
	Timeout   time.Duration // of a call of Source; zero means two minutes
}

// Keeper keeps the keys of a source fresh. The source is called by one goroutine at a time.
type Keeper struct {
	Config
	clocks func() Instant
	random func() float64

	current atomic.Pointer[Held] // nil before the first set and after Close
	updated chan struct{}
	wake    chan struct{} // the plan changed
	ctx     context.Context
	cancel  context.CancelCauseFunc
	wg      sync.WaitGroup

	mu       sync.Mutex // never held during a call of the source
	closed   bool
	flight   *flight
	failures int // since the last success
	lastErr  error
	retryAt  Instant // zero unless a retry is planned
}

// flight is one call of the source, which any number of callers wait for.
type flight struct {
	done chan struct{}
	err  error
}

// NewKeeper makes one that has no keys yet. Values of ctx are passed to the source, its end is not.
func NewKeeper(ctx context.Context, cfg Config) *Keeper {
	k := &Keeper{Config: cfg, clocks: Now, random: rand.Float64, updated: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	k.ctx, k.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return k
}

// Held is the current set, expired or not; nil before the first one and after Close.
func (k *Keeper) Held() *Held { return k.current.Load() }

// Check refuses a set that the keeper would not take if it came just now. Nil stands for one that has none yet.
func (k *Keeper) Check(creds aws.Credentials) error {
	now := Now()
	h, err := Hold(creds, now, 0)
	if err != nil || k == nil {
		return err
	}
	if old := k.current.Load(); old != nil && h.EndsSooner(old, now) {
		return ErrEndsSooner
	}
	return nil
}

// Get returns the current set. When it has expired, Get waits for one attempt to renew it, unless the last one has only
// just failed.
func (k *Keeper) Get(ctx context.Context) (*Held, error) {
	if h := k.current.Load(); h != nil && (h.IsFresh() || h.isValid(k.clocks())) {
		return h, nil
	}
	err := k.untried()
	if err == nil {
		if err = k.Renew(ctx, false); err == nil {
			if h := k.current.Load(); h != nil {
				return h, nil
			}
			err = ErrClosed
		}
	}
	if k.current.Load() != nil && !errors.Is(err, remote.ErrExpired) {
		err = errtext.Because(remote.ErrExpired, err)
	}
	return nil, err
}

// untried is why there is no sense in asking the source now, if there is none.
func (k *Keeper) untried() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return ErrClosed
	case k.clocks().Until(k.retryAt) > 0:
		return k.lastErr
	}
	return nil
}

// State tells how it stands with the keys. After Close it is [Expired].
func (k *Keeper) State() State {
	h := k.current.Load()
	if h == nil {
		return Expired
	}
	_, left, err := k.plan(k.clocks())
	return stateOf(left, h.Lifetime, err)
}

// Updated is signalled after each renewal and each change of the state. Signals that are not received merge into one.
func (k *Keeper) Updated() <-chan struct{} { return k.updated }

// Stop stops renewing and cancels a call under way, without waiting for anything. From then on there are no keys.
func (k *Keeper) Stop() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel(ErrClosed)
	k.current.Store(nil)
}

// Close is Stop, and waits for the call under way, for a second if the source does not heed its context. It may be called
// more than once.
func (k *Keeper) Close() {
	k.Stop()
	ended := make(chan struct{})
	go func() {
		k.wg.Wait()
		close(ended)
	}()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		k.Log.Warn("chaim: a credentials source does not heed the end of its context")
	}
}

// Renew calls the source, or joins the call under way. A caller that leaves does not end the call for the others. A single
// attempt is one whose repetition is planned.
func (k *Keeper) Renew(ctx context.Context, isSingle bool) error {
	_, err := k.join(ctx, isSingle, func() {})
	return err
}

// RenewBy is Renew with prepare called before the source is. It joins no call under way, but waits for its end first.
func (k *Keeper) RenewBy(ctx context.Context, prepare func()) error {
	for {
		isOwn, err := k.join(ctx, false, prepare)
		if isOwn || ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return err
		}
	}
}

// join waits for the call of the source that is under way, and reports whether it had to begin one.
func (k *Keeper) join(ctx context.Context, isSingle bool, prepare func()) (isOwn bool, err error) {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return false, ErrClosed
	}
	f := k.flight
	if f == nil {
		prepare()
		f = &flight{done: make(chan struct{})}
		k.flight, isOwn = f, true
		k.wg.Go(func() { k.fly(f, isSingle) })
	}
	k.mu.Unlock()
	if err := f.wait(ctx); err != nil {
		return isOwn, err
	}
	return isOwn, f.err
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return errtext.Wrap(context.Cause(ctx), "waiting for credentials")
	}
}

func (k *Keeper) fly(f *flight, isSingle bool) {
	ctx, cancel := context.WithTimeoutCause(k.ctx, cmp.Or(k.Timeout, renewalTimeout), errRenewalTimeout)
	defer cancel()
	var creds aws.Credentials
	err := errSourceLeft
	defer func() { k.land(f, creds, err) }()      // also when a test double calls t.FailNow
	ctx = remote.WithSingleAttempt(ctx, isSingle) // also where ctx came with another monitor's
	creds, err = k.Source(ctx)
}

// land takes in the outcome of a flight.
func (k *Keeper) land(f *flight, creds aws.Credentials, err error) {
	now := k.clocks()
	var h *Held
	if err == nil {
		h, err = Hold(creds, now, k.random())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flight, f.err = nil, err
	old := k.current.Load()
	var left time.Duration
	if old != nil {
		left = old.Left(now)
	}
	if err == nil && old != nil && h.EndsSooner(old, now) {
		err = ErrEndsSooner
		f.err = err
	}
	switch {
	case k.closed:
		f.err = ErrClosed
	case err == nil && old != nil && !h.Renews(old):
		// A source that caches, such as aws.CredentialsCache, has no new ones yet.
		k.failures, k.lastErr = 0, nil
		k.retryAt = now.Add(max(left/4, time.Second))
	case err == nil:
		k.current.Store(h)
		k.failures, k.lastErr, k.retryAt = 0, nil, Instant{}
		if old == nil {
			k.wg.Go(k.run)
		} else {
			signal(k.updated)
		}
	case old != nil:
		k.failures++
		k.lastErr = err
		d := RetryDelay(err, k.failures, left, k.random())
		if k.Lazy {
			d = min(d, LazyPause)
		}
		k.retryAt = now.Add(d)
	}
	close(f.done)
	signal(k.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run renews what is due, and tells of each change of state. It is the only caller of OnExpired.
func (k *Keeper) run() {
	state := OK
	last := k.clocks()
	var woke Instant
	for k.ctx.Err() == nil {
		now := k.clocks()
		if now.IsJump(last) {
			woke = now
		}
		last = now
		due, left, err := k.plan(now)
		if due <= 0 {
			if left, err = k.attempt(left); err == nil {
				continue
			}
		}
		isWaking := left <= 0 && !k.Lazy && k.clocks().Mono.Sub(woke.Mono) < wakeGrace
		if k.ctx.Err() == nil && !isWaking {
			state = k.tell(state, left, err)
		}
		if due > 0 {
			if left > 0 {
				due = min(due, left)
			}
			k.sleep(min(due, wakeCheck))
		}
	}
}

// tell logs a change of state, and returns the new one.
func (k *Keeper) tell(before State, left time.Duration, err error) State {
	h := k.current.Load()
	if h == nil || left <= 0 && err == nil { // what comes of the attempt that is due now?
		return before
	}
	state := stateOf(left, h.Lifetime, err)
	if state == before {
		return state
	}
	expires := h.Creds.Expires.UTC().Format(time.RFC3339)
	if state == Expired {
		if !errors.Is(err, remote.ErrExpired) {
			err = errtext.Because(remote.ErrExpired, err)
		}
		if k.OnExpired != nil {
			k.OnExpired(err)
		}
	}
	switch {
	case k.Lazy: // as was asked for
	case state == Expired:
		k.Log.Error("chaim: credentials expired", "expires", expires, "error", err)
	case state == Critical:
		k.Log.Error("chaim: credentials are about to expire, and renewing them fails", "expires", expires, "error", err)
	case state == Late:
		k.Log.Warn("chaim: renewing credentials failed, will retry", "expires", expires, "error", err)
	default:
		k.Log.Info("chaim: credentials are renewed again", "expires", expires)
	}
	signal(k.updated)
	return state
}

// attempt renews, and gives up waiting when the keys expire. It returns what is left of them then, and the error that
// says most of why there are no new ones.
func (k *Keeper) attempt(left time.Duration) (time.Duration, error) {
	patience := min(left, renewalTimeout)
	if left <= 0 {
		patience = wakeGrace
	}
	ctx, cancel := context.WithTimeoutCause(k.ctx, patience, errRenewalTimeout)
	defer cancel()
	err := k.Renew(ctx, left > 0)
	if err == nil {
		return left, nil
	}
	_, left, last := k.plan(k.clocks())
	if last != nil {
		err = last // more than that the next attempt is under way
	}
	return left, err
}

// sleep ends early when the plan changes or the keeper is closed.
func (k *Keeper) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-k.ctx.Done():
	case <-k.wake:
	case <-timer.C:
	}
}

// plan tells when the next renewal is due, how long the keys are valid, and what keeps them from being renewed.
func (k *Keeper) plan(now Instant) (due, left time.Duration, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.current.Load()
	if h == nil {
		return Forever, Forever, nil // closed, and about to end
	}
	left = h.Left(now)
	switch {
	case k.Lazy && left <= 0:
		return Forever, left, remote.ErrExpired
	case k.Lazy || left == Forever:
		return left, left, nil
	case k.retryAt != Instant{}:
		return now.Until(k.retryAt), left, k.lastErr
	}
	return left - h.Soft, left, nil
}
