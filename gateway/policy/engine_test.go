package policy

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThePackageImportsTheStandardLibraryOnly(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	out, err := list.Output()
	require.NoError(t, err)
	assert.Equal(t, []string{"github.com/chaim-go/chaim/gateway/policy"}, strings.Fields(string(out)))
}

func TestADocumentThatWasNotReadFromATextIsCheckedToo(t *testing.T) {
	good := Grant{ID: "g", To: anyone, On: all, Roles: toRead}
	for want, change := range map[string]func(d *Document, g *Grant){
		"roles: the policy has no roles":                                             func(d *Document, g *Grant) { d.Roles = nil },
		`roles[0]: role alias "": want 1 to 64 letters`:                              func(d *Document, g *Grant) { d.Roles[0].Alias = "" },
		`roles.rro.aws: role "rro" has no aws`:                                       func(d *Document, g *Grant) { d.Roles[0].AWS = "" },
		"accounts[0].id: account id \"1\": want 12 digits":                           func(d *Document, g *Grant) { d.Accounts[0].ID = "1" },
		"accounts[1].id: account 111111111111 is there twice":                        func(d *Document, g *Grant) { d.Accounts[1].ID = dev },
		`accounts[0].partition: partition "x"`:                                       func(d *Document, g *Grant) { d.Accounts[0].Partition = "x" },
		`accounts[0].tags.a=b: tag "a=b": want a name`:                               func(d *Document, g *Grant) { d.Accounts[0].Tags["a=b"] = "c" },
		`grants[0].on: grant "g" selects no accounts`:                                func(d *Document, g *Grant) { g.On = Selector{IDs: []string{}} },
		`grants[0].on.tags.env: tag "env" has no values`:                             func(d *Document, g *Grant) { g.On.Tags = map[string][]string{"env": nil} },
		`grants[0].on.ou[0]: pattern "a//b" has an empty segment`:                    func(d *Document, g *Grant) { g.On.OU = []string{"a//b"} },
		"more than 16 \"*\"":                                                         func(d *Document, g *Grant) { g.On.Names = []string{strings.Repeat("*a", 17)} },
		`grants[0].to: grant "g" names no groups`:                                    func(d *Document, g *Grant) { g.To = People{} },
		"grants[0].roles: grant \"g\" names no roles":                                func(d *Document, g *Grant) { g.Roles = nil },
		"grants[0].max: max is 1s; AWS gives keys of a role for 15m to 12h":          func(d *Document, g *Grant) { g.Max = time.Second },
		"grants[0].when.cidr[0]: cidr invalid Prefix: want a range":                  func(d *Document, g *Grant) { g.When.CIDR = make([]netip.Prefix, 1) },
		"grants[0].when.hours[0]: hours  00:00-00:00  have no length":                func(d *Document, g *Grant) { g.When.Hours = make([]Hours, 1) },
		"grants[0].when.hours: 33 windows of hours; 32 are the limit":                func(d *Document, g *Grant) { g.When.Hours = make([]Hours, MaxHours+1) },
		"grants[0].until: until 2026-11-02T10:00:00Z is not after from":              func(d *Document, g *Grant) { g.From, g.Until = monday, monday },
		"deny[0].on: deny rule \"d\" names no accounts":                              func(d *Document, g *Grant) { d.Deny = []Deny{{ID: "d"}} },
		"deny[0].id: rule id \"G\" is there twice":                                   func(d *Document, g *Grant) { d.Deny = []Deny{{ID: "G", IDs: []string{dev}}} },
		"the policy has 5001 rules of one kind; 5000 are the limit":                  func(d *Document, g *Grant) { d.Deny = make([]Deny, MaxGrants+1) },
		`deny[0].roles[0]: the policy has no role "none"; it has rro, apu`:           func(d *Document, g *Grant) { d.Deny = []Deny{{ID: "d", IDs: []string{dev}, Roles: []string{"none"}}} },
		`grants[0].to.groups[0]: group " a": want a name without`:                    func(d *Document, g *Grant) { g.To = People{Groups: []string{" a"}} },
		`accounts[0].name: account name "a\n": want at most 127 bytes`:               func(d *Document, g *Grant) { d.Accounts[0].Name = "a\n" },
		`accounts[0].tags.k: tag k: values of tags are compared as they are, "*" is`: func(d *Document, g *Grant) { d.Accounts[0].Tags["k"] = "*" },
	} {
		t.Run(want, func(t *testing.T) {
			doc := small([]Grant{good})
			change(doc, &doc.Grants[0])
			_, err := Compile(doc, 1)
			problems := Problems{}
			require.ErrorAs(t, err, &problems)
			assert.ErrorContains(t, err, want)
		})
	}
	_, err := Compile(small([]Grant{good}), 1)
	require.NoError(t, err)
}

func TestRulesThatNameAGroup(t *testing.T) {
	ops := Grant{ID: "ops", To: People{Groups: []string{"OPS"}}, On: Selector{IDs: []string{dev}}, Roles: toRead}
	all := Grant{ID: "all", To: People{Groups: []string{Everyone}, Users: []string{"ops"}}, On: Selector{IDs: []string{dev}}, Roles: toRead}
	e := compile(t, small([]Grant{all, ops}, Deny{ID: "no-ops", To: People{Groups: []string{"sre", "ops"}}, IDs: []string{dev}}))
	assert.Equal(t, []string{"ops", "no-ops"}, e.RulesOf("ops"))
	assert.Equal(t, []string{"no-ops"}, e.RulesOf("SRE"))
	assert.Empty(t, e.RulesOf("none"))
}

func TestAnEngineDoesNotChangeWithItsLists(t *testing.T) {
	doc := small([]Grant{{ID: "g", To: anyone, On: all, Roles: toRead}})
	e := compile(t, doc)
	doc.Accounts[0].Name, doc.Roles[0].Alias = "other", "other"
	_, err := e.Account("dev")
	require.NoError(t, err)
	assert.True(t, e.Decide(Query{Person: e.Person("alice", nil), Account: dev, Role: "rro", At: monday}).Allow)
}

func TestPatternsTakeNoTimeWithManyStars(t *testing.T) {
	name := strings.Repeat("a/", 60) + "b"
	text := "**/a*a*/**/a*/**/a*/**/a/**/c"
	require.Empty(t, checkPattern(text[:len(text)-2]))
	start := time.Now()
	for range 1000 {
		assert.False(t, parsePattern(text).matches(parsePattern(name)))
	}
	assert.Less(t, time.Since(start), 5*time.Second)
}

func TestProblemsPrintAsLines(t *testing.T) {
	p := Problems{
		{Position: Position{2, 1}, Message: "b"},
		{Position: Position{1, 9}, Message: "a", Severity: Warning},
		{Position: Position{2, 1}, Message: "b"},
		{Path: "deny[0]", Message: "d"},
		{Message: "e"},
	}.Sort()
	assert.Equal(t, "deny[0]: d\ne\nline 1, column 9: warning: a\nline 2, column 1: b", p.Error())
	assert.Len(t, p.Warnings(), 1)
	assert.EqualError(t, p.AsError(), "deny[0]: d\ne\nline 2, column 1: b")
	assert.NoError(t, p.Warnings().AsError())
	var many Problems
	for i := range 60 {
		many = append(many, Problem{Message: fmt.Sprint("problem ", i)})
	}
	assert.True(t, strings.HasSuffix(many.Error(), "problem 49\nand 10 more"))
}
