package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Explanation says why a decision is what it is. It is for administrators: it names rules, groups and accounts that the person
// may not know.
type Explanation struct {
	Query    Query
	Decision Decision
	Account  Account // empty if the policy does not have it
	Role     Role    // empty if the policy does not have it
	Grants   []Near  // those that allow it; if there are none, those that nearly do, MaxNear at most
	Denies   []Pause // the deny rules against it that have not ended, by their start
	Version  int64   // of the policy
}

// MaxNear is the number of grants in an Explanation that nearly allow something.
const MaxNear = 20

// Near is a grant and what is missing for it to allow something.
type Near struct {
	Grant   string
	Missing []Missing     // nothing if it allows it
	Max     time.Duration // the longest lifetime, if it allows it
	Caps    Caps          // what makes Max as short as it is
}

// Lack is what a grant wants otherwise.
type Lack string

// What can be missing.
const (
	LacksPerson  Lack = "group" // the person is in none of the groups, and not named
	LacksAccount Lack = "account"
	LacksRole    Lack = "role"
	LacksTime    Lack = "time"
	LacksAddress Lack = "address"
)

// Missing is one thing that keeps a grant from allowing something.
type Missing struct {
	Lack Lack
	Text string // in words
}

// Explain says why [Engine.Decide] answers a query as it does, and which grants nearly allow it: those that lack one thing,
// or else two.
func (e *Engine) Explain(q Query) Explanation {
	x := Explanation{Query: q, Decision: e.Decide(q), Version: e.version}
	account, isAccount := e.accounts.byID[q.Account]
	role, isRole := e.roles.byAlias[q.Role]
	if isAccount {
		x.Account = e.accounts.list[account]
	}
	if isRole {
		x.Role = e.roles.list[role]
	}
	if !isAccount || !isRole || q.Person.engine != e {
		return x
	}
	t := target{q.Person.rules, e.accounts.classes[e.accounts.class[account]], role}
	for i := range e.deniesOf(t) {
		if d := e.denies[i]; d.until.IsZero() || q.At.Before(d.until) {
			x.Denies = append(x.Denies, Pause{Deny: d.id, From: notBefore(d.from, q.At), Until: d.until})
		}
	}
	slices.SortStableFunc(x.Denies, func(a, b Pause) int { return a.From.Compare(b.From) })
	all := make([]Near, 0, len(e.grants))
	for i := range e.grants {
		all = append(all, e.near(i, t, q, x))
	}
	x.Grants = nearest(all)
	return x
}

// nearest returns the grants that lack least, if they lack two things at most.
func nearest(all []Near) []Near {
	slices.SortStableFunc(all, func(a, b Near) int {
		return cmp.Or(cmp.Compare(len(a.Missing), len(b.Missing)), cmp.Compare(b.Max, a.Max))
	})
	n := 0
	for n < min(len(all), MaxNear) && len(all[n].Missing) <= min(2, max(1, len(all[0].Missing))) {
		if len(all[0].Missing) == 0 && len(all[n].Missing) > 0 {
			break
		}
		n++
	}
	return slices.Clip(all[:n])
}

// near compares a query with one grant.
func (e *Engine) near(i int, t target, q Query, x Explanation) Near {
	g, doc := &e.grants[i], &e.doc.Grants[i]
	n := Near{Grant: g.id}
	lack := func(what Lack, format string, args ...any) {
		n.Missing = append(n.Missing, Missing{what, fmt.Sprintf(format, args...)})
	}
	if !t.person.grants.has(i) {
		lack(LacksPerson, "it is for %s; %s is in %s", peopleText(doc.To), q.Person.who(), groupsText(q.Person.groups))
	}
	if !e.roles.rules[t.role].grants.has(i) {
		lack(LacksRole, "it gives %s, not %s", strings.Join(doc.Roles, ", "), q.Role)
	}
	if !t.account.grants.has(i) {
		lack(LacksAccount, "it does not select the account: %s", whyNotSelected(doc.On, x.Account))
	}
	addr := q.Addr.Unmap().WithZone("")
	if !g.isFrom(addr) {
		lack(LacksAddress, "it is for addresses in %s; the address is %s", g.cidrText, addressText(addr))
	}
	switch {
	case q.At.Before(g.from):
		lack(LacksTime, "it begins at %s", g.from.UTC().Format(time.RFC3339))
	case !g.until.IsZero() && !q.At.Before(g.until):
		lack(LacksTime, "it ended at %s", g.until.UTC().Format(time.RFC3339))
	case len(g.windows) > 0:
		if _, isOpen := openUntil(g.windows, q.At, q.At); !isOpen {
			lack(LacksTime, "it holds on %s; there it is %s", g.hoursText, q.At.In(g.windows[0].zone).Format("Mon 15:04"))
		}
	}
	if len(n.Missing) == 0 {
		n.Max, n.Caps, _ = g.lifetime(x.Role.Max, q.At, addr)
	}
	return n
}

