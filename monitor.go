package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/remote"
	"github.com/chaim-go/chaim/internal/renewal"
)

const (
	// Timers stand still while a machine is suspended, so the clock is read at least this often.
	wakeCheck = 15 * time.Second

	// A renewal may take this long. The end of the keys is told at once, except after a suspend, when a network may need
	// a while too.
	renewalTimeout, wakeGrace = 2 * time.Minute, 30 * time.Second

	closeGrace = time.Second      // for a source to heed the end of its context
	lazyPause  = 10 * time.Second // between attempts that only callers ask for

	// Reading the monotonic clock alone takes half the time of reading both, so Retrieve looks at the other one only
	// this often.
	wallCheck = 100 * time.Millisecond
)

var (
	errRenewalTimeout = errors.New("the source has not answered yet")
	errSourceLeft     = errors.New("the source ended its goroutine")
	errEndsSooner     = errors.New("chaim: the source answered with keys that end sooner than those at hand")
)

// retrieve calls a provider. Errors of providers that are not chaim's may quote what they read, keys included.
func retrieve(ctx context.Context, src aws.CredentialsProvider) (aws.Credentials, error) {
	creds, err := src.Retrieve(ctx)
	switch src.(type) {
	case *STS, *Client, *Monitor, AwsCreds, ownSource:
		return creds, err
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return creds, remote.Foreign(err)
}

// dropCached has new keys come from the cache that the SDK puts around its providers. It would give the same ones until
// they expire, and whoever read the profile shortly before would have them for that long.
func dropCached(src aws.CredentialsProvider) {
	if cache, ok := src.(*aws.CredentialsCache); ok {
		cache.Invalidate()
	}
}

// ownSource is a source whose errors are fit to be shown.
type ownSource func(context.Context) (aws.Credentials, error)

func (f ownSource) Retrieve(ctx context.Context) (aws.Credentials, error) { return f(ctx) }

// MonitorOptions are what a [Monitor] can be told; the zero value works.
type MonitorOptions struct {
	// Logger gets a line per change of state. Its handler must not close the Monitor. Nil means silence.
	Logger *slog.Logger
}

// Monitor keeps the credentials of a provider fresh: it renews them after 50 to 67 % of their lifetime, retries
// with growing pauses when that fails, and serves what it has until that expires. Retrieve is then a memory read.
//
// All methods may be called by any number of goroutines; the provider is called by one at a time. Of an
// [aws.CredentialsCache], such as the Credentials of an [aws.Config], it drops the keys to renew them before they expire. A
// Monitor owns a goroutine, so it must be closed.
type Monitor struct {
	src       aws.CredentialsProvider
	clocks    func() renewal.Instant
	random    func() float64
	log       *slog.Logger
	lazy      bool        // renew only when a caller finds the keys expired
	onExpired func(error) // called when keys expired and could not be renewed; may be nil

	current atomic.Pointer[renewal.Held] // nil before the first set and after Close
	updated chan struct{}
	wake    chan struct{} // the plan changed
	ctx     context.Context
	cancel  context.CancelCauseFunc
	wg      sync.WaitGroup

	mu       sync.Mutex // never held during a call of src
	closed   bool
	flight   *flight
	failures int // since the last success
	lastErr  error
	retryAt  renewal.Instant // zero unless a retry is planned
}

var _ aws.CredentialsProvider = (*Monitor)(nil)

// flight is one call of the source, which any number of callers wait for.
type flight struct {
	done chan struct{}
	err  error
}

// NewMonitor waits for the first set of credentials of src and keeps them fresh until Close. ctx bounds only that
// wait; its values are passed to src, its end is not. The error is that of src, or of ctx.
func NewMonitor(ctx context.Context, src aws.CredentialsProvider, opts MonitorOptions) (*Monitor, error) {
	if src == nil {
		return nil, errors.New("chaim: no source to monitor")
	}
	m := &Monitor{src: src, log: cmp.Or(opts.Logger, silent)}
	m.init(ctx)
	if err := m.renew(ctx, false); err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// init prepares a monitor that has no keys yet. Values of ctx are passed to the source.
func (m *Monitor) init(ctx context.Context) {
	if m.clocks == nil {
		m.clocks = renewal.Now
	}
	m.random = rand.Float64
	m.updated, m.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	m.ctx, m.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
}

// Format prints when the keys expire, whatever the verb: the fields of a Monitor lead to secrets.
func (m *Monitor) Format(f fmt.State, _ rune) {
	text := "closed"
	if h := m.current.Load(); h != nil {
		text = credsFrom(h.Creds, "").String()
	}
	fmt.Fprintf(f, "chaim.Monitor{%s}", text)
}

// LogValue keeps the secrets out of structured logs.
func (m *Monitor) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(m)) }

