package ssotoken

import (
	"bytes"
	"crypto/sha1" // names of files, as the AWS CLI forms them
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Purpose is what a program registers for. The AWS CLI keeps one registration for each purpose. The grant types do not count
// there, so a registration for a browser and one for a device replace each other.
type Purpose struct {
	StartURL, Region, Session string // Session may be empty
	Scopes                    []string
	GrantTypes                []string // of the sign-in by a browser; nil for the one by a device
}

// registration has the keys of a file with a registration.
type registration struct {
	ID         string   `json:"clientId"`
	Secret     string   `json:"clientSecret"`
	Expires    string   `json:"expiresAt"`
	Scopes     []string `json:"scopes"`
	GrantTypes []string `json:"grantTypes,omitempty"`
}

// FileName returns the name of the file in which the AWS CLI keeps the registration for a purpose.
func (p Purpose) FileName() string {
	session := any(p.Session)
	if p.Session == "" {
		session = nil
	}
	var scopes any
	if len(p.Scopes) > 0 {
		scopes = p.Scopes
	}
	// The order of the keys and the blanks are those of json.dumps(sort_keys=True) in Python.
	var text strings.Builder
	for i, pair := range []struct {
		key   string
		value any
	}{{"region", p.Region}, {"scopes", scopes}, {"session_name", session}, {"startUrl", p.StartURL}, {"tool", "botocore"}} {
		separator := ", "
		if i == 0 {
			separator = "{"
		}
		text.WriteString(separator + asPython(pair.key) + ": " + asPython(pair.value))
	}
	sum := sha1.Sum([]byte(text.String() + "}"))
	return hex.EncodeToString(sum[:]) + ".json"
}

// asPython writes a text, a list of texts or nil as Python's json does: with blanks after commas, and only in ASCII.
func asPython(value any) string {
	if list, isList := value.([]string); isList {
		var texts []string
		for _, text := range list {
			texts = append(texts, asPython(text))
		}
		return "[" + strings.Join(texts, ", ") + "]"
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // a text or nil
	var ascii strings.Builder
	for _, r := range strings.TrimSpace(out.String()) {
		if r < utf8.RuneSelf {
			ascii.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&ascii, `\u%04x`, unit)
		}
	}
	return ascii.String()
}

// Registration reads the text of a file. It returns an empty Client if the registration is for another purpose, is broken,
// or ends within left.
func (p Purpose) Registration(text []byte, left time.Duration, now time.Time) Client {
	var r registration
	if json.Unmarshal(text, &r) != nil || r.ID == "" || r.Secret == "" {
		return Client{}
	}
	ends, err := parseTime(r.Expires)
	if err != nil || ends.Sub(now) <= left || !slices.Equal(r.GrantTypes, p.GrantTypes) || !slices.Equal(r.Scopes, p.Scopes) {
		return Client{}
	}
	return Client{ID: r.ID, Secret: r.Secret, Expires: ends}
}

// Render returns the text of a file with the registration of a client.
func (p Purpose) Render(c Client) ([]byte, error) {
	return json.Marshal(registration{c.ID, c.Secret, formatTime(c.Expires), p.Scopes, p.GrantTypes})
}
