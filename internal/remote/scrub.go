// Package remote asks gateways and reads what servers answer, without letting their words or our secrets through.
package remote

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	maxText       = 200 // characters of a remote text that go into an error
	maxSDKText    = 600 // of a text with the ARNs of who asked for what
	minSecretSize = 3   // anything shorter stands in every text
)

const secretName = `(?:secret|token|passw|key|credential|authorization)`

var (
	// An AWS secret access key has 40 characters, a session token hundreds.
	looksSecret = lazyregexp.New(`[A-Za-z0-9+/=_%\\-]{40,}`)
	// So may the end of an ARN.
	arnRule = lazyregexp.New(`arn:[a-z-]+:(?:iam|sts)::\d{12}:(?:assumed-role|role|user|federated-user|policy)/[\w.@/-]+`)
	// What a provider read, when it quotes that: a value after the name of a secret, in JSON, Python, XML, INI files,
	// headers, URLs and arguments. A colon and a space may also stand before a sentence, unless the name leaves no doubt.
	namedSecret = lazyregexp.New(`(?i)(` + strings.Join([]string{
		`\\*["'][\w-]*` + secretName + `[\w-]*\\*["']\s*[:=]\s*`,
		`[\w-]*` + secretName + `[\w-]*(?:\s*=\s*|:)`,
		`[\w-]*(?:secret[\w-]*|passw\w*|session[_-]?token|security[_-]token|authorization):\s+(?:bearer\s+|basic\s+)?`,
		`<\w*` + secretName + `\w*>\s*`,
		`--[\w-]*` + secretName + `[\w-]*\s+`,
		`\b(?:bearer|basic)\s+`,
	}, "|") + `)(\\*["'](?:[^"'\\]|\\.)*["']?|[^\s<>]+)`)
	userInfo = lazyregexp.New(`://[^/\s@]+@`)
)

// scrub makes a remote text fit for errors and logs: one line, printable, of that many characters at most, without
// anything that could be a secret, and without the given ones in any case, URL encoding or hex.
func scrub(text string, limit int, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) < minSecretSize {
			continue
		}
		for _, form := range []string{
			secret, url.QueryEscape(secret), url.PathEscape(secret), fmt.Sprintf("%x", secret),
			strings.ToValidUTF8(secret, "\ufffd"), // as XML and JSON have it
		} {
			text = removeFold(text, form)
		}
	}
	var b strings.Builder
	for from := 0; from < len(text); {
		arn := arnRule().FindStringIndex(text[from:])
		if arn == nil {
			arn = []int{len(text) - from, len(text) - from}
		}
		b.WriteString(looksSecret().ReplaceAllLiteralString(text[from:from+arn[0]], hidden))
		b.WriteString(text[from+arn[0] : from+arn[1]])
		from += arn[1]
	}
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, b.String())
	if len(text) > limit {
		text = text[:limit] + "..."
	}
	return text
}

const hidden = "[secret]"

// removeFold hides a secret, whatever the case of its letters. A regular expression would refuse what is not UTF-8, and
// quote it.
func removeFold(text, secret string) string {
	if len(secret) > len(text) {
		return text
	}
	lower, want := lowerASCII(text), lowerASCII(secret)
	var b strings.Builder
	for {
		i := strings.Index(lower, want)
		if i < 0 {
			return b.String() + text
		}
		b.WriteString(text[:i] + hidden)
		text, lower = text[i+len(want):], lower[i+len(want):]
	}
}

// lowerASCII keeps the length of what is not UTF-8 too.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
