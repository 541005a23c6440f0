// Package httpx sends requests to servers that are not trusted. It limits and repeats them, and keeps the text of replies
// and our secrets out of errors and logs.
package httpx

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	MaxText       = 200 // characters of a server's text in an error
	minSecretSize = 3   // shorter secrets would be found in every text

	Hidden = "[secret]"
	cut    = "..." // ends a text that was too long
)

// secretLetters are the characters of looksSecret.
const secretLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_%\\-"

const secretName = `(?:secret|token|passw|key|credential|authorization)`

var (
	// An AWS secret access key has 40 characters, a session token hundreds.
	looksSecret = lazyregexp.New(`[A-Za-z0-9+/=_%\\-]{40,}`)
	// A user token of a chaim gateway, or what is left of one: chm1_ID_SECRET.
	userToken = lazyregexp.New(`(?i)chm1_[a-z0-9_-]+`)
	// An ARN may look like a secret too, but is none.
	arnRule = lazyregexp.New(`arn:[a-z-]+:(?:iam|sts)::\d{12}:(?:assumed-role|role|user|federated-user|policy)/[\w.@/-]+`)
	// A value after the name of a secret, as in JSON, Python, XML, INI files, headers, URLs and arguments. After a colon and
	// a space a plain sentence may follow, so that form needs a name that is surely a secret's.
	namedSecret = lazyregexp.New(`(?i)(?:` + strings.Join([]string{
		`\\*["'][\w-]*` + secretName + `[\w-]*\\*["']\s*[:=]\s*`,
		`[\w-]*` + secretName + `[\w-]*(?:\s*=\s*|:)`,
		`[\w-]*(?:secret[\w-]*|passw\w*|(?:session|user)[_-]?token|security[_-]token|authorization):\s+(?:bearer\s+|basic\s+)?`,
		`<\w*` + secretName + `\w*>\s*`,
		`--[\w-]*` + secretName + `[\w-]*\s+`,
		`\b(?:bearer|basic)\s+`,
	}, "|") + `)(\\*["'](?:[^"'\\]|\\.)*["']?|[^\s<>]+)`)
	userInfo = lazyregexp.New(`://([^/\s@]+)@`)
)

// Redaction makes the text of another program safe for errors and logs: one printable line without anything that could be a
// secret. A second Redaction changes nothing.
type Redaction struct {
	Limit    int
	Secrets  []string // always removed, in upper and lower case and in any usual encoding
	Local    []string // names from this machine, which may look like secrets but are none
	IsQuoted bool     // the text may quote files, requests and replies
}

// Scrub redacts a text that a server sent.
func Scrub(text string, limit int, secrets ...string) string {
	return Redaction{Limit: limit, Secrets: secrets}.Of(text)
}

// Of returns the text without secrets. Hiding one secret may reveal another, so it repeats until nothing changes.
func (r Redaction) Of(text string) string {
	const maxRounds = 16
	for range maxRounds {
		next := r.once(text)
		if next == text {
			return text
		}
		text = next
	}
	return Hidden
}

// Holds reports whether a text has one of the Secrets in it, in any form that Of would hide.
func (r Redaction) Holds(text string) bool { return slices.Contains(r.known(text), true) }

// known marks the Secrets.
func (r Redaction) known(text string) marks {
	found, lower := marksFor(text), lowerASCII(text)
	for _, secret := range r.Secrets {
		if len(secret) >= minSecretSize {
			for _, form := range formsOf(secret) {
				found.all(lower, lowerASCII(form))
			}
		}
	}
	return found
}

func (r Redaction) once(text string) string {
	found := r.known(text)
	found.all(text, Hidden)
	text = printable(found.hide(text))
	return shorten(r.guess(text).hide(text), r.Limit)
}

// guess marks what may be a secret, except for the Local names.
func (r Redaction) guess(text string) marks {
	found, local := marksFor(text), marksFor(text)
	for _, name := range r.Local {
		local.words(text, printable(name))
	}
	if r.IsQuoted {
		for _, rule := range []func() *regexp.Regexp{namedSecret, userInfo} {
			for _, at := range rule().FindAllStringSubmatchIndex(text, -1) {
				found.set(at[2], at[3])
			}
		}
		found.remove(local)
	}
	for _, at := range userToken().FindAllStringIndex(text, -1) { // also where a user typed it as a name
		found.set(at[0], at[1])
	}
	for _, at := range arnRule().FindAllStringIndex(text, -1) {
		local.set(at[0], at[1])
	}
	found.all(text, Hidden)
	for from := 0; from < len(text); {
		to := from
		for to < len(text) && !local[to] && !found[to] {
			to++
		}
		for _, at := range looksSecret().FindAllStringIndex(text[from:to], -1) {
			found.set(from+at[0], from+at[1])
		}
		from = to + 1
	}
	return found
}

// formsOf returns the encodings in which a secret may appear in a text.
func formsOf(secret string) []string {
	return []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), fmt.Sprintf("%x", secret),
		base64.StdEncoding.EncodeToString([]byte(secret)),
		strings.ToValidUTF8(secret, "\ufffd"), // as XML and JSON have it
	}
}

// marks has one flag for each byte of a text.
type marks []bool

func marksFor(text string) marks { return make(marks, len(text)) }

func (m marks) set(from, to int) {
	for i := from; i < to; i++ {
		m[i] = true
	}
}

// all marks every occurrence of part, overlapping ones too.
func (m marks) all(text, part string) {
	if part == "" {
		return
	}
	done := 0 // all before are marked
	for from := 0; ; {
		i := strings.Index(text[from:], part)
		if i < 0 {
			return
		}
		from += i
		m.set(max(from, done), from+len(part))
		done = from + len(part)
		from++
	}
}

// words marks the occurrences of part that are words of their own, not pieces of longer words.
func (m marks) words(text, part string) {
	for from := 0; part != ""; {
		i := strings.Index(text[from:], part)
		if i < 0 {
			return
		}
		from += i
		to := from + len(part)
		if (from == 0 || !strings.ContainsRune(secretLetters, rune(text[from-1]))) &&
			(to == len(text) || strings.HasSuffix(part, "/") || !strings.ContainsRune(secretLetters, rune(text[to]))) {
			m.set(from, to)
		}
		from++
	}
}

func (m marks) remove(other marks) {
	for i, isMarked := range other {
		m[i] = m[i] && !isMarked
	}
}

// hide replaces each run of marked bytes with Hidden.
func (m marks) hide(text string) string {
	var b strings.Builder
	for from := 0; from < len(text); {
		to := from
		for to < len(text) && m[to] == m[from] {
			to++
		}
		if m[from] {
			b.WriteString(Hidden)
		} else {
			b.WriteString(text[from:to])
		}
		from = to
	}
	return b.String()
}

// printable turns a text into one line of printable ASCII.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case r < 0x20, r > 0x7e:
			return '?'
		}
		return r
	}, text)
}

// shorten cuts a text off, but never inside the word Hidden.
func shorten(text string, limit int) string {
	if len(text) <= limit || len(text) <= limit+len(cut) && strings.HasSuffix(text, cut) {
		return text
	}
	end := limit
	if i := strings.LastIndex(text[:min(len(text), limit+len(Hidden)-1)], Hidden); i >= 0 && i < limit && i+len(Hidden) > limit {
		end = i
	}
	return text[:end] + cut
}

// lowerASCII lowers ASCII letters only, so that the text keeps its length even if it is not UTF-8.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
