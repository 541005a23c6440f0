package chaim

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/sharedfile"
)

// The conditions a caller can act on. Test for them with [errors.Is]; the message of an error that wraps one says
// what was tried and on what.
var (
	// ErrNotConfigured: there is no gateway in [Options].Settings, the environment or the default section, no
	// [Options].Source, and the account and role are none that STS could be asked for.
	ErrNotConfigured = errors.New("chaim: not configured")

	// ErrDenied: the gateway or STS refused whoever asks, either the token or keys, or the right to the account and role.
	ErrDenied = errors.New("chaim: denied")

	// ErrExpired: the credentials are past their expiration and could not be renewed.
	ErrExpired = errors.New("chaim: credentials expired")

	// ErrClosed: the Client or Monitor was used after Close.
	ErrClosed = errors.New("chaim: closed")

	// ErrInUse: the profile asked for belongs to a live scope or to the user.
	ErrInUse = errors.New("chaim: profile in use")

	// ErrLocked: the lock of the credentials file could not be had in time.
	ErrLocked = sharedfile.ErrLocked

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

var exceptionName = regexp.MustCompile(`^(?:Error )?([A-Z][a-z]*[A-Z][A-Za-z]*)$`)

// exceptionKind finds the innermost exception name in a text such as
// "doStart: Error CredentialsGenerationFail: buildCredentials error: IncorrectCredentials: usertoken has expired",
// and what follows it.
func exceptionKind(text string) (kind, message string) {
	message = text
	rest := text
	for {
		link, tail, ok := strings.Cut(rest, ": ")
		name := exceptionName.FindStringSubmatch(link)
		switch {
		case !ok:
			return kind, message
		case name != nil:
			kind, message = name[1], tail
		case strings.Contains(link, " ") && !strings.HasSuffix(link, " error"):
			return kind, message // a sentence, which may quote names
		}
		rest = tail
	}
}

const (
	maxForeignText = 200 // characters of a remote text that go into an error
	maxSDKText     = 600 // of a text with the ARNs of who asked for what
	minSecretSize  = 3   // anything shorter stands in every text
)

var (
	// An AWS secret access key has 40 characters, a session token hundreds.
	looksSecret = regexp.MustCompile(`[A-Za-z0-9+/=_%\\-]{40,}`)
	// The end of an ARN can be as long.
	looksARN = regexp.MustCompile(`^(assumed-role|role|user|federated-user|policy)/[\w+=,.@/-]+$`)
)

// scrub makes a remote text fit for errors and logs: one line, printable, of that many characters at most, without
// anything that could be a secret, and without the given ones in any case, URL encoding or hex.
func scrub(text string, limit int, secrets ...string) string {
	var forms []string
	for _, secret := range secrets {
		if len(secret) < minSecretSize {
			continue
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), fmt.Sprintf("%x", secret)} {
			forms = append(forms, regexp.QuoteMeta(form))
		}
	}
	if len(forms) > 0 {
		text = regexp.MustCompile("(?i)"+strings.Join(forms, "|")).ReplaceAllLiteralString(text, "[secret]")
	}
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, looksSecret.ReplaceAllStringFunc(text, func(run string) string {
		if looksARN.MatchString(run) {
			return run
		}
		return "[secret]"
	}))
	if len(text) > limit {
		text = text[:limit] + "..."
	}
	return text
}
