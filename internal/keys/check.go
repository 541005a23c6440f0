package keys

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

var (
	keyIDRule = lazyregexp.New(`^[A-Za-z0-9_]+$`)
	// partRule accepts printable ASCII that no reader of an INI file takes for a comment or a quoted string.
	partRule = lazyregexp.New("^[!$-&(-:<-_a-~][!-:<-~]*$")
	idRule   = lazyregexp.New(`^[0-9]{12}$`)
)

// IsAccountID reports whether a text is the id of an AWS account.
func IsAccountID(text string) bool { return idRule().MatchString(text) }

// IsLongLived reports whether an access key id is that of an IAM user.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func IsLongLived(id string) bool { return strings.HasPrefix(id, "AKIA") }

// maxPartSize is longer than any session token.
const maxPartSize = 64 << 10

// Malformed returns the name of the first field that cannot belong to temporary keys, or "".
func Malformed(id, secret, token string) string {
	for _, f := range []struct{ name, value string }{
		{"access key id", id}, {"secret access key", secret}, {"session token", token},
	} {
		if len(f.value) > maxPartSize || !partRule().MatchString(f.value) {
			return f.name
		}
	}
	if len(id) < 16 || len(id) > 128 || !keyIDRule().MatchString(id) {
		return "access key id"
	}
	return ""
}

const (
	dateStep = time.Second // a Date header has whole seconds
	tellSkew = time.Minute
	minLeft  = time.Minute // of keys that came without the server's time

	// leftSlack allows for clocks that differ: keys may seem valid for longer than was asked for.
	leftSlack = 5 * time.Minute

	maxLeft = 12*time.Hour + leftSlack
)

// ExpirationHere converts the expiry of new keys from the server's clock to the clock of this machine. A wrong local clock
// then changes no lifetime. server is the server's time in its reply, or zero; sent is when the request was sent. A Date
// header lengthens no lifetime beyond asked. Keys that have expired, or whose expiry cannot be right, are an error.
func ExpirationHere(expires, server, sent time.Time, asked time.Duration, log *slog.Logger) (time.Time, error) {
	now := time.Now().Round(0)
	sent = sent.Round(0)
	var skew time.Duration
	if !server.IsZero() && (server.Before(sent.Add(-dateStep)) || server.After(now)) {
		skew = server.Sub(sent) // early by the time that the server took to answer
	}
	if skew.Abs() > tellSkew {
		log.Warn("chaim: the clocks of this machine and the server differ", "ahead", -skew)
	}
	left := expires.Sub(now) - skew
	if skew < 0 && left > asked { // a proxy may have set the Date
		left = max(asked, expires.Sub(now))
	}
	at := expires.UTC().Format(time.RFC3339)
	switch {
	case server.IsZero() && left <= minLeft:
		return expires, fmt.Errorf("%w: the keys that came end at %s, %s from now; is this machine's clock right?", ErrExpired, at, left.Round(time.Second))
	case left <= 0:
		return expires, fmt.Errorf("%w: the keys that came had ended at %s, by the server's own clock", ErrExpired, at)
	case left > max(maxLeft, asked+leftSlack):
		return expires, fmt.Errorf("chaim: the keys that came are said to end at %s, %s from now, but AWS gives them for %g hours at most; is this machine's clock right?", at, left.Round(time.Second), (max(maxLeft, asked+leftSlack) - leftSlack).Hours())
	}
	return now.Add(left), nil
}

// CheckLifetime refuses keys that are valid for longer than asked. Zero allows any lifetime.
func CheckLifetime(left, asked time.Duration) error {
	if asked > 0 && left > asked+leftSlack {
		return fmt.Errorf("chaim: the keys that came are valid for %s, but %s was asked for; is this machine's clock right?", left.Round(time.Second), asked)
	}
	return nil
}
