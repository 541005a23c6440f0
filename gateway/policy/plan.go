package policy

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"
)

// Kind says what a new policy does to rights.
type Kind string

// The kinds of changes.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed" // lifetimes or conditions, or what the role is in AWS
)

// Change is what a new policy does to the rights of one person in one account.
type Change struct {
	Person  string
	Account Account
	Role    string // the alias
	Kind    Kind
	Before  Rights // empty if Kind is Added
	After   Rights // empty if Kind is Removed
}

// ChangeGroup is the same change for several people in the same accounts.
type ChangeGroup struct {
	People   []string // sorted
	Accounts Accounts
	Role     string
	Kind     Kind
	Before   Rights
	After    Rights
}

// Accounts are the accounts of a ChangeGroup.
type Accounts struct {
	n       int
	classes set
	list    []numbered[Account]
}

// Len returns how many accounts there are.
func (a Accounts) Len() int { return a.n }

// All yields the accounts by name.
func (a Accounts) All() iter.Seq[Account] {
	return func(yield func(Account) bool) {
		for _, account := range a.list {
			if a.classes.has(account.class) && !yield(account.value) {
				return
			}
		}
	}
}

// Diff is what a new policy changes. It never changes, so many goroutines may use it at once.
type Diff struct {
	counts   map[Kind]int
	groups   []ChangeGroup
	people   []numbered[string]
	accounts []numbered[Account]
	rows     [][]cell // of each class of people
	reach    map[string]*reach
	pairs    int // persons and accounts of the new policy
}

// reach counts the persons and accounts, as pairs, that have a role before and after.
type reach struct{ before, after int }

// numbered is a person or an account with the number of its class.
type numbered[T any] struct {
	value T
	class int
}

// cell is what changes for a class of people in a class of accounts.
type cell struct {
	accounts int
	changes  []*roleChange
}

// roleChange is a change without its person and account.
type roleChange struct {
	id            int // equal changes have the same
	role          string
	kind          Kind
	before, after Rights
}

// Plan compares two engines for the people, from an instant on: what has ended by then does not count. If there was no policy
// before, old is nil. Rights that are written in another way are the same if their longest lifetimes and conditions are; a
// condition that says the same in other words, such as two ranges of addresses for one, is shown as a change.
//
// People that the same rules are about are compared once, and so are accounts. So the time does not grow with the product of
// both numbers, but with that of their kinds.
func Plan(old, new *Engine, people []Member, at time.Time) *Diff {
	if old == nil {
		old = &Engine{}
	}
	p := newPlanner(old, new, at)
	d := &Diff{counts: map[Kind]int{}, reach: map[string]*reach{}, people: p.addPeople(people), accounts: p.addAccounts()}
	d.pairs = len(people) * len(new.accounts.list)
	for _, class := range p.people {
		var row []cell
		for i, accounts := range p.accounts {
			c, pairs := p.compare(class, accounts), len(class.members)*len(accounts.members)
			if len(c.changes) > 0 {
				row = append(row, cell{i, c.changes})
			}
			for _, change := range c.changes {
				d.counts[change.kind] += pairs
			}
			for _, r := range c.roles {
				d.count(r, pairs)
			}
		}
		d.rows = append(d.rows, row)
	}
	d.groups = p.grouped(d.rows, d.accounts)
	return d
}

// Count returns how many rights are changed in this way: one for each person, account and role.
func (d *Diff) Count(kind Kind) int { return d.counts[kind] }

func (d *Diff) count(r roleReach, pairs int) {
	if d.reach[r.alias] == nil {
		d.reach[r.alias] = &reach{}
	}
	if r.could {
		d.reach[r.alias].before += pairs
	}
	if r.can {
		d.reach[r.alias].after += pairs
	}
}

// Alarms says what a reader of many changes must not miss: that no person may use anything any more, or that every person may
// use a role in every account from now on.
func (d *Diff) Alarms() (texts []string) {
	before, after := 0, 0
	for _, r := range d.reach {
		before, after = before+r.before, after+r.after
	}
	if before > 0 && after == 0 {
		texts = append(texts, "with it no person may use anything")
	}
	for _, alias := range slices.Sorted(maps.Keys(d.reach)) {
		if r := d.reach[alias]; len(d.people) > 1 && r.after == d.pairs && r.before < d.pairs {
			texts = append(texts, fmt.Sprintf("with it every person may use %s in every account", alias))
		}
	}
	return texts
}