// Retrieve returns the current set. When it has expired, Retrieve waits for one attempt to renew it, unless the last
// one has only just failed; then the error wraps [ErrExpired] and the reason. After Close it is [ErrClosed].
func (m *Monitor) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if h := m.current.Load(); h != nil {
		age := time.Since(h.Received)
		if age < h.Lifetime && int64(age)-h.Checked.Load() < int64(wallCheck) {
			return h.Creds, nil
		}
		if h.Left(m.clocks()) > 0 {
			h.Checked.Store(int64(age))
			return h.Creds, nil
		}
	}
	err := m.untried()
	if err == nil {
		if err = m.renew(ctx, false); err == nil {
			if h := m.current.Load(); h != nil {
				return h.Creds, nil
			}
			err = ErrClosed
		}
	}
	if m.current.Load() != nil && !errors.Is(err, ErrExpired) {
		err = errtext.Because(ErrExpired, err)
	}
	return aws.Credentials{Source: "chaim"}, err
}

// untried is why there is no sense in asking the source now, if there is none.
func (m *Monitor) untried() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return ErrClosed
	case m.clocks().Until(m.retryAt) > 0:
		return m.lastErr
	}
	return nil
}

// State tells how it stands with the keys. After Close it is [StateExpired].
func (m *Monitor) State() State {
	h := m.current.Load()
	if h == nil {
		return StateExpired
	}
	_, left, err := m.plan(m.clocks())
	return stateOf(left, h.Lifetime, err)
}

// Updated is signalled after each renewal and each change of [Monitor.State]. Signals that nobody has received merge
// into one. The channel is never closed, and silent after Close.
func (m *Monitor) Updated() <-chan struct{} { return m.updated }

// Close stops renewing, cancels a call under way and waits for it, for a second if src does not heed its context. It
// may be called more than once; its error is always nil.
func (m *Monitor) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel(ErrClosed)
	ended := make(chan struct{})
	go func() {
		m.wg.Wait()
		close(ended)
	}()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		m.log.Warn("chaim: a credentials source does not heed the end of its context")
	}
	m.current.Store(nil)
	return nil
}

// renew calls the source, or joins the call under way. A caller that leaves does not end the call for the others. A single
// attempt is one whose repetition is planned.
func (m *Monitor) renew(ctx context.Context, isSingle bool) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	f := m.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		m.flight = f
		m.wg.Go(func() { m.fly(f, isSingle) })
	}
	m.mu.Unlock()

	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return errtext.Wrap(context.Cause(ctx), "waiting for credentials")
	}
}

func (m *Monitor) fly(f *flight, isSingle bool) {
	ctx, cancel := context.WithTimeoutCause(m.ctx, renewalTimeout, errRenewalTimeout)
	defer cancel()
	var creds aws.Credentials
	err := errSourceLeft
	defer func() { m.land(f, creds, err) }()      // also when a test double calls t.FailNow
	ctx = remote.WithSingleAttempt(ctx, isSingle) // also where ctx came with another monitor's
	if m.current.Load() != nil {
		dropCached(m.src)
	}
	creds, err = retrieve(ctx, m.src)
}

