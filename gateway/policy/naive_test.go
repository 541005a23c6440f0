package policy

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// naive decides by reading the document from top to bottom, in the words of its rules. It shares no code with the engine but
// the types.
type naive struct{ doc *Document }

type naiveQuery struct {
	user   string
	groups []string
	id     string
	role   string
	at     time.Time
	addr   netip.Addr
}

func (n naive) decide(q naiveQuery) Decision {
	var account *Account
	for i := range n.doc.Accounts {
		if n.doc.Accounts[i].ID == q.id {
			account = &n.doc.Accounts[i]
		}
	}
	if account == nil {
		return Decision{Reason: NoAccount}
	}
	var role *Role
	for i := range n.doc.Roles {
		if n.doc.Roles[i].Alias == q.role {
			role = &n.doc.Roles[i]
		}
	}
	if role == nil {
		return Decision{Reason: NoRole}
	}
	var upcoming *Deny
	for i := range n.doc.Deny {
		d := &n.doc.Deny[i]
		isAbout := n.calls(d.To, q) || len(d.To.Groups) == 0 && len(d.To.Users) == 0
		isAbout = isAbout && slices.Contains(d.IDs, q.id) && (len(d.Roles) == 0 || containsFold(d.Roles, q.role))
		switch {
		case !isAbout || !d.Until.IsZero() && !q.at.Before(d.Until):
		case d.From.IsZero() || !q.at.Before(d.From):
			return Decision{Reason: Denied, Deny: d.ID}
		case upcoming == nil || d.From.Before(upcoming.From):
			upcoming = d
		}
	}
	best := Decision{Reason: NoGrant}
	for _, g := range n.doc.Grants {
		if !n.calls(g.To, q) || !containsFold(g.Roles, q.role) || !n.selects(g.On, account) {
			continue
		}
		if found, isOpen := n.lifetime(g, *role, q); isOpen && (best.Grant == "" || found.Max > best.Max) {
			best = found
		}
	}
	if best.Grant == "" {
		return best
	}
	if upcoming != nil {
		switch left := seconds(upcoming.From.Sub(q.at)); {
		case left < best.Max:
			best.Max, best.Caps, best.Deny = left, CapDeny, upcoming.ID
		case left == best.Max:
			best.Caps, best.Deny = best.Caps|CapDeny, upcoming.ID
		}
	}
	best.Allow = best.Max >= 15*time.Minute
	best.Reason = TooShort
	if best.Allow {
		best.Reason = Allowed
	}
	return best
}

func seconds(d time.Duration) time.Duration { return d / time.Second * time.Second }

func containsFold(list []string, text string) bool {
	return slices.ContainsFunc(list, func(other string) bool { return strings.EqualFold(other, text) })
}

func (n naive) calls(p People, q naiveQuery) bool {
	for _, group := range p.Groups {
		if strings.EqualFold(group, "everyone") || containsFold(q.groups, group) {
			return true
		}
	}
	return containsFold(p.Users, q.user)
}

func (n naive) selects(s Selector, a *Account) bool {
	if len(s.IDs) > 0 && !slices.Contains(s.IDs, a.ID) ||
		len(s.Names) > 0 && !slices.ContainsFunc(s.Names, func(p string) bool { return naiveMatch(p, a.Name) }) ||
		len(s.OU) > 0 && (a.OU == "" || !slices.ContainsFunc(s.OU, func(p string) bool { return naiveMatch(p, a.OU) })) {
		return false
	}
	for key, values := range s.Tags {
		if value, isThere := a.Tags[key]; !isThere || !slices.Contains(values, value) {
			return false
		}
	}
	for key, values := range s.Except.Tags {
		if value, isThere := a.Tags[key]; isThere && slices.Contains(values, value) {
			return false
		}
	}
	return !slices.Contains(s.Except.IDs, a.ID) &&
		(a.OU == "" || !slices.ContainsFunc(s.Except.OU, func(p string) bool { return naiveMatch(p, a.OU) }))
}

func naiveMatch(pattern, text string) bool {
	return naiveSegments(strings.Split(strings.ToLower(pattern), "/"), strings.Split(strings.ToLower(text), "/"))
}

func naiveSegments(pattern, text []string) bool {
	switch {
	case len(pattern) == 0:
		return len(text) == 0
	case pattern[0] == "**":
		return naiveSegments(pattern[1:], text) || len(text) > 0 && naiveSegments(pattern, text[1:])
	default:
		return len(text) > 0 && naiveLetters(pattern[0], text[0]) && naiveSegments(pattern[1:], text[1:])
	}
}

func naiveLetters(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return naiveLetters(pattern[1:], text) || text != "" && naiveLetters(pattern, text[1:])
	default:
		return text != "" && pattern[0] == text[0] && naiveLetters(pattern[1:], text[1:])
	}
}

// lifetime is that of a grant which is about the person, account and role.
func (n naive) lifetime(g Grant, role Role, q naiveQuery) (Decision, bool) {
	if !g.From.IsZero() && q.at.Before(g.From) || !g.Until.IsZero() && !q.at.Before(g.Until) {
		return Decision{}, false
	}
	if len(g.When.CIDR) > 0 && !slices.ContainsFunc(g.When.CIDR, func(p netip.Prefix) bool { return p.Contains(q.addr.Unmap()) }) {
		return Decision{}, false
	}
	longest := role.Max
	if longest == 0 {
		longest = time.Hour
	}
	all := map[Caps]time.Duration{CapRole: longest}
	if g.Max > 0 {
		all[CapGrant] = g.Max
	}
	if !g.Until.IsZero() {
		all[CapUntil] = seconds(g.Until.Sub(q.at))
	}
	if len(g.When.Hours) > 0 {
		if !naiveOpen(g.When.Hours, q.at) {
			return Decision{}, false
		}
		// All ends in these tests are at quarters of an hour.
		end := q.at.Truncate(15 * time.Minute).Add(15 * time.Minute)
		for naiveOpen(g.When.Hours, end) && end.Sub(q.at) <= 13*time.Hour {
			end = end.Add(15 * time.Minute)
		}
		all[CapHours] = seconds(end.Sub(q.at))
	}
	d := Decision{Grant: g.ID, Max: 1000 * time.Hour}
	for _, max := range all {
		d.Max = min(d.Max, max)
	}
	for c, max := range all {
		if max == d.Max {
			d.Caps |= c
		}
	}
	return d, true
}

// naiveOpen reads the clock on the wall.
func naiveOpen(hours []Hours, at time.Time) bool {
	for _, h := range hours {
		zone := testZones[h.Zone]
		wall := at.In(zone)
		minute := wall.Hour()*60 + wall.Minute()
		today, yesterday := h.Days.Has(wall.Weekday()), h.Days.Has((wall.Weekday()+6)%7)
		isOvernight := h.To <= h.From
		switch {
		case !isOvernight && today && h.From <= minute && minute < h.To,
			isOvernight && today && h.From <= minute,
			isOvernight && yesterday && minute < h.To:
			return true
		}
	}
	return false
}

var testZones = func() map[string]*time.Location {
	zones := map[string]*time.Location{}
	for _, name := range []string{"UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			panic(err)
		}
		zones[name] = zone
	}
	return zones
}()
