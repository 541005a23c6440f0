package issue

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/chaim-go/chaim/internal/keys"
)

// String describes the caller without the token.
func (c Caller) String() string { return fmt.Sprintf("issue.Caller{User:%q IP:%s}", c.User, c.IP) }

// Format prints what String returns, whatever the verb.
func (c Caller) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue keeps the token out of structured logs.
func (c Caller) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText keeps the token out of JSON and other encodings.
func (c Caller) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String describes the grant without the keys' secrets and the link.
func (g Grant) String() string {
	return fmt.Sprintf("issue.Grant{Issue:%q AccountID:%q Role:%q AccessKeyID:%q Expires:%s}",
		g.Issue, g.AccountID, g.Role, keys.LastFour(g.Keys.AccessKeyID), g.Keys.Expires.UTC().Format(time.RFC3339))
}

// Format prints what String returns, whatever the verb.
func (g Grant) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, g.String()) }

// LogValue keeps the secrets out of structured logs.
func (g Grant) LogValue() slog.Value { return slog.StringValue(g.String()) }

// MarshalText keeps the secrets out of JSON and other encodings.
func (g Grant) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// String describes the keys without their secrets.
func (l Lent) String() string {
	return fmt.Sprintf("issue.Lent{AccessKeyID:%q Expires:%s}",
		keys.LastFour(l.Keys.AccessKeyID), l.Keys.Expires.UTC().Format(time.RFC3339))
}

// Format prints what String returns, whatever the verb.
func (l Lent) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// LogValue keeps the secrets out of structured logs.
func (l Lent) LogValue() slog.Value { return slog.StringValue(l.String()) }

// MarshalText keeps the secrets out of JSON and other encodings.
func (l Lent) MarshalText() ([]byte, error) { return []byte(l.String()), nil }
