// Package issue decides requests for keys, records them and gets the keys from AWS STS.
package issue

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Caller is who asks, as the request says. Nothing of it is proven but the address.
type Caller struct {
	Token string     // chm1_…
	User  string     // the name that the caller claims
	IP    netip.Addr // the rightmost hop that is not trusted; invalid if a forwarded header came from an untrusted peer
	Agent string     // the caller's program, at most 200 printable characters
}

// Ask is what is asked for.
type Ask struct {
	Account  string // a name or an id
	Role     string // an alias of the policy, or the name of the role in AWS; empty means "rro"
	Duration time.Duration
	WantsURL bool // a console link, if it can be had within two seconds
}

// Grant is the answer to an Ask.
type Grant struct {
	Issue       string
	AccountID   string
	AccountName string
	Role        string // the alias of the policy
	Keys        aws.Credentials
	URL         string // empty if it was not asked for or could not be had
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
	TooShort         Code = "too_short"         // the grant or its window ends in less than 15 minutes
	IsFrozen         Code = "frozen"            // an operator has stopped all issuing
	RefusedBySTS     Code = "refused_by_sts"    // the keys cannot be had: the role's trust policy, its longest session, ...
	NotOurs          Code = "not_ours"          // a console link for keys that this gateway did not issue to the user
	Unavailable      Code = "unavailable"       // the database, the log or STS: try again
	Busy             Code = "busy"              // too many requests: try again
)

// Refusal is a request that was refused. Its text is for the caller and holds no secret.
type Refusal struct {
	Code       Code
	User       string // who asked, if the token was right
	Text       string
	Rule       string        // the deny rule, if there is one
	RetryAfter time.Duration // for Unavailable and Busy
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s)", r.Text, r.Code) }
