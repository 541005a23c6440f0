package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

var (
	// ErrNoAccount says that the policy does not have the account.
	ErrNoAccount = errors.New("account is not in the policy")
	// ErrAmbiguous says that several accounts have the name.
	ErrAmbiguous = errors.New("several accounts have the name")
	// ErrNoRole says that the policy does not have the role.
	ErrNoRole = errors.New("role is not in the policy")
)

// AmbiguousError says which accounts have the name that was asked for. It wraps [ErrAmbiguous].
type AmbiguousError struct {
	Name string
	IDs  []string // sorted
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("accounts %s have the name %q; use an id", strings.Join(e.IDs, ", "), e.Name)
}

// Unwrap returns ErrAmbiguous.
func (e *AmbiguousError) Unwrap() error { return ErrAmbiguous }

// Engine answers by one version of a policy. It never changes, so many goroutines may use it at once.
type Engine struct {
	version  int64
	doc      Document
	accounts accounts
	roles    roles
	people   audience
	grants   []grant
	denies   []deny
}

// rules are the grants and deny rules that are about a person, account or role, by their numbers.
type rules struct{ grants, denies set }

func (r rules) addAll(other rules) {
	r.grants.addAll(other.grants)
	r.denies.addAll(other.denies)
}

func (r rules) key() string { return r.grants.key() + r.denies.key() }

// accounts is the index of the accounts.
type accounts struct {
	list    []Account // by name, then by id
	class   []int     // of each account: accounts that the same rules are about share a class
	classes []rules
	byID    map[string]int
	byName  map[string][]int // folded
}

// roles is the index of the roles.
type roles struct {
	list    []Role // in the order of the document, with all defaults filled in
	rules   []rules
	byAlias map[string]int
	byFold  map[string]int // folded aliases
}

// audience is the index of the people.
type audience struct {
	everyone rules
	groups   map[string]rules // folded
	users    map[string]rules // folded
}

// grant is a Grant for its decisions.
type grant struct {
	id          string
	max         time.Duration
	from, until time.Time
	cidr        []netip.Prefix
	windows     []window
	cidrText    string
	hoursText   string
}

// deny is a Deny for its decisions.
type deny struct {
	id          string
	from, until time.Time
}

// Version returns the version that Compile was told.
func (e *Engine) Version() int64 { return e.version }

// Roles returns the roles in the order of the document. It must not be changed.
func (e *Engine) Roles() []Role { return e.roles.list }

// AllAccounts returns all accounts, by name. It must not be changed.
func (e *Engine) AllAccounts() []Account { return e.accounts.list }

// Account finds an account by its id or its name. The error is [ErrNoAccount], or an [*AmbiguousError].
func (e *Engine) Account(nameOrID string) (Account, error) {
	if i, isID := e.accounts.byID[nameOrID]; isID {
		return e.accounts.list[i], nil
	}
	switch found := e.accounts.byName[fold(nameOrID)]; len(found) {
	case 0:
		return Account{}, fmt.Errorf("%q: %w", nameOrID, ErrNoAccount)
	case 1:
		return e.accounts.list[found[0]], nil
	default:
		ids := make([]string, 0, len(found))
		for _, i := range found {
			ids = append(ids, e.accounts.list[i].ID)
		}
		slices.Sort(ids)
		return Account{}, &AmbiguousError{Name: nameOrID, IDs: ids}
	}
}

// Role finds a role by its alias, or else by the name of the IAM role. The error wraps [ErrNoRole]; it says so if several
// aliases stand for the IAM role.
func (e *Engine) Role(aliasOrName string) (Role, error) {
	if i, isAlias := e.roles.byFold[fold(aliasOrName)]; isAlias {
		return e.roles.list[i], nil
	}
	var found []int
	for i, role := range e.roles.list {
		if fold(role.AWS) == fold(aliasOrName) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		return Role{}, fmt.Errorf("%q: %w", aliasOrName, ErrNoRole)
	case 1:
		return e.roles.list[found[0]], nil
	}
	aliases := make([]string, 0, len(found))
	for _, i := range found {
		aliases = append(aliases, e.roles.list[i].Alias)
	}
	return Role{}, fmt.Errorf("%q stands for the roles %s, ask for one of them: %w", aliasOrName, strings.Join(aliases, ", "),
		ErrNoRole)
}

// Compile makes the engine of a document. Version is what its decisions carry. The error is [Problems] with all errors of
// the document. The engine keeps parts of the document, which must not change any more.
func Compile(doc *Document, version int64) (*Engine, error) {
	zones := zones{}
	if err := validate(doc, zones).AsError(); err != nil {
		return nil, err
	}
	e := &Engine{version: version, doc: *doc}
	e.doc.Positions = nil // large, and for problems only
	e.compileRules(doc, zones)
	e.compileRoles(doc)
	e.compilePeople(doc)
	e.compileAccounts(doc)
	return e, nil
}

