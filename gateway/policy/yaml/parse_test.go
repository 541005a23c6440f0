package yaml

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/policy"
)

func readExample(t testing.TB) []byte {
	text, err := os.ReadFile("../testdata/example.yaml")
	require.NoError(t, err)
	return text
}

func TestTheExampleCompilesWithoutWarnings(t *testing.T) {
	doc, err := Parse(readExample(t))
	require.NoError(t, err)
	assert.Empty(t, policy.Check(doc, &policy.Directory{Groups: []string{"SRE"}, Users: []string{"alice", "bob"}}))
	engine, err := policy.Compile(doc, 7)
	require.NoError(t, err)
	assert.EqualValues(t, 7, engine.Version())
	assert.Len(t, engine.AllAccounts(), 4)
}

func TestTheExampleMeansWhatItSays(t *testing.T) {
	doc, err := Parse(readExample(t))
	require.NoError(t, err)
	doc.Positions = nil
	utc := func(month time.Month, day, hour int) time.Time {
		return time.Date(2026, month, day, hour, 0, 0, 0, time.UTC)
	}
	assert.Equal(t, []policy.Role{
		{Alias: "rro", AWS: "CrossAccountReadOnly", Max: 12 * time.Hour, Console: true},
		{Alias: "apu", AWS: "CrossAccountAdminUser", Path: "/team/", Max: time.Hour},
	}, doc.Roles)
	assert.Equal(t, policy.Account{ID: "123456789012", Name: "sredev", OU: "root/dev/sre", Tags: map[string]string{"env": "dev", "team": "sre"}}, doc.Accounts[0])
	assert.Equal(t, []policy.Grant{
		{
			ID: "everyone-reads-dev", To: policy.People{Groups: []string{"everyone"}}, Roles: []string{"rro"},
			On: policy.Selector{Tags: map[string][]string{"env": {"dev", "test"}}, OU: []string{"root/dev/**"}},
		},
		{
			ID: "sre-admin", To: policy.People{Groups: []string{"sre"}, Users: []string{"alice"}}, Roles: []string{"rro", "apu"},
			On: policy.Selector{Names: []string{"**"}, Except: policy.Except{IDs: []string{"999999999999"}}},
			When: policy.When{
				CIDR: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
				Hours: []policy.Hours{
					{Days: 0b0111110, From: 7 * 60, To: 20 * 60, Zone: "Europe/London"},
					{Days: 0b1000000, From: 22 * 60, To: 4 * 60, Zone: "Europe/London"},
				},
			},
			Max: 4 * time.Hour,
		},
		{
			ID: "audit-2026", To: policy.People{Users: []string{"bob"}}, On: policy.Selector{IDs: []string{"999999999999"}},
			Roles: []string{"rro"}, From: utc(11, 2, 0), Until: utc(11, 5, 0),
		},
	}, doc.Grants)
	assert.Equal(t, []policy.Deny{{
		ID: "freeze", IDs: []string{"210987654321"}, Roles: []string{"apu"}, From: utc(12, 20, 0), Until: utc(12, 27, 9),
	}}, doc.Deny)
}

const head = "version: 1\nroles: {r: {aws: R}}\n"

