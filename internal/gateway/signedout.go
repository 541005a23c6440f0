package gateway

import (
	"errors"
	"fmt"

	"github.com/chaim-go/chaim/internal/keys"
)

// SignedOutError means that a session at a gateway with protocol v1 has ended, or that there is none. It is
// [keys.ErrSignedOut] and [keys.ErrDenied].
type SignedOutError struct {
	Endpoint string // of the gateway, ending in a slash
	Why      string // without secrets
	Cause    error  // the gateway's refusal; nil if the settings show it
}

// Error names the command that signs in.
func (e *SignedOutError) Error() string {
	return fmt.Sprintf("%v to %s: %s: run 'chaim login %s'", keys.ErrSignedOut, e.Endpoint, e.Why, e.Endpoint)
}

// Is makes the error known to callers that do not know the gateway.
func (e *SignedOutError) Is(target error) bool {
	return target == keys.ErrSignedOut || target == keys.ErrDenied
}

// Unwrap returns the gateway's refusal.
func (e *SignedOutError) Unwrap() error { return e.Cause }

// IsFinal is true: a person must sign in first.
func (e *SignedOutError) IsFinal() bool { return true }

// AsSignedOut returns the error in a chain that says that a session has ended, or nil.
func AsSignedOut(err error) *SignedOutError {
	var found *SignedOutError
	if errors.As(err, &found) {
		return found
	}
	return nil
}
