package chaim

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/remote"
	"github.com/chaim-go/chaim/internal/renewal"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// The conditions a caller can act on. Test for them with [errors.Is]; the message of an error that wraps one says
// what was tried and on what.
var (
	// ErrNotConfigured: there is no gateway in [Options].Settings, the environment or the default section, no
	// [Options].Source, and the account and role are none that STS could be asked for; or the default section, or what
	// was asked for in it, is not there.
	ErrNotConfigured = errors.New("chaim: not configured")

	// ErrDenied: the gateway or STS refused the request: it does not accept the token or keys, or gives no right to the
	// account and role.
	ErrDenied = remote.ErrDenied

	// ErrUnreachable: the gateway, STS or the sign-in page did not answer, or something in between did in its place (502,
	// 503, 504).
	ErrUnreachable = remote.ErrUnreachable

	// ErrExpired: the credentials are past their expiration and could not be renewed.
	ErrExpired = remote.ErrExpired

	// ErrClosed: the Client or Monitor was used after Close.
	ErrClosed = renewal.ErrClosed

	// ErrInUse: the profile asked for belongs to the user, to a scope that may still run or was not cleaned up after, or
	// to another account.
	ErrInUse = renewal.ErrInUse

	// ErrLocked: the lock of the credentials file could not be had in time.
	ErrLocked = sharedfile.ErrLocked

	// ErrUnmanagedAccount: the section has no accountname, so it is the user's own and is left as it is.
	ErrUnmanagedAccount = errors.New("chaim: profile is not managed by chaim")

	// ErrNoURL: there is no console link for these credentials.
	ErrNoURL = remote.ErrNoURL
)

// GatewayError is a gateway's refusal, or an answer that is not one of a chaim gateway.
//
// It never holds the body of a reply: Message is the gateway's own error text, at most 200 printable characters, with
// everything that looks like a secret taken out.
type GatewayError struct {
	// StatusCode is the status inside the reply, or the HTTP status where the reply holds none.
	StatusCode int
	// Kind is the gateway's exception name, such as "IncorrectCredentials" or "DataNotFound"; empty when it gave none.
	Kind string
	// Message is what the gateway said, or what was wrong with its answer.
	Message string

	final      bool          // asking again will not help
	retryAfter time.Duration // the pause that the reply asked for
}

// Error describes the refusal.
func (e *GatewayError) Error() string {
	e = cmp.Or(e, new(GatewayError))
	return (&remote.Refusal{StatusCode: e.StatusCode, Kind: e.Kind, Message: e.Message}).Error()
}

// Is reports whether target is [ErrDenied] and the gateway refused the user rather than failed, or [ErrUnreachable] and
// something answered in its place.
func (e *GatewayError) Is(target error) bool {
	e = cmp.Or(e, new(GatewayError))
	return target == ErrUnreachable && remote.IsAway(e.StatusCode) && e.Kind == "" || target == ErrDenied && (e.Kind == "IncorrectCredentials" || strings.Contains(e.Message, "Permission not granted"))
}

// As hands out what else is known of a refusal, which only this module can ask for. See [errors.As].
func (e *GatewayError) As(target any) bool {
	e = cmp.Or(e, new(GatewayError))
	r, isAsked := target.(**remote.Refusal)
	if isAsked {
		*r = &remote.Refusal{StatusCode: e.StatusCode, Kind: e.Kind, Message: e.Message, IsFinal: e.final, RetryAfter: e.retryAfter}
	}
	return isAsked
}
