package yaml

import (
	"net/netip"

	"github.com/chaim-go/chaim/gateway/policy"
)

// ParseCases reads cases that test a policy: a list of mappings such as
//
//   - {user: alice, account: sredev, role: rro, may: true}
//   - {groups: [sre], account: "123456789012", role: apu, at: 2026-11-02T10:00:00Z, ip: 10.1.2.3, may: false}
//
// A case names a user, or groups, or both: then the user counts as a member of these groups only. The error is
// [policy.Problems] with all errors.
func ParseCases(text []byte) ([]policy.Case, error) {
	root, problems := tree(text)
	if len(problems) > 0 {
		return nil, problems.Sort()
	}
	r := newReader(root)
	var cases []policy.Case
	r.list(root, "", "cases", func(n *node, path string) { cases = append(cases, r.testCase(n, path)) })
	if len(r.problems) > 0 {
		return nil, r.problems.Sort()
	}
	return cases, nil
}

func (r *reader) testCase(n *node, path string) policy.Case {
	c := policy.Case{Position: n.at}
	seen := map[string]bool{}
	known := fields{
		"user": r.into(&c.User), "groups": r.texts(&c.Groups, "groups"), "account": r.into(&c.Account), "role": r.into(&c.Role),
		"at": r.instant(&c.At), "may": r.bool(&c.May),
		"ip": func(n *node, path string) {
			text, isText := r.text(n, path)
			addr, err := netip.ParseAddr(text)
			if err != nil && isText {
				r.error(n.at, path, "ip is %q; want an address such as 10.1.2.3", text)
			}
			c.Addr = addr
		},
	}
	for name, read := range known {
		known[name] = func(n *node, path string) {
			seen[name] = true
			read(n, path)
		}
	}
	r.object(n, path, known)
	for _, name := range []string{"account", "role", "may"} {
		if n.kind == isMapping && !seen[name] {
			r.error(n.at, path, "the case has no %s", name)
		}
	}
	if n.kind == isMapping && !seen["user"] && !seen["groups"] {
		r.error(n.at, path, "the case names no user and no groups")
	}
	return c
}
