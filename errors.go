package chaim

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// The conditions a caller can act on. Test for them with [errors.Is]; the message of an error that wraps one says
// what was tried and on what.
var (
	// ErrNotConfigured: there is no gateway in [Options].Settings, the environment or the default section, and no
	// [Options].Source.
	ErrNotConfigured = errors.New("chaim: not configured")

	// ErrDenied: the gateway refused the user, either the token or the right to the account and role.
	ErrDenied = errors.New("chaim: denied")

	// ErrExpired: the credentials are past their expiration and could not be renewed.
	ErrExpired = errors.New("chaim: credentials expired")

	// ErrClosed: the Client or Monitor was used after Close.
	ErrClosed = errors.New("chaim: closed")

	// ErrInUse: the profile asked for belongs to a live scope or to the user.
	ErrInUse = errors.New("chaim: profile in use")

	// ErrLocked: the lock of the credentials file could not be had in time.
	ErrLocked = errors.New("chaim: credentials file is locked")

	// ErrUnmanagedAccount: the section has no accountname, so it is the user's own and is left as it is.
	ErrUnmanagedAccount = errors.New("chaim: profile is not managed by chaim")

	// ErrNoURL: there is no console link for these credentials.
	ErrNoURL = errors.New("chaim: no console link")
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
	var b strings.Builder
	fmt.Fprintf(&b, "chaim: gateway answered %d", e.StatusCode)
	for _, s := range []string{e.Kind, e.Message} {
		if s != "" {
			b.WriteString(": " + s)
		}
	}
	return b.String()
}

// Is reports whether target is [ErrDenied] and the gateway refused the user rather than failed.
func (e *GatewayError) Is(target error) bool {
	return target == ErrDenied && (e.Kind == "IncorrectCredentials" || strings.Contains(e.Message, "Permission not granted"))
}

// exceptionKind finds the innermost exception name in a text such as
// "doStart: Error CredentialsGenerationFail: buildCredentials error: IncorrectCredentials: usertoken has expired",
// and what follows it.
func exceptionKind(text string) (kind, message string) {
	message = text
	rest := text
	for {
		head, tail, ok := strings.Cut(rest, ": ")
		if !ok {
			return kind, message
		}
		if name := strings.TrimPrefix(head, "Error "); isExceptionName(name) {
			kind, message = name, tail
		}
		rest = tail
	}
}

// isExceptionName accepts a class name in camel case; a single capital would also fit an ordinary first word.
func isExceptionName(s string) bool {
	capitals := 0
	for _, r := range s {
		switch {
		case r >= 'A' && r <= 'Z':
			capitals++
		case r < 'a' || r > 'z':
			return false
		}
	}
	return capitals >= 2 && s[0] >= 'A' && s[0] <= 'Z'
}

const (
	maxForeignText  = 200 // characters of a remote text that go into an error
	minSecretLength = 40  // an AWS secret access key has 40 characters, a session token hundreds
)

// scrub makes a remote text fit for errors and logs: one line, printable, short, without secrets and without anything
// that could be one.
func scrub(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "[secret]")
		}
	}
	var out, run []rune
	flush := func() {
		if len(run) >= minSecretLength {
			run = []rune("[secret]")
		}
		out, run = append(out, run...), nil
	}
	for _, r := range text {
		switch {
		case r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("+/=_-%", r)):
			run = append(run, r)
			continue
		case r >= 0x7f || r < 0x20:
			r = '?'
		}
		flush()
		out = append(out, r)
	}
	flush()
	if len(out) > maxForeignText {
		out = append(out[:maxForeignText], []rune("...")...)
	}
	return string(out)
}

// chained is an error with causes whose own "chaim: " is left out of the text, so that it stands there once.
type chained struct {
	text   string
	causes []error
}

func (e *chained) Error() string   { return e.text }
func (e *chained) Unwrap() []error { return e.causes }

// wrap says what failed because of err.
func wrap(err error, format string, args ...any) error {
	return &chained{"chaim: " + fmt.Sprintf(format, args...) + ": " + unprefixed(err), []error{err}}
}

// because joins a condition that callers test for with its cause.
func because(condition, cause error) error {
	return &chained{condition.Error() + ": " + unprefixed(cause), []error{condition, cause}}
}

func unprefixed(err error) string { return strings.TrimPrefix(err.Error(), "chaim: ") }
