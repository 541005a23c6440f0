// Package yaml reads policies, and cases that test them, from YAML.
//
// It reads strictly: an unknown key, an empty list, a key that is there twice, an account id without quotes, an anchor or a
// second document is an error with its line and column.
package yaml

import (
	"net/netip"

	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/internal/partition"
)

// Parse reads a policy. The error is [policy.Problems] with all errors, each with its line and column. What it accepts
// compiles. Groups, users and warnings are left to [policy.Check].
func Parse(text []byte) (*policy.Document, error) {
	root, problems := tree(text)
	if len(problems) > 0 {
		return nil, problems.Sort()
	}
	r := newReader(root)
	if root.kind != isMapping {
		r.wrong(root, "", "a mapping (key: value)")
		return nil, r.problems
	}
	doc := r.document(root)
	r.problems = append(r.problems, r.unexplained(policy.Check(doc, nil).Errors())...)
	if len(r.problems) > 0 {
		return nil, r.problems.Sort()
	}
	return doc, nil
}

// unexplained drops the problems of parts that could not be read, or that hold such a part: they only follow from that.
func (r *reader) unexplained(problems policy.Problems) (left policy.Problems) {
	unread, holders := map[string]bool{}, map[string]bool{}
	for _, p := range r.problems {
		unread[p.Path] = true
		for path := p.Path; path != ""; path = policy.Parent(path) {
			holders[path] = true
		}
	}
	for _, p := range problems {
		follows := holders[p.Path]
		for path := p.Path; path != ""; path = policy.Parent(path) {
			follows = follows || unread[path]
		}
		if !follows {
			left = append(left, p)
		}
	}
	return left
}

func (r *reader) document(root *node) *policy.Document {
	doc := &policy.Document{Positions: r.positions}
	version := false
	r.object(root, "", fields{
		"version": func(n *node, path string) {
			if version = true; n.kind != isNumber || n.text != "1" {
				r.error(n.at, path, "version must be 1, which is the only one")
			}
		},
		"roles": func(n *node, path string) {
			r.mapping(n, path, func(e entry, path string) {
				doc.Roles = append(doc.Roles, r.role(e, path))
			})
		},
		"accounts": func(n *node, path string) {
			r.list(n, path, "accounts", func(n *node, path string) { doc.Accounts = append(doc.Accounts, r.account(n, path)) })
		},
		"grants": func(n *node, path string) {
			r.list(n, path, "grants", func(n *node, path string) { doc.Grants = append(doc.Grants, r.grant(n, path)) })
		},
		"deny": func(n *node, path string) {
			r.list(n, path, "deny rules", func(n *node, path string) { doc.Deny = append(doc.Deny, r.deny(n, path)) })
		},
	}, "workloads", "admin")
	if !version {
		r.error(root.at, "version", "the version of the form is missing; write version: 1")
	}
	return doc
}

func (r *reader) role(e entry, path string) policy.Role {
	role := policy.Role{Alias: e.key}
	r.object(e.value, path, fields{
		"aws": r.into(&role.AWS), "path": r.into(&role.Path), "max": r.duration(&role.Max), "console": r.bool(&role.Console),
	}, "risk")
	return role
}

func (r *reader) account(n *node, path string) (a policy.Account) {
	r.object(n, path, fields{
		"id": r.id(&a.ID), "name": r.into(&a.Name), "ou": r.into(&a.OU),
		"partition": func(n *node, path string) {
			text, isText := r.text(n, path)
			if isText && partition.Region(text) == "" {
				r.error(n.at, path, "AWS has no partition %q; there are aws, aws-cn, aws-us-gov and others", text)
			}
			a.Partition = text
		},
		"tags": func(n *node, path string) {
			a.Tags = map[string]string{}
			r.mapping(n, path, func(e entry, path string) { a.Tags[e.key], _ = r.text(e.value, path) })
		},
	})
	return a
}

func (r *reader) grant(n *node, path string) (g policy.Grant) {
	r.object(n, path, fields{
		"id": r.into(&g.ID), "to": r.people(&g.To), "on": r.selector(&g.On), "roles": r.texts(&g.Roles, "role aliases"),
		"when": r.when(&g.When), "max": r.duration(&g.Max), "from": r.instant(&g.From), "until": r.instant(&g.Until),
	}, "approval", "break_glass")
	return g
}

func (r *reader) deny(n *node, path string) (d policy.Deny) {
	r.object(n, path, fields{
		"id": r.into(&d.ID), "to": r.people(&d.To), "roles": r.texts(&d.Roles, "role aliases"),
		"from": r.instant(&d.From), "until": r.instant(&d.Until),
		"on": func(n *node, path string) {
			only := func(n *node, path string) {
				r.error(r.positions[path], path, "%s is not supported in a deny rule: it takes ids only, since those of an account never change",
					nameOf(path))
			}
			r.object(n, path, fields{"ids": r.ids(&d.IDs), "names": only, "tags": only, "ou": only, "except": only})
		},
	})
	return d
}

func (r *reader) people(to *policy.People) func(*node, string) {
	return func(n *node, path string) {
		r.object(n, path, fields{"groups": r.texts(&to.Groups, "groups"), "users": r.texts(&to.Users, "users")}, "workloads")
	}
}

func (r *reader) selector(to *policy.Selector) func(*node, string) {
	return func(n *node, path string) {
		r.object(n, path, fields{
			"ids": r.ids(&to.IDs), "names": r.texts(&to.Names, "names"), "tags": r.tags(&to.Tags), "ou": r.texts(&to.OU, "OUs"),
			"except": func(n *node, path string) {
				r.object(n, path, fields{
					"ids": r.ids(&to.Except.IDs), "tags": r.tags(&to.Except.Tags), "ou": r.texts(&to.Except.OU, "OUs"),
					"names": func(_ *node, path string) {
						r.error(r.positions[path], path, "names is not supported in except: the administrators of an account "+
							"can change its name; use ids, tags or ou")
					},
				})
			},
		})
	}
}

// tags reads what tags an account must have: each with a value or a list of values.
func (r *reader) tags(to *map[string][]string) func(*node, string) {
	return func(n *node, path string) {
		*to = map[string][]string{}
		r.mapping(n, path, func(e entry, path string) {
			var values []string
			if e.value.kind == isList {
				r.texts(&values, "values")(e.value, path)
			} else if text, isText := r.text(e.value, path); isText {
				values = append(values, text)
			}
			(*to)[e.key] = values
		})
	}
}

func (r *reader) when(to *policy.When) func(*node, string) {
	return func(n *node, path string) {
		hours := func(n *node, path string) {
			text, isText := r.text(n, path)
			h, err := policy.ParseHours(text)
			if err != nil && isText {
				r.error(n.at, path, "%s", err)
			}
			to.Hours = append(to.Hours, h)
		}
		r.object(n, path, fields{
			"cidr": func(n *node, path string) {
				r.list(n, path, "ranges of addresses", func(n *node, path string) {
					text, isText := r.text(n, path)
					prefix, err := netip.ParsePrefix(text)
					if err != nil && isText {
						r.error(n.at, path, "cidr %q: want a range of addresses such as 10.0.0.0/8, or 192.0.2.7/32 for one address", text)
					}
					to.CIDR = append(to.CIDR, prefix)
				})
			},
			"hours": func(n *node, path string) {
				if n.kind == isList {
					r.list(n, path, "hours", hours)
					return
				}
				r.positions[path+"[0]"] = n.at
				hours(n, path+"[0]")
			},
		}, "acr")
	}
}
