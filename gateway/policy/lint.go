package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// lint returns the warnings that a document has by itself.
func lint(doc *Document) (problems Problems) {
	warn := func(path, format string, args ...any) {
		problems = append(problems, doc.problem(Warning, path, format, args...))
	}
	names, ids := map[string]string{}, map[string]bool{}
	for i, a := range doc.Accounts {
		ids[a.ID] = true
		if other, isKnown := names[fold(a.Name)]; isKnown {
			warn(fmt.Sprintf("accounts[%d].name", i), "accounts %s and %s have the name %q; people must ask for them by id",
				other, a.ID, a.Name)
		}
		names[fold(a.Name)] = a.ID
	}
	unknown := func(path string, list []string) {
		for i, id := range list {
			if IsAccountID(id) && !ids[id] {
				warn(fmt.Sprintf("%s[%d]", path, i), "the policy has no account %s", id)
			}
		}
	}
	lintRoles(doc.Roles, warn)
	finder := newFinder(indexAccounts(doc.Accounts))
	for i, g := range doc.Grants {
		path := fmt.Sprintf("grants[%d]", i)
		unknown(path+".on.ids", g.On.IDs)
		unknown(path+".on.except.ids", g.On.Except.IDs)
		if isByName(g.On) {
			warn(path+".on.names", "grant %q selects accounts by name, and the administrators of an account can change its name; "+
				"ids, tags or OUs are safer", g.ID)
		}
		if !g.On.isEmpty() && finder.selected(g.On).isEmpty() {
			warn(path+".on", "grant %q selects none of the accounts", g.ID)
		}
	}
	for i, d := range doc.Deny {
		unknown(fmt.Sprintf("deny[%d].on.ids", i), d.IDs)
	}
	return problems
}

// isByName reports whether names decide, which they do not if every name matches.
func isByName(s Selector) bool {
	return len(s.Names) > 0 && !slices.Contains(s.Names, "**") && !slices.Contains(s.Names, "*")
}

func lintRoles(roles []Role, warn func(path, format string, args ...any)) {
	aliases := map[string]string{}
	for _, r := range roles {
		aliases[fold(r.Alias)] = r.Alias
	}
	for i, r := range roles {
		if other, isAlias := aliases[fold(r.AWS)]; isAlias && other != r.Alias {
			warn(rolePath(i, r)+".aws", "IAM role %q of %q is also an alias; people who ask for it get the role of the alias",
				r.AWS, r.Alias)
		}
	}
}

// checkPeople compares the groups and users of a document with those that exist.
func checkPeople(doc *Document, directory Directory) (problems Problems) {
	groups, users := map[string]bool{Everyone: true}, map[string]bool{}
	for _, group := range directory.Groups {
		groups[fold(group)] = true
	}
	for _, user := range directory.Users {
		users[fold(user)] = true
	}
	check := func(path string, p People) {
		for i, group := range p.Groups {
			at := fmt.Sprintf("%s.groups[%d]", path, i)
			switch {
			case groups[fold(group)]:
			case directory.isExpected(group):
				problems = append(problems, doc.problem(Warning, at, "no member of group %q has signed in yet", group))
			default:
				problems = append(problems, doc.problem(Error, at, "there is no group %q%s", group, groupsHint(groups)))
			}
		}
		for i, user := range p.Users {
			if !users[fold(user)] {
				path := fmt.Sprintf("%s.users[%d]", path, i)
				problems = append(problems, doc.problem(Warning, path, "there is no user %q", user))
			}
		}
	}
	for i, g := range doc.Grants {
		check(fmt.Sprintf("grants[%d].to", i), g.To)
	}
	for i, d := range doc.Deny {
		check(fmt.Sprintf("deny[%d].to", i), d.To)
	}
	return problems
}

// isExpected reports whether a group may be one whose members have not signed in yet.
func (d Directory) isExpected(group string) bool {
	return slices.ContainsFunc(d.Prefixes, func(prefix string) bool {
		rest, isBelow := strings.CutPrefix(fold(group), fold(prefix))
		return isBelow && rest != ""
	})
}

func groupsHint(groups map[string]bool) string {
	if len(groups) > 20 {
		return ""
	}
	return "; there are " + strings.Join(slices.Sorted(maps.Keys(groups)), ", ")
}
