package issue

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/internal/httpx"
)

const (
	defaultRole     = "rro"
	defaultLifetime = time.Hour
	maxAsked        = 128 // characters of what a caller typed, in the log and in refusals

	noConsole = "the policy allows no console for this role"
)

// decision is what was decided about a request.
type decision struct {
	ask     Ask
	account policy.Account // empty if it is not known
	role    policy.Role    // empty if it is not known
	at      time.Time      // of the rule
	rule    policy.Decision
	refusal *Refusal // nil if the request is allowed
	terms   terms    // empty if the request is refused
}

// terms are those of an issue that is allowed.
type terms struct {
	issue    string // its id
	lifetime time.Duration
	cap      string // why that is shorter than was asked for; empty if it is not
	roleARN  string
	until    time.Time // the end of what allows it; zero if that is not near
}

// decide decides a request by a view.
func (i *Issuer) decide(v *view, who asker, c Caller, ask Ask) decision {
	d := decision{ask: ask}
	d.ask.Role = cmp.Or(ask.Role, defaultRole)
	refuse := func(code Code, format string, args ...any) decision {
		d.refusal = &Refusal{Code: code, User: who.user.Name, Text: fmt.Sprintf(format, args...), Rule: d.rule.Deny, Policy: v.Policy.Seq}
		return d
	}
	switch {
	case v.Frozen != "":
		return refuse(IsFrozen, "an operator has stopped all issuing: %s", v.Frozen)
	case v.engine == nil:
		return refuse(NotAllowed, "the gateway has no policy yet, so no user may use anything")
	}
	person := v.person(who.user)
	account, err := i.account(v.engine, person, ask.Account)
	var ambiguous *policy.AmbiguousError
	switch {
	case errors.As(err, &ambiguous):
		return refuse(AmbiguousAccount, "several accounts have the name %q: use an id", typed(ask.Account))
	case err != nil:
		return refuse(NoAccount, "account %q is not known", typed(ask.Account))
	}
	d.account = account
	if d.role, err = v.engine.Role(d.ask.Role); err != nil {
		return refuse(NoRole, "role %q is not known", typed(d.ask.Role))
	}
	d.at = time.Now()
	d.rule = v.engine.Decide(policy.Query{Person: person, Account: account.ID, Role: d.role.Alias, At: d.at, Addr: c.Place()})
	switch {
	case d.rule.Allow:
	case d.rule.Reason == policy.TooShort:
		return refuse(TooShort, "%s leaves %s, but AWS gives keys for %s at least", d.rule.Caps, d.rule.Max, policy.MinLifetime)
	default:
		return refuse(NotAllowed, "%s may not use %s in account %s", who.user.Name, d.role.Alias, account.ID)
	}
	if ask.onlyLink && !d.role.Console {
		return refuse(NotAllowed, noConsole)
	}
	t := i.terms(d)
	if ask.Exact && t.cap != "" {
		return refuse(TooShort, "exactly %s was asked for, but %s leaves %s", ask.Duration, t.cap, t.lifetime)
	}
	d.terms = t
	return d
}

// account finds an account. An account that the user could never use may be, to that user, unknown.
func (i *Issuer) account(e *policy.Engine, p policy.Person, nameOrID string) (policy.Account, error) {
	account, err := e.Account(nameOrID)
	if !i.deps.Options.HideAccounts {
		return account, err
	}
	var ambiguous *policy.AmbiguousError
	if errors.As(err, &ambiguous) {
		ids := slices.DeleteFunc(slices.Clone(ambiguous.IDs), func(id string) bool { return !e.CouldUse(p, id) })
		if len(ids) > 1 {
			return account, err
		}
		if len(ids) == 1 {
			account, err = e.Account(ids[0])
		}
	}
	if err == nil && !e.CouldUse(p, account.ID) || len(account.ID) == 0 {
		return policy.Account{}, policy.ErrNoAccount
	}
	return account, err
}

// terms returns those of an allowed request.
func (i *Issuer) terms(d decision) terms {
	t := terms{lifetime: max(cmp.Or(d.ask.Duration, defaultLifetime), policy.MinLifetime).Truncate(time.Second)}
	if t.lifetime > d.rule.Max {
		t.lifetime, t.cap = d.rule.Max, d.rule.Caps.String()
	}
	if d.rule.Caps&(policy.CapUntil|policy.CapHours|policy.CapDeny) != 0 {
		t.until = d.at.Add(d.rule.Max)
	}
	if limit := i.deps.STS.Cap(); limit > 0 && t.lifetime > limit {
		t.lifetime, t.cap = limit, "the gateway's identity is a role, whose keys make other keys for an hour at most"
	}
	t.roleARN = awsrole.ARN(d.account.Partition, d.account.ID, d.role.Path, d.role.AWS)
	return t
}

// event returns an event about the request.
func (d *decision) event(kind audit.Type, who asker) audit.Event {
	e := audit.Event{
		Type: kind, At: time.Now(), Actor: who.actor, Account: d.account.ID, Role: d.role.Alias, Issue: d.terms.issue,
		Details: map[string]string{},
	}
	switch kind {
	case audit.IssueDenied:
		e.Details["reason"], e.Details["rule"] = string(d.refusal.Code), d.rule.Deny
		if d.account.ID == "" {
			e.Details["asked_account"] = typed(d.ask.Account)
		}
		if d.role.Alias == "" {
			e.Details["asked_role"] = typed(d.ask.Role)
		}
	case audit.IssueAllowed:
		e.Details["grant"], e.Details["lifetime"], e.Details["cap"] = d.rule.Grant, seconds(d.terms.lifetime), d.terms.cap
		e.Details["asked"], e.Details["role_arn"] = seconds(d.ask.Duration), d.terms.roleARN
		if (d.ask.WantsURL || d.ask.onlyLink) && d.role.Console {
			e.Details["console"] = "asked"
		}
	}
	if d.rule.Version > 0 {
		e.Details["policy"] = strconv.FormatInt(d.rule.Version, 10)
	}
	return e
}

// seconds is a duration in the log. Zero is empty.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatInt(int64(d/time.Second), 10)
}

// typed is what a caller typed, fit for the log and for texts: users paste secrets into wrong fields.
func typed(text string) string { return httpx.Scrub(text, maxAsked) }
