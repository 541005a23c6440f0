package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/renewal"
)

// MonitorOptions configure a [Monitor]. The zero value works.
type MonitorOptions struct {
	// Logger gets a line for each change of state. Its handler must not close the Monitor. Nil means silence.
	Logger *slog.Logger
}

// Monitor renews the credentials of a provider after 50 to 67 % of their lifetime. If that fails it tries again with growing
// pauses. It serves the current set until that expires, so Retrieve is a memory read. Make it with [NewMonitor], which
// starts a goroutine, and close it; the zero value only returns errors.
//
// Any number of goroutines may use it. It makes one call of the provider at a time. If the provider is an
// [aws.CredentialsCache], such as the Credentials of an [aws.Config], it empties the cache to renew the keys.
type Monitor struct{ keeper *renewal.Keeper }

var _ aws.CredentialsProvider = (*Monitor)(nil)

var errZeroMonitor = errors.New("chaim: this Monitor is a zero value: make one with chaim.NewMonitor")

// NewMonitor waits for the first set of credentials of src and renews them until Close. The end of ctx ends only that wait.
// Later calls of src get its values, but not its end. The error is that of src or of ctx.
func NewMonitor(ctx context.Context, src aws.CredentialsProvider, opts MonitorOptions) (*Monitor, error) {
	if src == nil || isNil(src) {
		return nil, errors.New("chaim: no source to monitor")
	}
	broker := &provider{src: src}
	m := &Monitor{renewal.NewKeeper(renewal.Config{
		Fetch: func(ctx context.Context) (Grant, error) { return broker.Keys(ctx, Request{}) },
		Log:   cmp.Or(opts.Logger, silent),
	})}
	if err := m.keeper.Renew(ctx, false); err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// Format prints the keys without their secrets, whatever the verb. The fields of a Monitor lead to secrets.
func (m *Monitor) Format(f fmt.State, _ rune) {
	text := "closed"
	if m == nil || m.keeper == nil {
		text = "zero"
	} else if h := m.keeper.Held(); h != nil {
		text = credsFrom(h.Credentials, "").String()
	}
	fmt.Fprintf(f, "chaim.Monitor{%s}", text)
}

// LogValue keeps the secrets out of structured logs.
func (m *Monitor) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(m)) }

// Retrieve returns the current set. If it has expired, Retrieve waits for one attempt to renew it, unless the last attempt
// has just failed. If there is no valid set the error wraps [ErrExpired] and the reason. After Close it is [ErrClosed].
func (m *Monitor) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if m == nil || m.keeper == nil {
		return aws.Credentials{Source: "chaim"}, errZeroMonitor
	}
	if h := m.keeper.Held(); h != nil && h.IsFresh() { // a memory read
		return h.Credentials, nil
	}
	return get(ctx, m.keeper)
}

// get returns the current set, or waits for a valid one.
func get(ctx context.Context, k *renewal.Keeper) (aws.Credentials, error) {
	h, err := k.Get(ctx)
	if err != nil {
		return aws.Credentials{Source: "chaim"}, err
	}
	return h.Credentials, nil
}

// State returns the state of the keys without waiting. After Close it is [StateExpired].
func (m *Monitor) State() State {
	if m == nil || m.keeper == nil {
		return StateExpired
	}
	return State(m.keeper.State())
}

// Updated returns a channel with a signal after each renewal and each change of [Monitor.State]. Signals that are not
// received merge into one. The channel is never closed. After Close it gets no more signals.
func (m *Monitor) Updated() <-chan struct{} {
	if m == nil || m.keeper == nil {
		return nil
	}
	return m.keeper.Updated()
}

// Close stops renewing, cancels a call of src that is under way, and waits for that, but only for a second if src ignores
// its context. More calls of Close do nothing. The error is nil, except for a zero Monitor.
func (m *Monitor) Close() error {
	if m == nil || m.keeper == nil {
		return errZeroMonitor
	}
	m.keeper.Close()
	return nil
}

// State is the state of the keys of a [Monitor] or a [Client].
type State int

const (
	// StateOK: the keys are valid, and the last attempt to renew them succeeded.
	StateOK State = iota
	// StateLate: the last attempt failed, and others follow while the keys are valid.
	StateLate
	// StateCritical: as StateLate, but less than 5 minutes, or less than a tenth of the lifetime, is left.
	StateCritical
	// StateExpired: there are no valid keys.
	StateExpired
)

// String names the state.
func (s State) String() string {
	switch s {
	case StateOK:
		return "ok"
	case StateLate:
		return "late"
	case StateCritical:
		return "critical"
	case StateExpired:
		return "expired"
	}
	return fmt.Sprintf("State(%d)", int(s))
}