func TestProblemsHaveTheirPlace(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"empty":         {"", "line 1, column 1: the document is empty"},
		"comment":       {"# nothing\n", "line 1, column 1: the document is empty"},
		"a list":        {"- a\n", "line 1, column 1: the document is a list; want a mapping (key: value)"},
		"a text":        {"hello", "line 1, column 1: the document is a text; want a mapping (key: value)"},
		"no version":    {"roles: {r: {aws: R}}\n", "line 1, column 1: the version of the form is missing; write version: 1"},
		"version":       {"version: 2\nroles: {r: {aws: R}}\n", "line 1, column 10: version must be 1, which is the only one"},
		"text version":  {"version: '1'\nroles: {r: {aws: R}}\n", "line 1, column 10: version must be 1, which is the only one"},
		"no roles":      {"version: 1\n", "line 1, column 1: the policy has no roles"},
		"documents":     {head + "---\nversion: 1\n", "line 3, column 1: there is more than one document; a policy is one"},
		"anchor":        {head + "deny: &x [{}]\n", "line 3, column 7: anchors (&) are not allowed here: write the value itself, in one line"},
		"alias":         {head + "deny: *x\n", "line 3, column 7: aliases (*) are not allowed here: write the value itself, in one line"},
		"merge key":     {"version: 1\nroles: {r: {<<: {aws: R}}}\n", "line 2, column 13: merge keys (<<) are not allowed here: write the value itself, in one line"},
		"tag":           {"version: !!int 1\n", "line 1, column 10: tags (!) are not allowed here: write the value itself, in one line"},
		"complex key":   {"? {a: b}\n: c\n", "line 1, column 1: keys that are no texts (?) are not allowed here: write the value itself, in one line"},
		"lines":         {"version: 1\nroles: {r: {aws: R}}\ngrants: |\n  x\n", "line 3, column 9: texts of several lines (|) are not allowed here: write the value itself, in one line"},
		"syntax":        {"version: 1\nroles: {r: {aws: R}\n", "line 2, column 8: no valid YAML: could not find flow mapping end token '}'"},
		"not UTF-8":     {"version: 1\nrol\xff", "line 2, column 4: the document must be text in UTF-8 without control characters"},
		"control":       {"version: 1 \x00", "line 1, column 12: the document must be text in UTF-8 without control characters"},
		"deep flow":     {strings.Repeat("[", 100_000), "line 1, column 17: nested too deep; 16 levels are the limit"},
		"deep block":    {strings.Repeat("- ", 100_000), "line 1, column 33: nested too deep; 16 levels are the limit"},
		"wide mapping":  {strings.Repeat("a: b\n", 100_000), "line 1001, column 2: too many keys in one mapping; 1000 are the limit"},
		"wide flow":     {"{" + strings.Repeat("a: b, ", 80_000), "line 1, column 6003: too many keys in one mapping; 1000 are the limit"},
		"wide list":     {strings.Repeat("-\n", 200_000), "line 20001, column 1: too many values in one list; 20000 are the limit"},
		"too large":     {head + strings.Repeat("#", policy.MaxDocument), "line 1, column 1: the document has 524320 bytes; 524288 are the limit"},
		"key twice":     {"version: 1\nroles: {r: {aws: R}, r: {aws: Q}}\n", `line 2, column 22: key "r" is there twice, first in line 2`},
		"role twice":    {"version: 1\nroles: {r: {aws: R}, R: {aws: Q}}\n", `line 2, column 22: role "R" is there twice; case makes no difference`},
		"unknown key":   {head + "grant: []\n", `line 3, column 1: unknown key "grant"; did you mean "grants"?`},
		"unlike key":    {head + "something: []\n", `line 3, column 1: unknown key "something"; the keys here are accounts, deny, grants, roles, version`},
		"later section": {head + "workloads: {}\n", "line 3, column 1: workloads is not yet supported by this gateway"},
		"admin":         {head + "admin: {policy: [x]}\n", "line 3, column 1: admin is not yet supported by this gateway"},
		"risk":          {"version: 1\nroles: {r: {aws: R, risk: high}}\n", "line 2, column 21: risk is not yet supported by this gateway"},
		"role ARN":      {"version: 1\nroles: {r: {aws: a/b}}\n", `line 2, column 18: role "r": aws must be the name of the IAM role, not an ARN or a path; it is "a/b"`},
		"role":          {"version: 1\nroles: {r: {max: 1h}}\n", `line 2, column 9: role "r" has no aws, the name of the IAM role`},
		"role path":     {"version: 1\nroles: {r: {aws: R, path: x}}\n", `line 2, column 27: path "x" of an IAM role must begin and end with a slash`},
		"role max":      {"version: 1\nroles: {r: {aws: R, max: 13h}}\n", "line 2, column 26: max is 13h0m0s; AWS gives keys of a role for 15m to 12h"},
		"max number":    {"version: 1\nroles: {r: {aws: R, max: 3600}}\n", "line 2, column 26: max is a number; want a time such as 12h, 90m or 1h30m"},
		"max fraction":  {"version: 1\nroles: {r: {aws: R, max: 1h0.5s}}\n", "line 2, column 26: max is 1h0m0.5s; it must be whole seconds"},
		"console":       {"version: 1\nroles: {r: {aws: R, console: yes}}\n", "line 2, column 30: console is a text; want true or false"},
		"null":          {head + "grants:\n", "line 3, column 1: grants has no value; want a list of grants"},
		"empty list":    {head + "grants: []\n", "line 3, column 9: grants is empty; write at least one value, or leave it out"},
	} {
		t.Run(name, func(t *testing.T) { assertProblem(t, tc.text, tc.want) })
	}
}