// IsEmpty reports whether nothing changes.
func (d *Diff) IsEmpty() bool { return len(d.groups) == 0 }

// Groups returns the changes, in few groups: by kind, role and first person. It must not be changed.
func (d *Diff) Groups() []ChangeGroup { return d.groups }

// All yields each change, sorted by person, account and role. There may be millions: see Count before.
func (d *Diff) All() iter.Seq[Change] {
	return func(yield func(Change) bool) {
		byClass := map[int][]*roleChange{}
		for _, person := range d.people {
			clear(byClass)
			for _, cell := range d.rows[person.class] {
				byClass[cell.accounts] = cell.changes
			}
			for _, account := range d.accounts {
				if len(byClass) == 0 {
					break
				}
				for _, c := range byClass[account.class] {
					if !yield(Change{person.value, account.value, c.role, c.kind, c.before, c.after}) {
						return
					}
				}
			}
		}
	}
}

// planner compares classes of people and accounts.
type planner struct {
	old, new *Engine
	at       time.Time
	people   []*class[string]
	accounts []*class[Account]
	roles    []rolePair
	known    map[string]compared // by the rules in both engines
	ids      map[string]int      // of roleChange
}

// compared is what both engines give a class of people in a class of accounts.
type compared struct {
	changes []*roleChange
	roles   []roleReach // those that one of the engines gives
}

// roleReach says whether a role could be used before, and can be used after.
type roleReach struct {
	alias      string
	could, can bool
}

// class are people or accounts that the same rules of both engines are about.
type class[T any] struct {
	old, new      rules
	before, after string // the partitions of the accounts; empty if an engine does not have them
	members       []T
}

// rolePair is a role by its numbers in both engines, -1 where it is not.
type rolePair struct {
	alias    string
	old, new int
}

func newPlanner(old, new *Engine, at time.Time) *planner {
	p := &planner{old: old, new: new, at: at, known: map[string]compared{}, ids: map[string]int{}}
	for i, role := range new.roles.list {
		pair := rolePair{role.Alias, -1, i}
		if other, isKnown := old.roles.byFold[fold(role.Alias)]; isKnown {
			pair.old = other
		}
		p.roles = append(p.roles, pair)
	}
	for i, role := range old.roles.list {
		if _, isKnown := new.roles.byFold[fold(role.Alias)]; !isKnown {
			p.roles = append(p.roles, rolePair{role.Alias, i, -1})
		}
	}
	slices.SortFunc(p.roles, func(a, b rolePair) int { return cmp.Compare(a.alias, b.alias) })
	return p
}

func (p *planner) addPeople(people []Member) (list []numbered[string]) {
	byKey := map[string]int{}
	for _, m := range people {
		before, after := p.old.Person(m.Name, m.Groups).rules, p.new.Person(m.Name, m.Groups).rules
		key := before.key() + after.key()
		number, isKnown := byKey[key]
		if !isKnown {
			number = len(p.people)
			byKey[key] = number
			p.people = append(p.people, &class[string]{old: before, new: after})
		}
		list = append(list, numbered[string]{m.Name, number})
	}
	slices.SortFunc(list, func(a, b numbered[string]) int { return cmp.Compare(a.value, b.value) })
	for _, person := range list {
		p.people[person.class].members = append(p.people[person.class].members, person.value)
	}
	return list
}

