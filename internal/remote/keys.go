package remote

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// The conditions among the errors of this package that callers test for.
var (
	ErrDenied = errors.New("chaim: denied")
	// ErrUnreachable: there was no answer, or it came from something in between.
	ErrUnreachable = errors.New("chaim: unreachable")
	ErrExpired     = errors.New("chaim: credentials expired")
	// ErrNoURL: there is no console link.
	ErrNoURL = errors.New("chaim: no console link")
)

var keyIDRule = lazyregexp.New(`^[A-Za-z0-9_]+$`)

// MalformedKeys names a field that a set of temporary keys cannot have like that, or nothing.
func MalformedKeys(id, secret, token string) string {
	for _, f := range []struct{ name, value string }{
		{"access key id", id}, {"secret access key", secret}, {"session token", token},
	} {
		if inifile.CheckValue("", f.value) != nil || strings.Contains(f.value, " ") {
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