func assertProblem(t *testing.T, text, want string) {
	doc, err := Parse([]byte(text))
	assert.Nil(t, doc)
	problems := policy.Problems{}
	require.ErrorAs(t, err, &problems)
	assert.Equal(t, want, err.Error())
}

func TestProblemsOfAccounts(t *testing.T) {
	for text, want := range map[string]string{
		`{id: 123456789012, name: a}`:                       `6: account ids must be in quotes: "123456789012"`,
		`{id: 012345678901, name: a}`:                       `6: account ids must be in quotes: "012345678901"`,
		`{id: 1234-5678-9012, name: a}`:                     `6: account ids must be in quotes: "1234-5678-9012"`,
		`{id: "12345678901", name: a}`:                      `6: account id "12345678901": want 12 digits in quotes`,
		`{name: a}`:                                         `2: the account has no id`,
		`{id: "123456789012"}`:                              `2: account 123456789012 has no name`,
		`{id: "123456789012", name: 5}`:                     `28: name is a number; write a text in quotes: "5"`,
		`{id: "123456789012", name: " a"}`:                  `28: account name " a": want at most 127 bytes, no control characters, and no spaces around it`,
		`{id: "123456789012", name: "123456789019"}`:        `28: account 123456789012 has the name 123456789019, which would be taken for another account's id`,
		`{id: "123456789012", name: a, ou: /root}`:          `35: OU "/root": want the names of the OUs with slashes between them, such as "root/dev"`,
		`{id: "123456789012", name: a, partition: azure}`:   `42: AWS has no partition "azure"; there are aws, aws-cn, aws-us-gov and others`,
		`{id: "123456789012", name: a, tags: {a: true}}`:    `41: a is true or false; write a text in quotes: "true"`,
		`{id: "123456789012", name: a, tags: {a: "x*"}}`:    `41: tag a: values of tags are compared as they are, "*" is no pattern here`,
		`{id: "123456789012", name: a, tags: {}}`:           `37: tags is empty`,
		`{id: "123456789012", name: a, email: a@b.c}`:       `31: unknown key "email"; the keys here are id, name, ou, partition, tags`,
		`{id: "123456789012", name: "ä ö €", Tags: {a: b}}`: `37: unknown key "Tags"; did you mean "tags"?`,
	} {
		t.Run(text, func(t *testing.T) {
			column, message, _ := strings.Cut(want, ": ")
			at := 0 // in the text, which stands after "- "
			_, _ = fmt.Sscan(column, &at)
			assertProblem(t, head+"accounts:\n- "+text+"\n", fmt.Sprintf("line 4, column %d: %s", at+2, message))
		})
	}
}

