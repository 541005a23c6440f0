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

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
)

const (
	// Timers stand still while a machine is suspended, so the clock is read at least this often.
	wakeCheck = 15 * time.Second

	// A renewal may take renewalTimeout. The end of the keys is reported at once, but after a suspend the network has
	// wakeGrace to come back first.
	renewalTimeout, wakeGrace = 2 * time.Minute, 30 * time.Second

	closeGrace = time.Second // for a source to heed the end of its context

	// LazyPause is the longest wait between the attempts of a lazy [Keeper].
	LazyPause = 10 * time.Second
)

// ErrEndsSooner refuses keys that end sooner than those at hand.
var ErrEndsSooner = errors.New("chaim: the source answered with keys that end sooner than those at hand")

var (
	errRenewalTimeout = errors.New("the source has not answered yet")
	errSourceLeft     = errors.New("the source ended its goroutine")
)

// State is the state of the keys of a [Keeper].
type State int

// The states, as package chaim describes and numbers them.
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

// Config configures a [Keeper]. Only Fetch and Log must be given.
type Config struct {
	Fetch     func(context.Context) (keys.Grant, error) // asks for a new set; its errors are fit to be shown
	Ready     func(context.Context) error               // refuses to ask for keys that could not be stored; may be nil
	Store     func(context.Context, keys.Grant) error   // writes a new set before it is served; may be nil
	Log       *slog.Logger
	Lazy      bool          // renew only when a caller finds the keys expired
	OnExpired func(error)   // called when keys expired and could not be renewed; may be nil
	Timeout   time.Duration // of a call of Fetch; zero means two minutes
}

// Keeper holds the current set of keys and keeps it fresh. One goroutine at a time fetches and stores.
type Keeper struct {
	cfg     Config
	clock   clock
	current atomic.Pointer[Held] // nil before the first set and after Close
	updated chan struct{}
	life    life

	mu     sync.Mutex // never held during a call of Fetch or Store
	flight *flight
	plan   plan
}

// clock gives a Keeper the time and random numbers.
type clock struct {
	now    func() Instant
	random func() float64
}

// life ends the goroutines of a Keeper.
type life struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

// bound returns a context with the values of ctx. It ends with the Keeper, not with ctx.
func (l *life) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })
	return ctx, func() { stop(); cancel(nil) }
}

// plan is when a Keeper renews next, and why it has not.
type plan struct {
	closed   bool
	failures int // since the last success
	lastErr  error
	retryAt  Instant       // zero unless a retry is planned
	unstored *keys.Grant   // a set that could not be stored so far
	changed  chan struct{} // signalled when the plan has changed
}

// flight is one fetch, for which any number of callers wait.
type flight struct {
	ctx   context.Context // Fetch and Store get its values, but do not end with it
	given *keys.Grant     // a set to be stored in place of a fetched one; may be nil
	done  chan struct{}
	err   error
}

// NewKeeper returns a Keeper that has no keys yet.
func NewKeeper(cfg Config) *Keeper {
	k := &Keeper{cfg: cfg, clock: clock{Now, rand.Float64}, updated: make(chan struct{}, 1)}
	k.plan.changed = make(chan struct{}, 1)
	k.life.ctx, k.life.cancel = context.WithCancelCause(context.Background())
	return k
}

// Held is the current set, valid or expired. It is nil before the first set and after Close.
func (k *Keeper) Held() *Held { return k.current.Load() }

// Get returns the current set. If that has expired, Get waits for one attempt to renew it, unless an attempt has just
// failed.
func (k *Keeper) Get(ctx context.Context) (*Held, error) {
	if h := k.current.Load(); h != nil && (h.IsFresh() || h.isValid(k.clock.now())) {
		return h, nil
	}
	err := k.untried()
	if err == nil {
		if err = k.Renew(ctx, false); err == nil {
			if h := k.current.Load(); h != nil {
				return h, nil
			}
			err = keys.ErrClosed
		}
	}
	if k.current.Load() != nil && !errors.Is(err, keys.ErrExpired) {
		err = errtext.Because(keys.ErrExpired, err)
	}
	return nil, err
}

// untried returns why the source must not be asked now, or nil if it may.
func (k *Keeper) untried() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.plan.closed:
		return keys.ErrClosed
	case k.clock.now().Until(k.plan.retryAt) > 0:
		return k.plan.lastErr
	}
	return nil
}

// State returns the state of the keys. After Close it is [Expired].
func (k *Keeper) State() State {
	h := k.current.Load()
	if h == nil {
		return Expired
	}
	_, left, err := k.next(k.clock.now())
	return stateOf(left, h.Lifetime, err)
}

