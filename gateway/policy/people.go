package policy

import (
	"cmp"
	"slices"
	"time"
)

// Member is a user with his groups, as the directory of the gateway has them.
type Member struct {
	Name   string
	Groups []string
}

// Access says that a person may use a role.
type Access struct {
	Person string
	Role   string // the alias
	Rights Rights
}

// WhoCan returns who of the people may use an account from an instant on, with which role and by which grants, sorted by
// person and role. An empty role means all roles. The account is an id and the role an alias as [Engine.Role] returns it.
func (e *Engine) WhoCan(accountID, role string, people []Member, at time.Time) (list []Access) {
	i, isKnown := e.accounts.byID[accountID]
	if !isKnown {
		return nil
	}
	about := e.accounts.classes[e.accounts.class[i]]
	for _, m := range people {
		p := e.Person(m.Name, m.Groups)
		for number, r := range e.roles.list {
			if role != "" && r.Alias != role {
				continue
			}
			if rights, may := e.rights(target{p.rules, about, number}, at); may {
				rights.Partition = e.accounts.list[i].Partition
				list = append(list, Access{Person: m.Name, Role: r.Alias, Rights: rights})
			}
		}
	}
	slices.SortFunc(list, func(a, b Access) int { return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Role, b.Role)) })
	return list
}

// RulesOf returns the ids of the grants and deny rules that name a group, in the order of the document.
func (e *Engine) RulesOf(group string) (ids []string) {
	names := func(p People) bool {
		return slices.ContainsFunc(p.Groups, func(name string) bool { return fold(name) == fold(group) })
	}
	for _, g := range e.doc.Grants {
		if names(g.To) {
			ids = append(ids, g.ID)
		}
	}
	for _, d := range e.doc.Deny {
		if names(d.To) {
			ids = append(ids, d.ID)
		}
	}
	return ids
}