func TestProblemsOfRules(t *testing.T) {
	const grant = "grants:\n- id: g\n  to: {groups: [g]}\n  on: {ids: ['123456789012']}\n  roles: [r]\n"
	for name, tc := range map[string]struct{ text, want string }{
		"no id":             {strings.Replace(grant, "- id: g\n ", "-", 1), "line 4, column 3: the rule has no id"},
		"id":                {strings.Replace(grant, "id: g", "id: a b", 1), `line 4, column 7: id "a b" of the rule: want 1 to 64 letters, digits, dots, dashes or underscores, with a letter or digit first`},
		"no people":         {strings.Replace(grant, "  to: {groups: [g]}\n", "", 1), `line 4, column 3: grant "g" names no groups and no users in to`},
		"empty to":          {strings.Replace(grant, "{groups: [g]}", "{}", 1), "line 5, column 7: to is empty"},
		"empty groups":      {strings.Replace(grant, "[g]", "[]", 1), "line 5, column 16: groups is empty; write at least one value, or leave it out"},
		"workloads":         {strings.Replace(grant, "groups: [g]", "workloads: [g]", 1), "line 5, column 8: workloads is not yet supported by this gateway"},
		"group pattern":     {strings.Replace(grant, "[g]", "['g*']", 1), `line 5, column 17: group "g*": want a name without "*", spaces around it and control characters`},
		"user":              {strings.Replace(grant, "groups: [g]", "users: [a b]", 1), `line 5, column 16: user "a b": want 2 to 64 letters, digits, dots, dashes, underscores or @`},
		"no accounts":       {strings.Replace(grant, "  on: {ids: ['123456789012']}\n", "", 1), `line 4, column 3: grant "g" selects no accounts in on; for all accounts write on: {names: ["**"]}`},
		"only except":       {strings.Replace(grant, "ids:", "except: {ids:", 1) + "}\n", ""},
		"empty on":          {strings.Replace(grant, "{ids: ['123456789012']}", "{}", 1), "line 6, column 7: on is empty"},
		"number":            {strings.Replace(grant, "'123456789012'", "123456789012", 1), `line 6, column 14: account ids must be in quotes: "123456789012"`},
		"pattern":           {strings.Replace(grant, "ids: ['123456789012']", "names: [a**]", 1), `line 6, column 16: pattern "a**": "**" must stand alone between slashes`},
		"except names":      {strings.Replace(grant, "ids: [", "except: {names: [x]}, ids: [", 1), "line 6, column 17: names is not supported in except: the administrators of an account can change its name; use ids, tags or ou"},
		"no roles":          {strings.Replace(grant, "  roles: [r]\n", "", 1), `line 4, column 3: grant "g" names no roles`},
		"role":              {strings.Replace(grant, "[r]", "[r, q]", 1), `line 7, column 14: the policy has no role "q"; it has r`},
		"roles":             {strings.Replace(grant, "[r]", "r", 1), "line 7, column 10: roles is a text; want a list of role aliases"},
		"approval":          {grant + "  approval: {}\n", "line 8, column 3: approval is not yet supported by this gateway"},
		"break glass":       {grant + "  break_glass: {}\n", "line 8, column 3: break_glass is not yet supported by this gateway"},
		"acr":               {grant + "  when: {acr: [mfa]}\n", "line 8, column 10: acr is not yet supported by this gateway"},
		"empty when":        {grant + "  when: {}\n", "line 8, column 9: when is empty"},
		"cidr":              {grant + "  when: {cidr: [10.1.2.3]}\n", `line 8, column 17: cidr "10.1.2.3": want a range of addresses such as 10.0.0.0/8, or 192.0.2.7/32 for one address`},
		"cidr bits":         {grant + "  when: {cidr: [10.1.2.3/8]}\n", "line 8, column 17: cidr 10.1.2.3/8 has bits behind its length; it could mean 10.0.0.0/8 or 10.1.2.3/32"},
		"mapped cidr":       {grant + "  when: {cidr: ['::ffff:10.0.0.0/104']}\n", "line 8, column 17: cidr ::ffff:10.0.0.0/104: want a range of addresses such as 10.0.0.0/8 or 2001:db8::/32"},
		"hours":             {grant + "  when: {hours: Mon 7-8}\n", `line 8, column 17: hours "Mon 7-8": want days, times and a time zone as in "Mon-Fri 07:00-20:00 Europe/London"`},
		"zone":              {grant + "  when: {hours: ['Mon 07:00-08:00 UTC', 'Mon 07:00-08:00 Local']}\n", `line 8, column 41: hours: "Local" is no time zone; write one such as "Europe/London" or "UTC"`},
		"max":               {grant + "  max: 5m\n", "line 8, column 8: max is 5m0s; AWS gives keys of a role for 15m to 12h"},
		"from":              {grant + "  from: 2026-12-27\n", `line 8, column 9: from is "2026-12-27"; want a time with its zone such as 2026-12-27T09:00:00Z, not before the year 2000`},
		"old":               {grant + "  from: 0001-01-01T00:00:00Z\n", `line 8, column 9: from is "0001-01-01T00:00:00Z"; want a time with its zone such as 2026-12-27T09:00:00Z, not before the year 2000`},
		"until before from": {grant + "  from: 2026-01-02T00:00:00Z\n  until: 2026-01-02T00:00:00Z\n", "line 9, column 10: until 2026-01-02T00:00:00Z is not after from 2026-01-02T00:00:00Z"},
		"deny by tags":      {"deny: [{id: d, on: {tags: {env: prod}}}]\n", "line 3, column 21: tags is not supported in a deny rule: it takes ids only, since those of an account never change"},
		"deny without ids":  {"deny: [{id: d}]\n", `line 3, column 9: deny rule "d" names no accounts in on.ids`},
		"deny when":         {"deny: [{id: d, on: {ids: ['123456789012']}, when: {}}]\n", `line 3, column 45: unknown key "when"; the keys here are from, id, on, roles, to, until`},
		"ids twice":         {grant + "deny: [{id: G, on: {ids: ['123456789012']}}]\n", `line 8, column 13: rule id "G" is there twice; grants and deny rules share their ids, and case makes no difference`},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want == "" {
				tc.want = `line 6, column 3: grant "g" selects no accounts in on; for all accounts write on: {names: ["**"]}`
				tc.text = strings.Replace(grant, "{ids: ['123456789012']}", "{except: {ids: ['123456789012']}}", 1)
			}
			assertProblem(t, head+tc.text, tc.want)
		})
	}
}

