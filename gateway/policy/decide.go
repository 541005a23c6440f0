package policy

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Person is a user with his groups, prepared for one engine. It is a value that never changes. The zero Person
// belongs to no engine: every decision about it is a refusal.
type Person struct {
	name   string
	groups []string
	rules  rules
	engine *Engine
}

// Person prepares a user for decisions. Groups need not name "everyone".
func (e *Engine) Person(name string, groups []string) Person {
	p := Person{name: name, groups: groups, rules: e.newRules(), engine: e}
	p.rules.addAll(e.people.everyone)
	for _, group := range groups {
		if r, isKnown := e.people.groups[fold(group)]; isKnown {
			p.rules.addAll(r)
		}
	}
	if r, isKnown := e.people.users[fold(name)]; isKnown {
		p.rules.addAll(r)
	}
	return p
}

// Name returns the name of the user.
func (p Person) Name() string { return p.name }

// Groups returns the groups that the person was made with. It must not be changed.
func (p Person) Groups() []string { return p.groups }

// Query is what is to be decided.
type Query struct {
	Person  Person
	Account string     // the id
	Role    string     // the alias as [Engine.Role] returns it
	At      time.Time  // when
	Addr    netip.Addr // from where; invalid means unknown, so that no condition on addresses holds
}

// Reason says why a decision is what it is.
type Reason string

// The reasons of decisions.
const (
	Allowed     Reason = "allowed"
	NoGrant     Reason = "no_grant"     // no grant for the person, account and role, or its conditions do not hold
	Denied      Reason = "denied"       // a deny rule refuses it
	TooShort    Reason = "too_short"    // a grant allows it, but less than MinLifetime is left
	NoAccount   Reason = "no_account"   // the policy does not have the account
	NoRole      Reason = "no_role"      // the policy does not have the role
	OtherPolicy Reason = "other_policy" // the person was not prepared by this engine
)

// Caps says what limits the lifetime of keys. Several caps count if they limit it to the same.
type Caps uint8

// The caps of lifetimes.
const (
	CapRole  Caps = 1 << iota // the role's longest lifetime
	CapGrant                  // the grant's longest lifetime
	CapUntil                  // the end of the grant
	CapHours                  // the end of the grant's hours
	CapDeny                   // the start of a deny rule
)

var capTexts = []string{
	"the role's longest lifetime", "the grant's longest lifetime", "the end of the grant", "the end of the grant's hours",
	"the start of a deny rule",
}