// Updated is signalled after each renewal and each change of the state. Signals that are not received merge into one.
func (k *Keeper) Updated() <-chan struct{} { return k.updated }

// Stop stops renewing and cancels a call under way, without waiting for anything. From then on there are no keys.
func (k *Keeper) Stop() {
	k.mu.Lock()
	k.plan.closed = true
	k.mu.Unlock()
	k.life.cancel(keys.ErrClosed)
	k.current.Store(nil)
}

// Close is Stop, and waits for the call under way, but only a second if the source does not heed its context. It may be
// called more than once.
func (k *Keeper) Close() {
	k.Stop()
	ended := make(chan struct{})
	go func() {
		k.life.wg.Wait()
		close(ended)
	}()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		k.cfg.Log.Warn("chaim: a credentials source does not heed the end of its context")
	}
}

// Renew fetches and stores a new set, or joins the fetch under way. If a caller leaves, the fetch goes on for the others.
// With isSingle the source makes one attempt, because the next is planned.
func (k *Keeper) Renew(ctx context.Context, isSingle bool) error {
	_, err := k.join(ctx, &flight{ctx: ctx}, isSingle)
	return err
}

// Put stores a set as if Fetch had just returned it, after the fetch under way has ended. If Put refuses the set at once,
// that does not count as a failed renewal.
func (k *Keeper) Put(ctx context.Context, g keys.Grant) error {
	if _, err := k.hold(g); err != nil {
		return err
	}
	for {
		isOwn, err := k.join(ctx, &flight{ctx: ctx, given: &g}, false)
		if isOwn || ctx.Err() != nil || errors.Is(err, keys.ErrClosed) {
			return err
		}
	}
}

// join begins a flight, or waits for the one under way.
func (k *Keeper) join(ctx context.Context, own *flight, isSingle bool) (isOwn bool, err error) {
	k.mu.Lock()
	if k.plan.closed {
		k.mu.Unlock()
		return false, keys.ErrClosed
	}
	f := k.flight
	if f == nil {
		f, isOwn = own, true
		f.done = make(chan struct{})
		k.flight = f
		k.life.wg.Go(func() { k.fly(f, isSingle) })
	}
	k.mu.Unlock()
	select {
	case <-f.done:
		return isOwn, f.err
	case <-ctx.Done():
		return isOwn, errtext.Wrap(context.Cause(ctx), "waiting for credentials")
	}
}

func (k *Keeper) fly(f *flight, isSingle bool) {
	ctx, end := k.life.bound(f.ctx)
	defer end()
	ctx, cancel := context.WithTimeoutCause(ctx, cmp.Or(k.cfg.Timeout, renewalTimeout), errRenewalTimeout)
	defer cancel()
	var h *Held
	err := errSourceLeft
	defer func() { k.land(f, h, err) }()        // also if a test double calls t.FailNow
	ctx = keys.WithSingleAttempt(ctx, isSingle) // ctx may have the value of another monitor
	h, err = k.obtain(ctx, f.given)
}

// obtain takes the given set, or one that could not be stored before, or else fetches one. Then it stores the set.
func (k *Keeper) obtain(ctx context.Context, given *keys.Grant) (*Held, error) {
	if k.cfg.Ready != nil {
		if err := k.cfg.Ready(ctx); err != nil {
			return nil, err
		}
	}
	g := cmp.Or(given, k.unstored())
	if g == nil {
		fetched, err := k.cfg.Fetch(ctx)
		if err != nil {
			return nil, err
		}
		g = &fetched
	}
	h, err := k.hold(*g)
	if err != nil {
		return nil, err
	}
	if k.cfg.Store == nil {
		return h, nil
	}
	k.keep(g)
	if err := k.cfg.Store(ctx, *g); err != nil {
		if keys.IsFinal(err) { // the next set may be another kind of keys
			k.keep(nil)
		}
		return nil, err
	}
	k.keep(nil)
	return h, nil
}