func (p *planner) addAccounts() (list []numbered[Account]) {
	all := slices.Clone(p.new.accounts.list)
	for _, a := range p.old.accounts.list {
		if _, isKnown := p.new.accounts.byID[a.ID]; !isKnown {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b Account) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	byKey := map[string]int{}
	for _, a := range all {
		c := &class[Account]{old: p.old.newRules(), new: p.new.newRules()}
		if i, isKnown := p.old.accounts.byID[a.ID]; isKnown {
			c.old, c.before = p.old.accounts.classes[p.old.accounts.class[i]], p.old.accounts.list[i].Partition
		}
		if i, isKnown := p.new.accounts.byID[a.ID]; isKnown {
			c.new, c.after = p.new.accounts.classes[p.new.accounts.class[i]], p.new.accounts.list[i].Partition
		}
		key := c.before + " " + c.after + " " + c.old.key() + c.new.key()
		number, isKnown := byKey[key]
		if !isKnown {
			number = len(p.accounts)
			byKey[key] = number
			p.accounts = append(p.accounts, c)
		}
		p.accounts[number].members = append(p.accounts[number].members, a)
		list = append(list, numbered[Account]{a, number})
	}
	return list
}

// compare returns what changes for a class of people in a class of accounts, by role.
func (p *planner) compare(people *class[string], accounts *class[Account]) compared {
	key := make([]byte, 0, 256)
	both := func(a, b set) (isEmpty bool) {
		isEmpty = true
		for i := range a {
			key = binary.LittleEndian.AppendUint64(key, a[i]&b[i])
			isEmpty = isEmpty && a[i]&b[i] == 0
		}
		return isEmpty
	}
	hadNone, hasNone := both(people.old.grants, accounts.old.grants), both(people.new.grants, accounts.new.grants)
	if hadNone && hasNone {
		return compared{}
	}
	both(people.old.denies, accounts.old.denies)
	both(people.new.denies, accounts.new.denies)
	key = append(append(append(key, accounts.before...), ' '), accounts.after...)
	if both, isKnown := p.known[string(key)]; isKnown {
		return both
	}
	var found compared
	for _, role := range p.roles {
		c, r := p.compareRole(people, accounts, role)
		if c != nil {
			found.changes = append(found.changes, c)
		}
		if r.could || r.can {
			found.roles = append(found.roles, r)
		}
	}
	p.known[string(key)] = found
	return found
}

func (p *planner) compareRole(people *class[string], accounts *class[Account], role rolePair) (*roleChange, roleReach) {
	c := &roleChange{role: role.alias}
	var could, can bool
	if role.old >= 0 {
		c.before, could = p.old.rights(target{people.old, accounts.old, role.old}, p.at)
	}
	if role.new >= 0 {
		c.after, can = p.new.rights(target{people.new, accounts.new, role.new}, p.at)
	}
	if could {
		c.before.Partition = accounts.before
	} else {
		c.before = Rights{}
	}
	if can {
		c.after.Partition = accounts.after
	} else {
		c.after = Rights{}
	}
	r := roleReach{role.alias, could, can}
	before, after := c.before.key(), c.after.key()
	switch {
	case before == after:
		return nil, r
	case !could:
		c.kind = Added
	case !can:
		c.kind = Removed
	default:
		c.kind = Changed
	}
	key := c.role + "\n" + before + "\n->" + after
	if _, isKnown := p.ids[key]; !isKnown {
		p.ids[key] = len(p.ids)
	}
	c.id = p.ids[key]
	return c, r
}

// grouped joins people that have the same change in the same accounts.
func (p *planner) grouped(rows [][]cell, accounts []numbered[Account]) (groups []ChangeGroup) {
	byKey := map[string]int{}
	for number, row := range rows {
		where := map[int]set{} // classes of accounts by change
		example := map[int]*roleChange{}
		for _, cell := range row {
			for _, c := range cell.changes {
				if where[c.id] == nil {
					where[c.id], example[c.id] = newSet(len(p.accounts)), c
				}
				where[c.id].add(cell.accounts)
			}
		}
		for id, classes := range where {
			key := fmt.Sprint(id, " ", classes.key())
			i, isKnown := byKey[key]
			if !isKnown {
				i = len(groups)
				byKey[key] = i
				c := example[id]
				groups = append(groups, ChangeGroup{
					Role: c.role, Kind: c.kind, Before: c.before, After: c.after, Accounts: p.inClasses(classes, accounts),
				})
			}
			groups[i].People = append(groups[i].People, p.people[number].members...)
		}
	}
	for _, g := range groups {
		slices.Sort(g.People)
	}
	slices.SortFunc(groups, func(a, b ChangeGroup) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Role, b.Role), cmp.Compare(a.People[0], b.People[0]),
			slices.Compare(a.Accounts.classes, b.Accounts.classes), cmp.Compare(a.Before.key(), b.Before.key()),
			cmp.Compare(a.After.key(), b.After.key()))
	})
	return groups
}

func (p *planner) inClasses(classes set, list []numbered[Account]) Accounts {
	a := Accounts{classes: classes, list: list}
	for class := range classes.all() {
		a.n += len(p.accounts[class].members)
	}
	return a
}