// land takes in the outcome of a flight.
func (m *Monitor) land(f *flight, creds aws.Credentials, err error) {
	now := m.clocks()
	var h *renewal.Held
	if err == nil {
		h, err = renewal.Hold(creds, now, m.random())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flight, f.err = nil, err
	old := m.current.Load()
	var left time.Duration
	if old != nil {
		left = old.Left(now)
	}
	if err == nil && old != nil && h.EndsSooner(old, now) {
		err = errEndsSooner
		f.err = err
	}
	switch {
	case m.closed:
		f.err = ErrClosed
	case err == nil && old != nil && !h.Renews(old):
		// A source that caches, such as aws.CredentialsCache, has no new ones yet.
		m.failures, m.lastErr = 0, nil
		m.retryAt = now.Add(max(left/4, time.Second))
	case err == nil:
		m.current.Store(h)
		m.failures, m.lastErr, m.retryAt = 0, nil, renewal.Instant{}
		if old == nil {
			m.wg.Go(m.run)
		} else {
			signal(m.updated)
		}
	case old != nil:
		m.failures++
		m.lastErr = err
		d := retryDelay(err, m.failures, left, m.random())
		if m.lazy {
			d = min(d, lazyPause)
		}
		m.retryAt = now.Add(d)
	}
	close(f.done)
	signal(m.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run renews what is due, and tells of each change of state. It is the only caller of onExpired.
func (m *Monitor) run() {
	state := StateOK
	last := m.clocks()
	var woke renewal.Instant
	for m.ctx.Err() == nil {
		now := m.clocks()
		if now.IsJump(last) {
			woke = now
		}
		last = now
		due, left, err := m.plan(now)
		if due <= 0 {
			if left, err = m.attempt(left); err == nil {
				continue
			}
		}
		isWaking := left <= 0 && !m.lazy && m.clocks().Mono.Sub(woke.Mono) < wakeGrace
		if m.ctx.Err() == nil && !isWaking {
			state = m.tell(state, left, err)
		}
		if due > 0 {
			if left > 0 {
				due = min(due, left)
			}
			m.sleep(min(due, wakeCheck))
		}
	}
}

// tell logs a change of state, and returns the new one.
func (m *Monitor) tell(before State, left time.Duration, err error) State {
	h := m.current.Load()
	if h == nil || left <= 0 && err == nil { // what comes of the attempt that is due now?
		return before
	}
	state := stateOf(left, h.Lifetime, err)
	if state == before {
		return state
	}
	expires := h.Creds.Expires.UTC().Format(time.RFC3339)
	if state == StateExpired {
		if !errors.Is(err, ErrExpired) {
			err = errtext.Because(ErrExpired, err)
		}
		if m.onExpired != nil {
			m.onExpired(err)
		}
	}
	switch {
	case m.lazy: // as was asked for
	case state == StateExpired:
		m.log.Error("chaim: credentials expired", "expires", expires, "error", err)
	case state == StateCritical:
		m.log.Error("chaim: credentials are about to expire, and renewing them fails", "expires", expires, "error", err)
	case state == StateLate:
		m.log.Warn("chaim: renewing credentials failed, will retry", "expires", expires, "error", err)
	default:
		m.log.Info("chaim: credentials are renewed again", "expires", expires)
	}
	signal(m.updated)
	return state
}

// attempt renews, and gives up waiting when the keys expire. It returns what is left of them then, and the error that
// says most of why there are no new ones.
func (m *Monitor) attempt(left time.Duration) (time.Duration, error) {
	patience := min(left, renewalTimeout)
	if left <= 0 {
		patience = wakeGrace
	}
	ctx, cancel := context.WithTimeoutCause(m.ctx, patience, errRenewalTimeout)
	defer cancel()
	err := m.renew(ctx, left > 0)
	if err == nil {
		return left, nil
	}
	_, left, last := m.plan(m.clocks())
	if last != nil {
		err = last // more than that the next attempt is under way
	}
	return left, err
}

// sleep ends early when the plan changes or the monitor is closed.
func (m *Monitor) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-m.ctx.Done():
	case <-m.wake:
	case <-timer.C:
	}
}

// plan tells when the next renewal is due, how long the keys are valid, and what keeps them from being renewed.
func (m *Monitor) plan(now renewal.Instant) (due, left time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.current.Load()
	if h == nil {
		return renewal.Forever, renewal.Forever, nil // closed, and about to end
	}
	left = h.Left(now)
	switch {
	case m.lazy && left <= 0:
		return renewal.Forever, left, ErrExpired
	case m.lazy || left == renewal.Forever:
		return left, left, nil
	case m.retryAt != renewal.Instant{}:
		return now.Until(m.retryAt), left, m.lastErr
	}
	return left - h.Soft, left, nil
}