func TestAllProblemsAreTold(t *testing.T) {
	_, err := Parse([]byte("versio: 1\nroles: {r: {}}\ngrants:\n- {id: g, roles: [q], approval: {}}\n"))
	problems := policy.Problems{}
	require.ErrorAs(t, err, &problems)
	var lines []string
	for _, p := range problems {
		assert.Equal(t, policy.Error, p.Severity)
		lines = append(lines, p.String())
	}
	assert.Equal(t, []string{
		`line 1, column 1: the version of the form is missing; write version: 1`,
		`line 1, column 1: unknown key "versio"; did you mean "version"?`,
		`line 2, column 12: r is empty`,
		`line 4, column 4: grant "g" names no groups and no users in to`,
		`line 4, column 4: grant "g" selects no accounts in on; for all accounts write on: {names: ["**"]}`,
		`line 4, column 19: the policy has no role "q"; it has r`,
		`line 4, column 23: approval is not yet supported by this gateway`,
	}, lines)
}

func TestTooManyGrants(t *testing.T) {
	text := head + "grants:\n" + strings.Repeat("- {}\n", policy.MaxGrants+1)
	_, err := Parse([]byte(text))
	assert.ErrorContains(t, err, "5001 rules of one kind; 5000 are the limit")
	assert.ErrorContains(t, err, "more", "an error prints few problems only")
}

func TestWarnings(t *testing.T) {
	doc, err := Parse([]byte(`version: 1
roles: {r: {aws: S}, s: {aws: T}}
accounts:
- {id: "111111111111", name: a}
- {id: "222222222222", name: A}
grants:
- {id: g, to: {groups: [nobody], users: [zed]}, on: {names: [a]}, roles: [r]}
- {id: h, to: {groups: [sre]}, on: {ids: ["333333333333"]}, roles: [R]}
- {id: i, to: {groups: [Everyone]}, on: {names: ["*"], except: {ids: ["444444444444"]}}, roles: [r]}
deny:
- {id: d, to: {groups: [none]}, on: {ids: ["555555555555"]}}
`))
	require.NoError(t, err)
	var lines []string
	for _, p := range policy.Check(doc, &policy.Directory{Groups: []string{"sre"}, Users: []string{"alice"}}) {
		lines = append(lines, p.String())
	}
	assert.Equal(t, []string{
		`line 2, column 18: warning: IAM role "S" of "r" is also an alias; people who ask for it get the role of the alias`,
		`line 5, column 30: warning: accounts 111111111111 and 222222222222 have the name "A"; people must ask for them by id`,
		`line 7, column 25: there is no group "nobody"; there are everyone, sre`,
		`line 7, column 42: warning: there is no user "zed"`,
		`line 7, column 54: warning: grant "g" selects accounts by name, and the administrators of an account can change its name; ids, tags or OUs are safer`,
		`line 8, column 32: warning: grant "h" selects none of the accounts`,
		`line 8, column 43: warning: the policy has no account 333333333333`,
		`line 9, column 71: warning: the policy has no account 444444444444`,
		`line 11, column 25: there is no group "none"; there are everyone, sre`,
		`line 11, column 44: warning: the policy has no account 555555555555`,
	}, lines)
	problems := policy.Check(doc, nil)
	assert.NoError(t, problems.AsError())
	assert.Len(t, problems.Warnings(), 7)
}