// newRules returns empty rules of the right size.
func (e *Engine) newRules() rules { return rules{newSet(len(e.grants)), newSet(len(e.denies))} }

// manyRules returns n empty rules.
func (e *Engine) manyRules(n int) []rules {
	one := e.newRules()
	grants, denies := make(set, n*len(one.grants)), make(set, n*len(one.denies))
	list := make([]rules, n)
	for i := range list {
		list[i].grants, grants = grants[:len(one.grants):len(one.grants)], grants[len(one.grants):]
		list[i].denies, denies = denies[:len(one.denies):len(one.denies)], denies[len(one.denies):]
	}
	return list
}

func (e *Engine) compileRules(doc *Document, zones zones) {
	for _, g := range doc.Grants {
		compiled := grant{
			id: g.ID, max: g.Max, from: g.From, until: g.Until, cidr: g.When.CIDR,
			cidrText: joined(g.When.CIDR), hoursText: joined(g.When.Hours),
		}
		for _, h := range g.When.Hours {
			compiled.windows = append(compiled.windows, newWindow(h, zones[h.Zone]))
		}
		e.grants = append(e.grants, compiled)
	}
	for _, d := range doc.Deny {
		e.denies = append(e.denies, deny{id: d.ID, from: d.From, until: d.Until})
	}
}

func (e *Engine) compileRoles(doc *Document) {
	r := roles{list: slices.Clone(doc.Roles), byAlias: map[string]int{}, byFold: map[string]int{}}
	for i := range r.list {
		role := &r.list[i]
		role.Max, role.Path = role.max(), cmp.Or(role.Path, "/")
		r.byAlias[role.Alias], r.byFold[fold(role.Alias)] = i, i
		r.rules = append(r.rules, e.newRules())
	}
	for i, g := range doc.Grants {
		for _, alias := range g.Roles {
			r.rules[r.byFold[fold(alias)]].grants.add(i)
		}
	}
	for i, d := range doc.Deny {
		for _, alias := range d.Roles {
			r.rules[r.byFold[fold(alias)]].denies.add(i)
		}
		for role := range r.rules {
			if len(d.Roles) == 0 {
				r.rules[role].denies.add(i)
			}
		}
	}
	e.roles = r
}

func (e *Engine) compilePeople(doc *Document) {
	e.people = audience{everyone: e.newRules(), groups: map[string]rules{}, users: map[string]rules{}}
	of := func(index map[string]rules, name string) rules {
		found, isKnown := index[fold(name)]
		if !isKnown {
			found = e.newRules()
			index[fold(name)] = found
		}
		return found
	}
	each := func(people People, add func(rules)) {
		for _, group := range people.Groups {
			if fold(group) == Everyone {
				add(e.people.everyone)
			} else {
				add(of(e.people.groups, group))
			}
		}
		for _, user := range people.Users {
			add(of(e.people.users, user))
		}
	}
	for i, g := range doc.Grants {
		each(g.To, func(r rules) { r.grants.add(i) })
	}
	for i, d := range doc.Deny {
		if d.To.isEmpty() {
			e.people.everyone.denies.add(i)
		}
		each(d.To, func(r rules) { r.denies.add(i) })
	}
}

func (e *Engine) compileAccounts(doc *Document) {
	a := indexAccounts(doc.Accounts)
	perAccount := e.manyRules(len(a.list))
	finder := newFinder(a)
	for i, g := range doc.Grants {
		for account := range finder.selected(g.On).all() {
			perAccount[account].grants.add(i)
		}
	}
	for i, d := range doc.Deny {
		for account := range finder.ids(d.IDs).all() {
			perAccount[account].denies.add(i)
		}
	}
	classes := map[string]int{}
	for _, r := range perAccount {
		key := r.key()
		class, isKnown := classes[key]
		if !isKnown {
			class = len(a.classes)
			classes[key] = class
			a.classes = append(a.classes, r)
		}
		a.class = append(a.class, class)
	}
	e.accounts = a
}

// indexAccounts returns the index without the rules.
func indexAccounts(list []Account) accounts {
	a := accounts{list: slices.Clone(list), byID: make(map[string]int, len(list)), byName: make(map[string][]int, len(list))}
	slices.SortFunc(a.list, func(x, y Account) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID)) })
	for i := range a.list {
		account := &a.list[i]
		account.Partition = cmp.Or(account.Partition, "aws")
		a.byID[account.ID] = i
		a.byName[fold(account.Name)] = append(a.byName[fold(account.Name)], i)
	}
	return a
}
