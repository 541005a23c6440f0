// Package ssotoken reads and writes the text of a file in ~/.aws/sso/cache, where the AWS CLI and the SDKs keep a sign-in to
// IAM Identity Center. It touches no file.
package ssotoken

import (
	"crypto/sha1" // names of files, as the SDKs form them
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"time"
)

// Token is a sign-in. A token without a refresh token, or without a client, cannot be refreshed.
type Token struct {
	StartURL, Region string
	Access           string
	Expires          time.Time
	Refresh          string
	Client           Client

	unknown map[string]json.RawMessage // other keys of the file
}

// Client is the registration of a program at IAM Identity Center.
type Client struct {
	ID, Secret string
	Expires    time.Time
}

// FileName returns the name of the file with the token of a session. A session without a name is known by its start URL.
func FileName(session, startURL string) string {
	if session == "" {
		session = startURL
	}
	sum := sha1.Sum([]byte(session))
	return hex.EncodeToString(sum[:]) + ".json"
}

// ErrTorn means that a text is no JSON object. Other programs write the file in place, so a later reader may find all of it.
var ErrTorn = errors.New("the file is not JSON; if it stays so, sign in again")

// ErrNoToken means that a file has no access token.
var ErrNoToken = errors.New("the file has no access token")

// ErrReadOnly means that the file of a sign-in cannot be written.
var ErrReadOnly = errors.New("the file of the sign-in cannot be written")

// known are the keys of a file that this package reads and writes.
type known struct {
	StartURL     string `json:"startUrl"`
	Region       string `json:"region"`
	Access       string `json:"accessToken"`
	Expires      string `json:"expiresAt"`
	ClientID     string `json:"clientId,omitempty"`
	ClientSecret string `json:"clientSecret,omitempty"`
	ClientEnds   string `json:"registrationExpiresAt,omitempty"`
	Refresh      string `json:"refreshToken,omitempty"`
}

// Parse reads the text of a file.
func Parse(text []byte) (Token, error) {
	var k known
	if err := json.Unmarshal(text, &k); err != nil { // the error could quote the text
		return Token{}, ErrTorn
	}
	t := Token{
		StartURL: k.StartURL, Region: k.Region, Access: k.Access, Refresh: k.Refresh,
		Client: Client{ID: k.ClientID, Secret: k.ClientSecret},
	}
	if k.Access == "" {
		return t, ErrNoToken
	}
	err := json.Unmarshal(text, &t.unknown)
	if err != nil {
		return t, ErrTorn
	}
	if t.Expires, err = parseTime(k.Expires); err != nil {
		return t, errors.New("expiresAt is no time")
	}
	t.Client.Expires, _ = parseTime(k.ClientEnds) // SDKs ignore a wrong one
	return t, nil
}

// parseTime reads the times that SDKs write, and those of old versions of the AWS CLI.
func parseTime(text string) (time.Time, error) {
	text = strings.Replace(strings.TrimSuffix(text, "UTC"), " ", "T", 1)
	if t, err := time.Parse("2006-01-02T15:04:05", text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

// Render returns the text of a file with this token. It keeps the unknown keys of the text before. If that is torn, it keeps
// those of the text from which the token comes.
func (t Token) Render(before []byte) ([]byte, error) {
	k := known{
		StartURL: t.StartURL, Region: t.Region, Access: t.Access, Expires: formatTime(t.Expires), Refresh: t.Refresh,
		ClientID: t.Client.ID, ClientSecret: t.Client.Secret, ClientEnds: formatTime(t.Client.Expires),
	}
	own, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	pairs := map[string]json.RawMessage{}
	if json.Unmarshal(before, &pairs) != nil || pairs == nil {
		pairs = map[string]json.RawMessage{}
		maps.Copy(pairs, t.unknown)
	}
	for _, key := range []string{"refreshToken", "clientId", "clientSecret", "registrationExpiresAt"} {
		delete(pairs, key) // an answer without one ends the old one
	}
	if err := json.Unmarshal(own, &pairs); err != nil {
		return nil, err
	}
	return json.MarshalIndent(pairs, "", "  ")
}

// formatTime writes a time that all SDKs read. It is empty for no time.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// CanRefresh reports whether the token can be refreshed.
func (t Token) CanRefresh(now time.Time) bool {
	return t.Refresh != "" && t.Client.ID != "" && t.Client.Secret != "" && (t.Client.Expires.IsZero() || now.Before(t.Client.Expires))
}

// Format prints no secret, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "ssotoken.Token{StartURL:%q Region:%q Expires:%s}", t.StartURL, t.Region, formatTime(t.Expires))
}

// LogValue keeps the secrets out of structured logs.
func (t Token) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(t)) }

// MarshalText keeps the secrets out of JSON.
func (t Token) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(t)), nil }

// Format prints no secret, whatever the verb.
func (c Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "ssotoken.Client{ID:"+c.ID+"}") }

// LogValue keeps the secret out of structured logs.
func (c Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// MarshalText keeps the secret out of JSON.
func (c Client) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(c)), nil }
