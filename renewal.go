package chaim

import (
	"fmt"
	"time"

	"github.com/chaim-go/chaim/internal/remote"
	"github.com/chaim-go/chaim/internal/renewal"
)

// retryDelay is the wait after a number of failures in a row, the last with err, with left until the keys expire and a
// random u in [0, 1).
func retryDelay(err error, failures int, left time.Duration, u float64) time.Duration {
	return renewal.Delay(isFinal(err), remote.PauseAskedFor(err), failures, left, u)
}

// State is how it stands with the keys of a [Monitor].
type State int

const (
	// StateOK: the keys are valid, and the last attempt to renew them succeeded.
	StateOK State = iota
	// StateLate: renewing failed, and is tried again while the keys are valid.
	StateLate
	// StateCritical: as StateLate, with less than 5 minutes or a tenth of the lifetime left, whichever is more.
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

func stateOf(left, lifetime time.Duration, err error) State {
	switch {
	case left <= 0:
		return StateExpired
	case err == nil:
		return StateOK
	case left < max(5*time.Minute, lifetime/10):
		return StateCritical
	}
	return StateLate
}