// hold accepts a set that has just come, unless the set at hand is better.
func (k *Keeper) hold(g keys.Grant) (*Held, error) {
	now := k.clock.now()
	h, err := Hold(g, now, k.clock.random())
	if old := k.current.Load(); err == nil && old != nil && h.EndsSooner(old, now) {
		err = ErrEndsSooner
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// keep notes the set that is not stored yet; nil means that there is none.
func (k *Keeper) keep(unstored *keys.Grant) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.plan.unstored = unstored
}

// unstored returns the set that could not be stored before, if more than half of its lifetime is left.
func (k *Keeper) unstored() *keys.Grant {
	k.mu.Lock()
	defer k.mu.Unlock()
	g := k.plan.unstored
	if g == nil || g.CanExpire && time.Until(g.Expires) <= keys.Lifetime(*g)/2 {
		return nil
	}
	return g
}

// land takes in the outcome of a flight.
func (k *Keeper) land(f *flight, h *Held, err error) {
	now := k.clock.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flight, f.err = nil, err
	old := k.current.Load()
	var left time.Duration
	if old != nil {
		left = old.Left(now)
	}
	switch {
	case k.plan.closed:
		f.err = keys.ErrClosed
	case err == nil && old != nil && !h.Renews(old):
		// A source that caches, such as aws.CredentialsCache, has no new keys yet.
		k.plan.failures, k.plan.lastErr = 0, nil
		k.plan.retryAt = now.Add(max(left/4, time.Second))
	case err == nil:
		k.current.Store(h)
		k.plan.failures, k.plan.lastErr, k.plan.retryAt = 0, nil, Instant{}
		if old == nil {
			k.life.wg.Go(func() { k.run(f.ctx) })
		} else {
			signal(k.updated)
		}
	case old != nil:
		k.plan.failures++
		k.plan.lastErr = err
		d := RetryDelay(err, k.plan.failures, left, k.clock.random())
		if k.cfg.Lazy {
			d = min(d, LazyPause)
		}
		k.plan.retryAt = now.Add(d)
	}
	close(f.done)
	signal(k.plan.changed)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run renews the keys whenever that is due, with the values of ctx, and reports each change of state. Only run calls
// OnExpired.
func (k *Keeper) run(ctx context.Context) {
	ctx, end := k.life.bound(ctx)
	defer end()
	state := OK
	last := k.clock.now()
	var woke Instant
	for k.life.ctx.Err() == nil {
		now := k.clock.now()
		if now.IsJump(last) {
			woke = now
		}
		last = now
		due, left, err := k.next(now)
		if due <= 0 {
			if left, err = k.attempt(ctx, left); err == nil {
				continue
			}
		}
		isWaking := left <= 0 && !k.cfg.Lazy && k.clock.now().Mono.Sub(woke.Mono) < wakeGrace
		if k.life.ctx.Err() == nil && !isWaking {
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
	if h == nil || left <= 0 && err == nil { // an attempt is due now
		return before
	}
	state := stateOf(left, h.Lifetime, err)
	if state == before {
		return state
	}
	expires := h.Expires.UTC().Format(time.RFC3339)
	if state == Expired {
		if !errors.Is(err, keys.ErrExpired) {
			err = errtext.Because(keys.ErrExpired, err)
		}
		if k.cfg.OnExpired != nil {
			k.cfg.OnExpired(err)
		}
	}
	switch {
	case k.cfg.Lazy: // its keys are meant to expire
	case state == Expired:
		k.cfg.Log.Error("chaim: credentials expired", "expires", expires, "error", err)
	case state == Critical:
		k.cfg.Log.Error("chaim: credentials are about to expire, and renewing them fails", "expires", expires, "error", err)
	case state == Late:
		k.cfg.Log.Warn("chaim: renewing credentials failed, will retry", "expires", expires, "error", err)
	default:
		k.cfg.Log.Info("chaim: credentials are renewed again", "expires", expires)
	}
	signal(k.updated)
	return state
}

// attempt renews the keys, and stops waiting when they expire. It returns how long they are valid then, and the error that
// says best why there are no new keys.
func (k *Keeper) attempt(ctx context.Context, left time.Duration) (time.Duration, error) {
	patience := min(left, renewalTimeout)
	if left <= 0 {
		patience = wakeGrace
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errRenewalTimeout)
	defer cancel()
	err := k.Renew(ctx, left > 0)
	if err == nil {
		return left, nil
	}
	_, left, last := k.next(k.clock.now())
	if last != nil {
		err = last // it says more than that the next attempt is under way
	}
	return left, err
}

// sleep ends early when the plan changes or the keeper is closed.
func (k *Keeper) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-k.life.ctx.Done():
	case <-k.plan.changed:
	case <-timer.C:
	}
}

// next returns when the next renewal is due, how long the keys are valid, and why the last renewal failed.
func (k *Keeper) next(now Instant) (due, left time.Duration, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.current.Load()
	if h == nil {
		return Forever, Forever, nil // closed, and about to end
	}
	left = h.Left(now)
	switch {
	case k.cfg.Lazy && left <= 0:
		return Forever, left, keys.ErrExpired
	case k.cfg.Lazy || left == Forever:
		return left, left, nil
	case k.plan.retryAt != Instant{}:
		return now.Until(k.plan.retryAt), left, k.plan.lastErr
	}
	return left - h.Soft, left, nil
}
