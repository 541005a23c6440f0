package chaim

import (
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Errors that a program can handle. Test for them with [errors.Is]. The text of an error that wraps one says what failed.
var (
	// ErrNotConfigured: there is no gateway, Identity Center, Broker or Source, and AWS STS cannot give keys for this account
	// and role; or there is no such profile; or the section [default] lacks the requested setting.
	ErrNotConfigured = keys.ErrNotConfigured

	// ErrDenied: the gateway, STS or the Identity Center refused the request. It does not accept the token, the sign-in or the
	// keys, or the user has no right to the account and role.
	ErrDenied = keys.ErrDenied

	// ErrUnreachable: the gateway, STS, the Identity Center or the sign-in page did not answer, or a proxy answered instead
	// (502, 503, 504).
	ErrUnreachable = keys.ErrUnreachable

	// ErrExpired: the credentials have expired and could not be renewed.
	ErrExpired = keys.ErrExpired

	// ErrClosed: the Client or Monitor was used after Close.
	ErrClosed = keys.ErrClosed

	// ErrInUse: the profile belongs to the user, to a scope that may still run, or to another account.
	ErrInUse = keys.ErrInUse

	// ErrLocked: chaim did not get the lock of the credentials file in time.
	ErrLocked = sharedfile.ErrLocked

	// ErrUnmanagedAccount: the section is the user's own, so chaim does not change it: it has long-lived keys or no
	// accountname.
	ErrUnmanagedAccount = profiles.ErrUnmanaged

	// ErrSignedOut: there is no sign-in to IAM Identity Center or to a gateway with protocol v1, or it has ended. A person signs
	// in with 'chaim login' and, to IAM Identity Center, with 'aws sso login'. An error that wraps it wraps ErrDenied too.
	ErrSignedOut = keys.ErrSignedOut

	// ErrNoURL: there is no console link for these credentials.
	ErrNoURL = keys.ErrNoURL
)

// OptionError says that a field of [Options] has a value that cannot be used, alone or together with other fields. It comes
// before the network is touched. For an empty Region it is about the environment's region. Its text is that of Err.
type OptionError struct {
	Field string // name of the field, such as "Role"
	Err   error
}

// Error says what is wrong with the field.
func (e *OptionError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *OptionError) Unwrap() error { return e.Err }

// GatewayError is a gateway's refusal, or a reply that does not come from a chaim gateway. It is [ErrDenied] if the gateway
// refused the user, and [ErrUnreachable] if a proxy answered instead.
//
// StatusCode is the status inside the reply, or else the HTTP status. Kind is the gateway's name of the error, such as
// "IncorrectCredentials" or, with protocol v1, "not_allowed", or "". Message is the gateway's own text, or says what is wrong with the reply: at most 200
// printable characters, without parts that look like secrets. With protocol v1 it may end with a page of the gateway. Final says that another attempt cannot help. Pause is how long
// the gateway wants to wait for the next request.
type GatewayError = httpx.Refusal
