package token

import (
	"fmt"
	"io"
	"log/slog"
)

const hidden = "[secret]"

// Secret is a text that never prints: not by fmt, slog, JSON or another encoder. The zero value is empty. Values are
// immutable.
type Secret struct{ text string }

// NewSecret returns a text as a secret.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself. It is for the one place where the text must go: a person's terminal or a request.
func (s Secret) Reveal() string { return s.text }

// String does not return the text.
func (s Secret) String() string { return hidden }

// Format prints what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue keeps the text out of structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText keeps the text out of JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
