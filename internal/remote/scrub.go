// Package remote reads what servers answer, without letting their words or our secrets through.
package remote

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

const (
	MaxText       = 200 // characters of a remote text that go into an error
	MaxSDKText    = 600 // of a text with the ARNs of who asked for what
	minSecretSize = 3   // anything shorter stands in every text
)

var (
	// An AWS secret access key has 40 characters, a session token hundreds.
	looksSecret = regexp.MustCompile(`[A-Za-z0-9+/=_%\\-]{40,}`)
	// The end of an ARN can be as long.
	looksARN = regexp.MustCompile(`^(assumed-role|role|user|federated-user|policy)/[\w+=,.@/-]+$`)
)

// Scrub makes a remote text fit for errors and logs: one line, printable, of that many characters at most, without
// anything that could be a secret, and without the given ones in any case, URL encoding or hex.
func Scrub(text string, limit int, secrets ...string) string {
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