// String names the caps in words.
func (c Caps) String() string {
	var texts []string
	for i, text := range capTexts {
		if c&(1<<i) != 0 {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, " and ")
}

// Decision is the answer to a [Query].
type Decision struct {
	Allow   bool
	Reason  Reason
	Grant   string        // the id of the grant that allows it, also if the reason is TooShort
	Deny    string        // the id of the deny rule that refuses it, or whose start is one of Caps
	Max     time.Duration // the longest lifetime of the keys in whole seconds; what is left if the reason is TooShort
	Caps    Caps          // what makes Max as short as it is
	Version int64         // of the policy
}

// Decide answers a query. It allocates nothing.
func (e *Engine) Decide(q Query) Decision {
	d := Decision{Version: e.version}
	if q.Person.engine != e {
		d.Reason = OtherPolicy
		return d
	}
	account, isAccount := e.accounts.byID[q.Account]
	if !isAccount {
		d.Reason = NoAccount
		return d
	}
	role, isRole := e.roles.byAlias[q.Role]
	if !isRole {
		d.Reason = NoRole
		return d
	}
	return e.decide(target{q.Person.rules, e.accounts.classes[e.accounts.class[account]], role}, q.At, q.Addr.Unmap().WithZone(""))
}

// target is a person, the class of an account and the number of a role.
type target struct {
	person, account rules
	role            int
}

// grantsOf yields the numbers of the grants for a target.
func (e *Engine) grantsOf(t target) iter.Seq[int] {
	return shared(e.roles.rules[t.role].grants, t.person.grants, t.account.grants)
}

// deniesOf yields the numbers of the deny rules against a target.
func (e *Engine) deniesOf(t target) iter.Seq[int] {
	return shared(e.roles.rules[t.role].denies, t.person.denies, t.account.denies)
}

func (e *Engine) decide(t target, at time.Time, addr netip.Addr) Decision {
	d := Decision{Version: e.version, Reason: NoGrant}
	next, isDenied := e.denyFor(t, at)
	if isDenied {
		d.Reason, d.Deny = Denied, next.id
		return d
	}
	e.bestGrant(&d, t, at, addr)
	if d.Grant == "" {
		return d
	}
	if next != nil {
		if left := next.from.Sub(at).Truncate(time.Second); left <= d.Max {
			if left < d.Max {
				d.Max, d.Caps = left, 0
			}
			d.Deny, d.Caps = next.id, d.Caps|CapDeny
		}
	}
	if d.Reason = TooShort; d.Max >= MinLifetime {
		d.Allow, d.Reason = true, Allowed
	}
	return d
}

// denyFor returns the first deny rule that holds now, or else, with false, the one that begins next.
func (e *Engine) denyFor(t target, at time.Time) (next *deny, isDenied bool) {
	for i := range e.deniesOf(t) {
		rule := &e.denies[i]
		switch {
		case !rule.until.IsZero() && !at.Before(rule.until):
		case !at.Before(rule.from):
			return rule, true
		case next == nil || rule.from.Before(next.from):
			next = rule
		}
	}
	return next, false
}

// bestGrant sets the grant with the longest lifetime. Of equal ones it is the first in the document.
func (e *Engine) bestGrant(d *Decision, t target, at time.Time, addr netip.Addr) {
	roleMax := e.roles.list[t.role].Max
	for i := range e.grantsOf(t) {
		g := &e.grants[i]
		if d.Grant != "" && d.Max >= g.longest(roleMax) {
			continue
		}
		left, caps, holds := g.lifetime(roleMax, at, addr)
		if holds && (d.Grant == "" || left > d.Max) {
			d.Grant, d.Max, d.Caps = g.id, left, caps
		}
	}
}

// longest returns the longest lifetime at the best of times.
func (g *grant) longest(roleMax time.Duration) time.Duration {
	if g.max > 0 {
		return min(g.max, roleMax)
	}
	return roleMax
}

// lifetime returns the longest lifetime from an instant on, or false if the grant does not hold then or from that address.
func (g *grant) lifetime(roleMax time.Duration, at time.Time, addr netip.Addr) (left time.Duration, caps Caps, holds bool) {
	if at.Before(g.from) || !g.until.IsZero() && !at.Before(g.until) || !g.isFrom(addr) {
		return 0, 0, false
	}
	left, caps = roleMax, CapRole
	limit := func(to time.Duration, c Caps) {
		switch {
		case to < left:
			left, caps = to, c
		case to == left:
			caps |= c
		}
	}
	if g.max > 0 {
		limit(g.max, CapGrant)
	}
	if !g.until.IsZero() {
		limit(g.until.Sub(at).Truncate(time.Second), CapUntil)
	}
	if len(g.windows) > 0 {
		end, isOpen := openUntil(g.windows, at, at.Add(left+time.Second)) // more than left, in whole seconds
		if !isOpen {
			return 0, 0, false
		}
		limit(end.Sub(at).Truncate(time.Second), CapHours)
	}
	return left, caps, true
}

func (g *grant) isFrom(addr netip.Addr) bool {
	if len(g.cidr) == 0 {
		return true
	}
	for _, prefix := range g.cidr {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// Accounts yields the accounts that a person may use at an instant from an address, by name, each with its roles in the
// order of the document. The roles must not be changed: accounts share them.
func (e *Engine) Accounts(p Person, addr netip.Addr, at time.Time) iter.Seq2[Account, []Role] {
	return func(yield func(Account, []Role) bool) {
		if p.engine != e {
			return
		}
		addr := addr.Unmap().WithZone("")
		perClass := make([][]Role, len(e.accounts.classes))
		for class, account := range e.accounts.classes {
			for role := range e.roles.list {
				if e.decide(target{p.rules, account, role}, at, addr).Allow {
					perClass[class] = append(perClass[class], e.roles.list[role])
				}
			}
		}
		for i, account := range e.accounts.list {
			if roles := perClass[e.accounts.class[i]]; len(roles) > 0 && !yield(account, slices.Clip(roles)) {
				return
			}
		}
	}
}

// CouldUse reports whether a person may use an account with some role at some time, from some address. It is for hiding the
// accounts of others.
func (e *Engine) CouldUse(p Person, accountID string) bool {
	account, isKnown := e.accounts.byID[accountID]
	if !isKnown || p.engine != e {
		return false
	}
	about := e.accounts.classes[e.accounts.class[account]]
	for role := range e.roles.list {
		if e.couldUse(target{p.rules, about, role}) {
			return true
		}
	}
	return false
}

func (e *Engine) couldUse(t target) bool {
	for i := range e.deniesOf(t) {
		if d := &e.denies[i]; d.from.IsZero() && d.until.IsZero() {
			return false
		}
	}
	for range e.grantsOf(t) {
		return true
	}
	return false
}
