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
	// partRule is printable ASCII that no reader of an INI file takes for a comment or a quoted string.
	partRule = lazyregexp.New("^[!$-&(-:<-_a-~][!-:<-~]*$")
	idRule   = lazyregexp.New(`^[0-9]{12}$`)
)

// IsAccountID reports whether a text is the id of an AWS account.
func IsAccountID(text string) bool { return idRule().MatchString(text) }

// IsLongLived reports whether an access key id is that of an IAM user.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func IsLongLived(id string) bool { return strings.HasPrefix(id, "AKIA") }

// maxPartSize is more than the longest session token has.
const maxPartSize = 64 << 10

// Malformed names a field that a set of temporary keys cannot have like that, or nothing.
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

	// leftSlack is how much longer than asked for keys may seem to be valid.
	leftSlack = 5 * time.Minute

	maxLeft = 12*time.Hour + leftSlack
)

// ExpirationHere puts the end of keys that have just come, by the server's clock, on this machine's clock, so that a wrong
// one shortens or lengthens nothing. server is what its clock said after the request was sent, or zero, and asked the
// lifetime that was asked for, beyond which a Date lengthens nothing. Keys of no use are an error.
func ExpirationHere(expires, server, sent time.Time, asked time.Duration, log *slog.Logger) (time.Time, error) {
	now := time.Now().Round(0)
	sent = sent.Round(0)
	var skew time.Duration
	if !server.IsZero() && (server.Before(sent.Add(-dateStep)) || server.After(now)) {
		skew = server.Sub(sent) // the end is put early, by what the server took to answer
	}
	if skew.Abs() > tellSkew {
		log.Warn("chaim: the clock of this machine is not that of the server", "ahead", -skew)
	}
	left := expires.Sub(now) - skew
	if skew < 0 && left > asked { // the Date may be that of a proxy
		left = max(asked, expires.Sub(now))
	}
	at := expires.UTC().Format(time.RFC3339)
	switch {
	case server.IsZero() && left <= minLeft:
		return expires, fmt.Errorf("%w: the keys that came end at %s, %s from now; is this machine's clock right?", ErrExpired, at, left.Round(time.Second))
	case left <= 0:
		return expires, fmt.Errorf("%w: the keys that came had ended at %s, by the server's own clock", ErrExpired, at)
	case left > maxLeft:
		return expires, fmt.Errorf("chaim: the keys that came are said to end at %s, %s from now, but AWS gives them for 12 hours at most; is this machine's clock right?", at, left.Round(time.Second))
	}
	return now.Add(left), nil
}

// CheckLifetime refuses keys that are valid for longer than was asked for. Zero stands for whatever comes.
func CheckLifetime(left, asked time.Duration) error {
	if asked > 0 && left > asked+leftSlack {
		return fmt.Errorf("chaim: the keys that came are valid for %s, but %s was asked for; is this machine's clock right?", left.Round(time.Second), asked)
	}
	return nil
}
