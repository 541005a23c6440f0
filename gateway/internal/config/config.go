// Package config reads the configuration of the server.
//
// It is a YAML file. The variables CHAIM_GATEWAY_… come before it, and a secret may be in a file or a variable of its own. An
// unknown name is an error, as is a wrong value, and all errors are told at once, each with its line and column.
package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"time"
)

// Config is the configuration of a server. Paths in it are absolute, or relative to the working directory.
type Config struct {
	Server   Server
	Database Secret // the URL: sqlite:PATH, or postgres://… with a password
	KeyRing  string // the path of the file with the keys that protect tokens and sign checkpoints
	AWS      AWS
	Legacy   Legacy
	Audit    Audit
	Rules
	SignIn
}

// Rules are what bounds people.
type Rules struct {
	Policy Policy
	Limits Limits
}

// SignIn says how people sign in, and who of them are administrators.
type SignIn struct {
	OIDC        OIDC
	Login       Login
	AdminGroups []string // full names: "admins", or "corp:platform" of the provider corp
}

// OIDC is the identity provider at which people sign in. The zero value means that there is none.
type OIDC struct {
	ID           string // of the provider in the gateway: the prefix of its groups and a part of its callback address
	Issuer       string // exactly as the provider writes it
	ClientID     string
	ClientSecret Secret
	Username     string   // the claim with the user's name
	Domains      []string // in lower case; those whose addresses give a user the name before the @
	Groups       string   // the claim with the user's groups
	Scopes       []string // "openid" is among them
}

// IsSet reports whether there is a provider.
func (o OIDC) IsSet() bool { return o.Issuer != "" }

// GroupPrefix returns what the names of the provider's groups begin with, or "" without a provider.
func (o OIDC) GroupPrefix() string {
	if !o.IsSet() {
		return ""
	}
	return o.ID + ":"
}

// Login bounds the sign-ins of people.
type Login struct {
	Max     time.Duration // of the command chaim
	WebMax  time.Duration // of a browser
	IdleWeb time.Duration // of a browser that is not used
	Device  bool          // a program may sign in by a code that a person types into a browser elsewhere
}

// Server says where the server listens, and under which address it is known.
type Server struct {
	URL            *url.URL       // the public address; everything that is signed or printed uses it, never the header Host
	Listen         string         // host:port of the clients
	AdminListen    string         // host:port of health and metrics
	TLSCert        string         // the paths of the certificate and its key; empty means plain http
	TLSKey         string         //
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
}

// AWS says how AWS STS is asked. The gateway signs with the keys that the AWS SDK finds where it runs.
type AWS struct {
	Regions    []string // tried in this order
	ExternalID Secret   // sent with each AssumeRole; empty means none
}

// Legacy has the settings of the endpoints of chaim and cca.
type Legacy struct {
	MaxTokenLifetime time.Duration
	HideAccounts     bool // an account that the caller could never use is answered as one that does not exist
	ConsoleLinks     bool // links into the AWS console are made for keys that this gateway lent
}

// Audit says where the checkpoints of the audit log go, and where the log is written besides the database.
type Audit struct {
	Checkpoints string        // the path of a file outside the database; empty means none
	Every       time.Duration // how often, if there is something new
}

// Policy says where the policy comes from.
type Policy struct {
	File string // applied when the server starts and on SIGHUP, for SQLite only; empty means by 'chaim-gateway apply'
}

// Limits bound what one user can have.
type Limits struct {
	TokensPerUser int // active ones
}

// Secret is a value that may hold a password. It prints without it; [Secret.Reveal] returns it.
type Secret struct{ text string }

// NewSecret returns a secret.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the value.
func (s Secret) Reveal() string { return s.text }

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.text != "" }

func (s Secret) String() string {
	if s.text == "" {
		return "not set"
	}
	return "set"
}

// Format prints the secret without its value, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is the secret in a log.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is the secret in JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
