package keys

import "errors"

// The package chaim exports and describes these errors.
var (
	ErrNotConfigured = errors.New("chaim: not configured")
	ErrDenied        = errors.New("chaim: denied")
	ErrSignedOut     = errors.New("chaim: not signed in")
	ErrUnreachable   = errors.New("chaim: unreachable")
	ErrExpired       = errors.New("chaim: credentials expired")
	ErrNoURL         = errors.New("chaim: no console link")
	ErrClosed        = errors.New("chaim: closed")
	ErrInUse         = errors.New("chaim: profile in use")
)
