package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rights are all ways in which a person may use a role in an account, at some time and from some address.
type Rights struct {
	Role      Role
	Partition string  // of the account
	Ways      []Way   // none that another one contains; the longest lifetimes first
	Pauses    []Pause // deny rules that hold now or will, by their start
}

// Way is how one grant gives a role.
type Way struct {
	Grant string
	Max   time.Duration // the longest lifetime of the keys
	CIDR  string        // the ranges of addresses, sorted; empty means from everywhere
	Hours string        // sorted; empty means at all hours
	From  time.Time     // zero if it has begun
	Until time.Time     // zero if it does not end
}

// Pause is a time in which a deny rule refuses it.
type Pause struct {
	Deny  string
	From  time.Time // zero if it has begun
	Until time.Time // zero if it does not end
}

// String returns the way in words.
func (w Way) String() string {
	text := shortDuration(w.Max)
	if w.CIDR != "" {
		text += " from " + w.CIDR
	}
	if w.Hours != "" {
		text += " on " + w.Hours
	}
	return text + span(w.From, w.Until) + " (grant " + w.Grant + ")"
}

// String returns the pause in words.
func (p Pause) String() string {
	return "refused" + cmp.Or(span(p.From, p.Until), " from now on") + " (deny rule " + p.Deny + ")"
}

// String returns the rights in words; those that do not exist are "no".
func (r Rights) String() string {
	if len(r.Ways) == 0 {
		return "no"
	}
	var parts []string
	for _, w := range r.Ways {
		parts = append(parts, w.String())
	}
	text := strings.Join(parts, " or ")
	for _, p := range r.Pauses {
		text += ", " + p.String()
	}
	return text
}

func span(from, until time.Time) (text string) {
	if !from.IsZero() {
		text += " after " + from.UTC().Format(time.RFC3339)
	}
	if !until.IsZero() {
		text += " until " + until.UTC().Format(time.RFC3339)
	}
	return text
}

// shortDuration writes 4h instead of 4h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if short, isMinutes := strings.CutSuffix(text, "m0s"); isMinutes {
		text = short + "m"
	}
	if short, isHours := strings.CutSuffix(text, "h0m"); isHours {
		text = short + "h"
	}
	return text
}

// rights returns the rights from an instant on. What has ended by then does not count. It returns false if there are none.
func (e *Engine) rights(t target, at time.Time) (Rights, bool) {
	r := Rights{Role: e.roles.list[t.role]}
	for i := range e.deniesOf(t) {
		d := &e.denies[i]
		if !d.until.IsZero() && !at.Before(d.until) {
			continue
		}
		p := Pause{Deny: d.id, From: notBefore(d.from, at), Until: d.until}
		if p.From.IsZero() && p.Until.IsZero() {
			return Rights{}, false
		}
		r.Pauses = append(r.Pauses, p)
	}
	for i := range e.grantsOf(t) {
		g := &e.grants[i]
		if g.until.IsZero() || at.Before(g.until) {
			r.Ways = append(r.Ways, g.way(r.Role.Max, at))
		}
	}
	r.Ways = withoutContained(r.Ways)
	slices.SortFunc(r.Pauses, func(a, b Pause) int {
		return cmp.Or(a.From.Compare(b.From), a.Until.Compare(b.Until), cmp.Compare(a.Deny, b.Deny))
	})
	return r, len(r.Ways) > 0
}

// notBefore returns zero for a time that has come.
func notBefore(from, at time.Time) time.Time {
	if from.After(at) {
		return from
	}
	return time.Time{}
}

func (g *grant) way(roleMax time.Duration, at time.Time) Way {
	return Way{Grant: g.id, Max: g.longest(roleMax), CIDR: g.cidrText, Hours: g.hoursText, From: notBefore(g.from, at), Until: g.until}
}

// joined returns the texts sorted and without repetitions.
func joined[T fmt.Stringer](list []T) string {
	var texts []string
	for _, item := range list {
		texts = append(texts, item.String())
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ", ")
}

// contains reports whether the way w makes the other one needless.
func (w Way) contains(other Way) bool {
	return w.Max >= other.Max && (w.CIDR == "" || w.CIDR == other.CIDR) && (w.Hours == "" || w.Hours == other.Hours) &&
		!w.From.After(other.From) && (w.Until.IsZero() || !other.Until.IsZero() && !w.Until.Before(other.Until))
}

func withoutContained(ways []Way) (kept []Way) {
	slices.SortStableFunc(ways, func(a, b Way) int {
		return cmp.Or(cmp.Compare(b.Max, a.Max), cmp.Compare(a.CIDR, b.CIDR), cmp.Compare(a.Hours, b.Hours), a.From.Compare(b.From),
			a.Until.Compare(b.Until))
	})
	for i, w := range ways {
		isNeeded := true
		for j, other := range ways {
			if i != j && other.contains(w) && (!w.contains(other) || j < i) {
				isNeeded = false
			}
		}
		if isNeeded {
			kept = append(kept, w)
		}
	}
	return kept
}

// key is the same for rights that mean the same. The ids of rules do not count.
func (r Rights) key() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%q %q %v %v %q", r.Role.AWS, r.Role.Path, r.Role.Console, r.Role.Max, r.Partition)
	for _, w := range r.Ways {
		fmt.Fprintf(&text, "\nway %v %s %s %d %d", w.Max, w.CIDR, w.Hours, w.From.UnixMicro(), w.Until.UnixMicro())
	}
	for _, p := range r.Pauses {
		fmt.Fprintf(&text, "\npause %d %d", p.From.UnixMicro(), p.Until.UnixMicro())
	}
	return text.String()
}
