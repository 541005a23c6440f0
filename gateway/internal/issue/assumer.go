package issue

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

// Assumer gets keys of roles from AWS STS. Its methods are safe for concurrent use.
type Assumer interface {
	// Assume asks for the keys of a session. It may ask several times, always for the same session. The error is a
	// [*STSError], without secrets.
	Assume(ctx context.Context, s Session) (Lent, error)
	// Cap returns the longest lifetime that this identity of the gateway can give. Zero means that only AWS's own limits count.
	Cap() time.Duration
}

// Session is what STS is asked for. All of it comes from the policy and the table of users: nothing that a caller typed.
type Session struct {
	RoleARN        string
	SourceIdentity string // also the name of the session
	User           string // a tag
	Issue          string // a tag
	Lifetime       time.Duration
	// Until is when the keys must end at the latest, if AWS's shortest lifetime allows it. Zero means that only Lifetime counts.
	Until time.Time
}

// Left returns the lifetime to ask for now.
func (s Session) Left() time.Duration {
	if s.Until.IsZero() {
		return s.Lifetime
	}
	return max(policy.MinLifetime, min(s.Lifetime, time.Until(s.Until).Truncate(time.Second)))
}

// Lent is a set of keys that STS made. It prints without its secrets.
type Lent struct {
	Keys    aws.Credentials // Expires is by the clock of AWS
	Chained bool            // made with the keys of another role
}

// Cause says why STS made no keys.
type Cause string

// The causes.
const (
	NotTrusted       Cause = "not_trusted"        // the role's trust policy: the gateway's identity or the external id
	NotPermitted     Cause = "not_permitted"      // a policy of the gateway's own identity, or of the organization
	NoSourceIdentity Cause = "no_source_identity" // the trust policy lacks sts:SetSourceIdentity
	NoTagSession     Cause = "no_tag_session"     // the trust policy lacks sts:TagSession
	TooLong          Cause = "too_long"           // the role's MaxSessionDuration
	TooManyTags      Cause = "too_many_tags"      // STS's limit for tags and policies together
	OtherSession     Cause = "other_session"      // STS made keys of another role or person; they were dropped
	BadRequest       Cause = "bad_request"        // STS did not take the request for another reason
	OwnKeys          Cause = "own_keys"           // the gateway's own AWS keys are missing, wrong or have ended
	RegionOff        Cause = "region_off"         // STS is switched off in the region
	Throttled        Cause = "throttled"
	Away             Cause = "away"      // no answer, or STS answered that it has failed
	NotAsked         Cause = "not_asked" // the caller left before
)

// STSError says why there are no keys, and what to do. Its text is for the caller and holds no secret and no words of STS.
type STSError struct {
	Cause       Cause
	Text        string
	MayHaveKeys bool             // STS may have made keys all the same: a request was sent and no answer understood
	Dropped     store.IssuedKeys // the keys that STS made, but that must not be lent; empty if there are none
	RetryAfter  time.Duration    // if STS asked for a pause
}

func (e *STSError) Error() string { return e.Text }

// code returns how a caller is refused.
func (e *STSError) code() Code {
	switch e.Cause {
	case Throttled:
		return Busy
	case OwnKeys, RegionOff, Away:
		return Unavailable
	}
	return RefusedBySTS
}
