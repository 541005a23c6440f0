// Package awsprofile tells how a profile of the AWS files gets its keys: what gives the first keys, and which roles are
// assumed with them. It reads no file and touches no network.
package awsprofile

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/keys"
)

// Pairs are the keys of a section, in lower case, and their values.
type Pairs = map[string]string

// Files is the content of the AWS config file and the credentials file.
type Files struct {
	Names    []string         // of the profiles, in the order of the files
	Profiles map[string]Pairs // by name; a key of the credentials file replaces one of the config file
	Sessions map[string]Pairs // the sections [sso-session NAME]
	Bare     map[string]bool  // sections [NAME] of the config file, which no SDK takes for a profile
	Lent     map[string]bool  // profiles whose keys chaim has lent
}

// Kind says what gives the first keys of a profile.
type Kind string

// The kinds that there are.
const (
	StaticKeys  Kind = "keys"
	SSO         Kind = "sso"
	Process     Kind = "process"
	WebIdentity Kind = "web identity"
	Environment Kind = "environment"
	EC2         Kind = "ec2"
	Container   Kind = "container"
	Login       Kind = "login"
)

// Chain says how a profile gets its keys.
type Chain struct {
	Profile string
	Source  Source
	Roles   []Role   // each assumed with the keys before it
	Notes   []string // what SDKs understand differently, for people
}

// Source gives the first keys of a chain.
type Source struct {
	Kind    Kind
	Profile string  // that says so
	Pairs   Pairs   // of that profile
	Session Session // for SSO
	MFA     MFA     // for StaticKeys: the session that they begin with
}

// Session has the SSO settings of a profile: which Identity Center gives the keys of which account and role.
type Session struct{ Profile, Name, StartURL, Region, AccountID, Role string }

// Role is a role that a chain assumes.
type Role struct {
	Profile     string // that has its ARN
	ARN         string
	SessionName string // may be empty
	ExternalID  string // may be empty
	MFA         MFA
	Duration    time.Duration // zero if the profile does not say
}

// MFA is an MFA device, and the command that prints its codes. Both may be empty.
type MFA struct{ Serial, Process string }

// Role returns the ARN or the name of the role whose keys the chain gives. If the files name no role, it returns the kind of
// the source.
func (c Chain) Role() string {
	if n := len(c.Roles); n > 0 {
		return c.Roles[n-1].ARN
	}
	switch c.Source.Kind {
	case SSO:
		return c.Source.Session.Role
	case WebIdentity:
		return c.Source.Pairs["role_arn"]
	}
	return string(c.Source.Kind)
}

// HasRole reports whether the files name a role whose keys the chain gives.
func (c Chain) HasRole() bool {
	return len(c.Roles) > 0 || c.Source.Kind == SSO || c.Source.Kind == WebIdentity
}

// RoleName returns the name of the role whose keys the chain gives, or "" if the files name none.
func (c Chain) RoleName() string {
	if c.HasRole() {
		return RoleName(c.Role())
	}
	return ""
}

// Gives says which keys the chain gives, without secrets. It changes with their kind, account or role.
func (c Chain) Gives() string {
	text := string(c.Source.Kind)
	switch pairs := c.Source.Pairs; c.Source.Kind {
	case StaticKeys:
		switch {
		case c.Source.MFA.Serial != "":
			text = "keys of an MFA session"
		case pairs["aws_session_token"] != "":
			text = "its own temporary keys"
		default:
			text = "its own keys"
		}
	case SSO:
		s := c.Source.Session
		text = fmt.Sprintf("keys of SSO role %s in account %s at %s", s.Role, s.AccountID, s.StartURL)
	case WebIdentity:
		text = "keys by web identity of role " + pairs["role_arn"]
	default:
		text = "keys by " + text
	}
	for _, role := range c.Roles {
		text += ", then of role " + role.ARN
	}
	return text
}

// AccountID returns the id of the account whose keys the chain gives, or "" if the files do not tell it.
func (c Chain) AccountID() string {
	if role, err := arn.Parse(c.Role()); err == nil && keys.IsAccountID(role.AccountID) {
		return role.AccountID
	}
	return cmp.Or(c.Source.Session.AccountID, c.Source.Pairs["aws_account_id"])
}

// Duration returns how long the keys of the last role are to be valid, or zero if the files do not tell it.
func (c Chain) Duration() time.Duration {
	if n := len(c.Roles); n > 0 {
		return c.Roles[n-1].Duration
	}
	return 0
}

// Decides says what decides how long the keys are valid. It is empty if the lifetime can be chosen, because STS gives them.
func (c Chain) Decides() string {
	if c.Source.Kind == "" || len(c.Roles) > 0 || c.Source.Kind == WebIdentity || c.Source.MFA.Serial != "" {
		return ""
	}
	switch c.Source.Kind {
	case SSO:
		return "the permission set"
	case Login:
		return "the sign-in"
	case Process:
		return "the credential_process"
	}
	return "the owner of these keys"
}

// Hash changes with the settings of the profile and of those behind it. It does not reveal them.
func (c Chain) Hash() string { return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q", c))) }

// Settings returns the profile whose endpoints and certificates serve the whole chain: its own, if the SDK can read that.
//
// https://github.com/aws/aws-sdk-go-v2/issues/3446
func (c Chain) Settings() string {
	if c.Source.Kind == Login {
		return c.Source.Profile
	}
	return c.Profile
}

// NeedsCode reports whether a person or a command must give a code of an MFA device.
func (c Chain) NeedsCode() bool {
	for _, role := range c.Roles {
		if role.MFA.Serial != "" {
			return true
		}
	}
	return c.Source.MFA.Serial != ""
}
