// Package issue decides requests for keys, records them and gets the keys from AWS STS.
package issue

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Way says how a request came, and so which tokens it may have.
type Way int

// The ways of requests.
const (
	ByForm Way = iota // the form endpoints: tokens for programs, and the name of their user
	ByAPI             // the JSON API: tokens for programs, without a name
	ByPage            // the pages: tokens of browsers
)

// Caller is who asks, as the request says. Nothing of it is proven but the address.
type Caller struct {
	Way   Way
	Token string     // chm1_…
	User  string     // the name that the caller claims; ByForm only
	IP    netip.Addr // of the rightmost hop that is not a trusted proxy
	// IsProven is whether IP is the caller's. If not, the log has it, but no rule about addresses holds.
	IsProven bool
	Agent    string // the caller's program, at most 200 printable characters
}

// Place is the address of the caller for rules about addresses: none if it is not proven.
func (c Caller) Place() netip.Addr {
	if !c.IsProven {
		return netip.Addr{}
	}
	return c.IP
}

// Ask is what is asked for.
type Ask struct {
	Account  string // a name or an id
	Role     string // an alias of the policy, or the name of the role in AWS; empty means "rro"
	Duration time.Duration
	WantsURL bool // a console link, if it can be had within two seconds
	Exact    bool // keys that would work for a shorter time are refused

	onlyLink bool // the keys are for a console link, which the role must allow
}

// Grant is the answer to an Ask.
type Grant struct {
	Issue       string
	AccountID   string
	AccountName string
	Role        string // the alias of the policy
	Keys        aws.Credentials
	URL         string // empty if it was not asked for or could not be had
	Lifetime    time.Duration
	Cap         string // why Lifetime is shorter than was asked for, in words; empty if it is not
}

// Account is an account that a user may use.
type Account struct{ ID, Name string }

// Code says why a request was refused.
type Code string

// The reasons of refusals.
const (
	BadToken         Code = "bad_token"         // unknown, revoked, or another user's
	ExpiredToken     Code = "expired_token"     //
	DisabledUser     Code = "disabled_user"     //
	NoAccount        Code = "no_account"        // unknown, or one that the user could never use
	AmbiguousAccount Code = "ambiguous_account" // several accounts have the name
	NoRole           Code = "no_role"           // the policy does not have it
	NotAllowed       Code = "not_allowed"       // no grant, or a deny rule
	TooShort         Code = "too_short"         // the grant or its window ends in less than 15 minutes, or before an exact time
	IsFrozen         Code = "frozen"            // an operator has stopped all issuing
	RefusedBySTS     Code = "refused_by_sts"    // the keys cannot be had: the role's trust policy, its longest session, ...
	NotOurs          Code = "not_ours"          // a console link for keys that this gateway did not issue to the user
	NoRow            Code = "not_found"         // no such issue, token or user, or one that the user may not see
	BadLogin         Code = "bad_login"         // the request of a program to sign in has wrong parameters
	Malformed        Code = "bad_request"       // what was asked cannot be understood
	TooMany          Code = "too_many"          // the user has as many tokens as a user may have
	Unavailable      Code = "unavailable"       // the database, the log or STS: try again
	Busy             Code = "busy"              // too many requests: try again
)

// Refusal is a request that was refused. Its text is for the caller and holds no secret.
type Refusal struct {
	Code       Code
	User       string // who asked, if the token was right
	Text       string
	Rule       string        // the deny rule, if there is one
	Policy     int64         // the version of the policy that decided it; zero if none did
	RetryAfter time.Duration // for Unavailable and Busy
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s)", r.Text, r.Code) }
