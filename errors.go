package chaim

import (
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// The conditions that a caller can act on. Test for them with [errors.Is]. The message of an error that wraps one says what
// was tried, and on what.
var (
	// ErrNotConfigured: there is no gateway, Broker or Source, and AWS STS cannot be asked for this account and role; or
	// the section [default] lacks what was asked for.
	ErrNotConfigured = keys.ErrNotConfigured

	// ErrDenied: the gateway or STS refused the request. It does not accept the token or the keys, or they have no right to
	// the account and role.
	ErrDenied = keys.ErrDenied

	// ErrUnreachable: the gateway, STS or the sign-in page did not answer, or a proxy did in its place (502, 503, 504).
	ErrUnreachable = keys.ErrUnreachable

	// ErrExpired: the credentials are past their expiration and could not be renewed.
	ErrExpired = keys.ErrExpired

	// ErrClosed: the Client or Monitor was used after Close.
	ErrClosed = keys.ErrClosed

	// ErrInUse: the profile belongs to the user, to a scope that may still run, or to another account.
	ErrInUse = keys.ErrInUse

	// ErrLocked: the lock of the credentials file could not be had in time.
	ErrLocked = sharedfile.ErrLocked

	// ErrUnmanagedAccount: the section is the user's own: it has no accountname, or long-lived keys. chaim does not change
	// it.
	ErrUnmanagedAccount = profiles.ErrUnmanaged

	// ErrNoURL: there is no console link for these credentials.
	ErrNoURL = keys.ErrNoURL
)

// GatewayError is a gateway's refusal, or an answer that is none of a chaim gateway's. It is [ErrDenied] if the gateway
// refused the user, and [ErrUnreachable] if a proxy answered in its place.
//
// StatusCode is the status inside the reply, or else the HTTP status. Kind is the gateway's name of the error, such as
// "IncorrectCredentials", or "". Message is the gateway's own text, or what was wrong with its answer: at most 200
// printable characters, without what looks like a secret. Final says that asking again will not help. Pause is how long the
// gateway asks to be left alone.
type GatewayError = httpx.Refusal