func TestWhatIsAllowedBesides(t *testing.T) {
	for name, text := range map[string]string{
		"start and end of a document": "---\n" + head + "...\n",
		"line ends of Windows":        strings.ReplaceAll(head, "\n", "\r\n"),
		"no end of line":              strings.TrimSpace(head),
		"JSON":                        `{"version": 1, "roles": {"r": {"aws": "R"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(text))
			assert.NoError(t, err)
		})
	}
}

func TestCases(t *testing.T) {
	cases, err := ParseCases([]byte(`# what must hold
- {user: alice, account: sredev, role: rro, may: true}
- {groups: [sre], account: "123456789012", role: apu, at: 2026-11-02T10:00:00Z, ip: 10.1.2.3, may: false}
`))
	require.NoError(t, err)
	assert.Equal(t, []policy.Case{
		{Position: policy.Position{Line: 2, Column: 4}, User: "alice", Account: "sredev", Role: "rro", May: true},
		{
			Position: policy.Position{Line: 3, Column: 4}, Groups: []string{"sre"}, Account: "123456789012", Role: "apu",
			At: time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC), Addr: netip.MustParseAddr("10.1.2.3"),
		},
	}, cases)

	_, err = ParseCases([]byte("- {user: a, ip: x, rule: r}\n- {account: 123456789012, role: r, may: no, groups: []}\n- x\n"))
	assert.EqualError(t, err, strings.Join([]string{
		`line 1, column 4: the case has no account`,
		`line 1, column 4: the case has no may`,
		`line 1, column 4: the case has no role`,
		`line 1, column 17: ip is "x"; want an address such as 10.1.2.3`,
		`line 1, column 20: unknown key "rule"; did you mean "role"?`,
		`line 2, column 13: account is a number; write a text in quotes: "123456789012"`,
		`line 2, column 41: may is a text; want true or false`,
		`line 2, column 53: groups is empty; write at least one value, or leave it out`,
		`line 3, column 3: [2] is a text; want a mapping (key: value)`,
	}, "\n"))
	_, err = ParseCases([]byte("cases: []\n"))
	assert.ErrorContains(t, err, "the document is a mapping; want a list of cases")
}

// FuzzParse: any text is read or refused with a place, and what is read compiles.
func FuzzParse(f *testing.F) {
	f.Add(readExample(f))
	f.Add([]byte(head + "grants:\n- {id: g, to: {users: [ab]}, on: {ou: ['**/x']}, roles: [r], when: {hours: 'Fri 22:00-06:00 UTC'}}\n"))
	for _, text := range []string{"", "[", "{", "? a", "&a b", "*a", "a: b: c", "\"", "'", "|", "%A", "- - -", "a: |\n b", "!!x y", "---\n---", "{a: b, c", "\t", "a:\n\t- b"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := Parse(text)
		if err == nil {
			_, err = policy.Compile(doc, 1)
			require.NoError(t, err)
			return
		}
		problems := policy.Problems{}
		require.True(t, errors.As(err, &problems))
		require.NotEmpty(t, problems)
		for _, p := range problems {
			require.Positive(t, p.Line, p)
			require.Positive(t, p.Column, p)
			require.NotEmpty(t, p.Message)
		}
		_, _ = ParseCases(text)
	})
}

// large is a document of about the greatest size.
func large() []byte {
	var text strings.Builder
	text.WriteString(head + "accounts:\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "- {id: \"%012d\", name: a%d, tags: {env: dev}}\n", i, i)
	}
	text.WriteString("grants:\n")
	for i := range 2500 {
		fmt.Fprintf(&text, "- {id: g%d, to: {groups: [g%d]}, on: {ids: [\"%012d\"]}, roles: [r]}\n", i, i, i)
	}
	return []byte(text.String())
}

func BenchmarkParse(b *testing.B) {
	text := large()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := Parse(text)
		require.NoError(b, err)
	}
}

func TestGroupsOfAProviderAreKnownBeforeAMemberSignsIn(t *testing.T) {
	doc, err := Parse([]byte(`version: 1
roles: {r: {aws: R}}
accounts: [{id: "111111111111", name: a}]
grants:
- {id: g, to: {groups: ["corp:ops", "Corp:SRE", "other:ops", "corp:", "corp"]}, on: {ids: ["111111111111"]}, roles: [r]}
`))
	require.NoError(t, err)
	var lines []string
	for _, p := range policy.Check(doc, &policy.Directory{Groups: []string{"corp:sre"}, Prefixes: []string{"corp:"}}) {
		lines = append(lines, p.String())
	}
	assert.Equal(t, []string{
		`line 5, column 25: warning: no member of group "corp:ops" has signed in yet`,
		`line 5, column 49: there is no group "other:ops"; there are corp:sre, everyone`,
		`line 5, column 62: there is no group "corp:"; there are corp:sre, everyone`,
		`line 5, column 71: there is no group "corp"; there are corp:sre, everyone`,
	}, lines)
}
