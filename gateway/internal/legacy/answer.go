package legacy

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/internal/humantime"
)

// answer is what a request gets.
type answer struct {
	status     int           // of HTTP
	statusCode string        // inside the envelope; without one the answer is a message of API Gateway
	text       string        // of the envelope or the message
	pause      time.Duration // after which the client may try again; zero says nothing about that
	result     string        // "error" or the code of a refusal by the issuer
	err        error         // for the log; holds no secret
}

// accepted returns a text as the original gateway does.
func accepted(text string) answer {
	return answer{status: http.StatusOK, statusCode: "200", text: text}
}

// refused returns a refusal in the original's form: the status of HTTP is 200 nevertheless.
// A caller may have typed a part of the text, so it must not move the cursor of a terminal.
func refused(text string) answer {
	return answer{status: http.StatusOK, statusCode: "400", text: strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)}
}

// message returns an answer as API Gateway gives it for a request that does not reach the original gateway. Clients try
// again after 429 and 5xx.
func message(status int, text string) answer { return answer{status: status, text: text} }

// again returns the answer for what may work later.
func again(status int, pause time.Duration) answer {
	return answer{status: status, text: http.StatusText(status), pause: max(pause, time.Second)}
}

// body returns the answer as JSON.
func (a answer) body() []byte {
	const around = 128 // bytes of the envelope
	b := make([]byte, 0, len(a.text)+len(a.text)/16+around)
	if a.statusCode == "" {
		b = appendJSON(append(b, `{"message":`...), a.text)
		return append(b, "}\n"...)
	}
	b = appendJSON(append(b, `{"response_type":"ephemeral","statusCode":`...), a.statusCode)
	b = appendJSON(append(b, `,"text":`...), a.text)
	return append(b, `,"headers":{"Content-Type":"application/json"}}`+"\n"...)
}

// appendJSON appends a JSON string. No text has control characters. A list of accounts is large, and encoding/json would copy
// it twice.
func appendJSON(b []byte, text string) []byte {
	b = append(b, '"')
	for {
		i := strings.IndexAny(text, `"\`)
		if i < 0 {
			return append(append(b, text...), '"')
		}
		b = append(append(b, text[:i]...), '\\', text[i])
		text = text[i+1:]
	}
}

// noURL stands for a console link that was not asked for or could not be had.
const noURL = "notset"

// keysText returns the text with keys. now is the time of the answer.
func keysText(g issue.Grant, now time.Time) string {
	name, link := g.AccountName, g.URL
	if name == "" {
		name = g.AccountID
	}
	if link == "" {
		link = noURL
	}
	var b strings.Builder
	b.WriteByte('{')
	for _, item := range [][2]string{
		{"accountid", g.AccountID},
		{"sectionname", name},
		{"accesskeyid", g.Keys.AccessKeyID},
		{"secretkey", g.Keys.SecretAccessKey},
		{"sessiontoken", g.Keys.SessionToken},
		{"expiresstr", "Expires " + humantime.Until(g.Keys.Expires.UTC(), now.UTC()) + "."},
		{"url", link},
	} {
		quote(&b, item[0])
		b.WriteString(": ")
		quote(&b, item[1])
		b.WriteString(", ")
	}
	fmt.Fprintf(&b, "'expires': %d}", g.Keys.Expires.Unix())
	return b.String()
}

// listText returns the text with accounts. It has lists where the original has tuples, because JSON has no tuples.
func listText(accounts []issue.Account) string {
	const typical = 64 // bytes of an account
	var b strings.Builder
	b.Grow(typical*len(accounts) + typical)
	b.WriteString("{'accountlist': [")
	for i, a := range accounts {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('[')
		quote(&b, a.ID)
		b.WriteString(", ")
		quote(&b, a.Name)
		b.WriteByte(']')
	}
	b.WriteString("]}")
	return b.String()
}

// linkText returns the text with a console link.
func linkText(link string) string {
	if link == "" {
		link = noURL
	}
	var b strings.Builder
	b.WriteString("{'url': ")
	quote(&b, link)
	b.WriteByte('}')
	return b.String()
}

// quote writes a string that is the same to Python, and to a client that makes JSON of the text by writing " for each '. So
// quotes, backslashes and control characters are escaped in the one way that both have. What is not UTF-8 becomes U+FFFD.
func quote(b *strings.Builder, s string) {
	b.WriteByte('\'')
	done := 0 // all before is written
	for i := 0; i < len(s); {
		if isPlain[s[i]] {
			i++
			continue
		}
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c <= lastControl: // a control character, a quote or a backslash
			b.WriteString(s[done:i])
			b.WriteString(`\u00`)
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&0xf])
			done = i + size
		case c == utf8.RuneError && size == 1:
			b.WriteString(s[done:i])
			b.WriteRune(utf8.RuneError)
			done = i + size
		}
		i += size
	}
	b.WriteString(s[done:])
	b.WriteByte('\'')
}

const hexDigits = "0123456789abcdef"

const lastControl = '\u009f' // of those that follow DEL

// isPlain says which bytes are characters that need no escape.
var isPlain = func() (plain [256]bool) {
	for c := ' '; c <= '~'; c++ {
		plain[c] = c != '\'' && c != '"' && c != '\\'
	}
	return plain
}()