func peopleText(p People) string {
	var parts []string
	if len(p.Groups) > 0 {
		parts = append(parts, "the groups "+strings.Join(p.Groups, ", "))
	}
	if len(p.Users) > 0 {
		parts = append(parts, "the users "+strings.Join(p.Users, ", "))
	}
	return strings.Join(parts, " and ")
}

// who names the person, who has no name in a test of groups.
func (p Person) who() string { return cmp.Or(p.name, "this person") }

func groupsText(groups []string) string {
	return strings.Join(append([]string{Everyone}, groups...), ", ")
}

func addressText(addr netip.Addr) string {
	if !addr.IsValid() {
		return "unknown"
	}
	return addr.String()
}

// whyNotSelected names the fields of a selector that an account does not match.
func whyNotSelected(s Selector, a Account) string {
	one := newFinder(indexAccounts([]Account{a}))
	var reasons []string
	check := func(part Selector, isUsed bool, reason string) {
		if isUsed && one.selected(part).isEmpty() {
			reasons = append(reasons, reason)
		}
	}
	check(Selector{IDs: s.IDs}, len(s.IDs) > 0, "its id is not among the ids")
	check(Selector{Names: s.Names}, len(s.Names) > 0, fmt.Sprintf("its name %q matches none of the names", a.Name))
	for key, values := range s.Tags {
		check(Selector{Tags: map[string][]string{key: values}}, true, fmt.Sprintf("its tag %s is %q", key, a.Tags[key]))
	}
	check(Selector{OU: s.OU}, len(s.OU) > 0, fmt.Sprintf("its OU %q matches none of the OUs", a.OU))
	slices.Sort(reasons)
	if len(reasons) == 0 {
		return "except takes it out"
	}
	return strings.Join(reasons, ", ")
}

var reasonTexts = map[Reason]string{
	NoGrant: "no grant allows it", NoAccount: "the policy does not have the account", NoRole: "the policy does not have the role",
	OtherPolicy: "the person was looked up by another version of the policy",
}

// Text says in one line what was decided and why.
func (d Decision) Text() string {
	caps := d.Caps.String()
	if d.Caps&CapDeny != 0 {
		caps += " " + d.Deny
	}
	switch d.Reason {
	case Allowed:
		return fmt.Sprintf("grant %s allows it for %s: %s", d.Grant, shortDuration(d.Max), caps)
	case TooShort:
		return fmt.Sprintf("grant %s allows it for %s only, and AWS gives keys for %s at least: %s", d.Grant, shortDuration(d.Max),
			shortDuration(MinLifetime), caps)
	case Denied:
		return fmt.Sprintf("deny rule %s refuses it", d.Deny)
	default:
		return reasonTexts[d.Reason]
	}
}

// String returns the explanation in lines of text.
func (x Explanation) String() string {
	var text strings.Builder
	answer := "no"
	if x.Decision.Allow {
		answer = "yes"
	}
	name := x.Query.Account
	if x.Account.ID != "" {
		name = fmt.Sprintf("%s (%s)", x.Account.Name, x.Account.ID)
	}
	fmt.Fprintf(&text, "%s: %s as %s in %s at %s from %s, by version %d of the policy: %s\n", answer, x.Query.Person.who(), x.Query.Role,
		name, x.Query.At.UTC().Format(time.RFC3339), addressText(x.Query.Addr), x.Version, x.Decision.Text())
	for _, d := range x.Denies {
		fmt.Fprintf(&text, "  deny rule %s: refuses it%s\n", d.Deny, cmp.Or(span(d.From, d.Until), " now, without an end"))
	}
	for _, g := range x.Grants {
		if len(g.Missing) == 0 {
			fmt.Fprintf(&text, "  grant %s: allows it for %s: %s\n", g.Grant, shortDuration(g.Max), g.Caps)
			continue
		}
		lacks := make([]string, 0, len(g.Missing))
		for _, m := range g.Missing {
			lacks = append(lacks, m.Text)
		}
		fmt.Fprintf(&text, "  grant %s does not: %s\n", g.Grant, strings.Join(lacks, "; "))
	}
	return text.String()
}
