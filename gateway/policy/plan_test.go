package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func lines(d *Diff) (lines []string) {
	for c := range d.All() {
		lines = append(lines, fmt.Sprintf("%s %s %s %s: %s -> %s", c.Kind, c.Person, c.Account.Name, c.Role, c.Before, c.After))
	}
	return lines
}

var staff = []Member{{"carol", nil}, {"alice", []string{"sre"}}, {"bob", []string{"SRE", "ops"}}}

func TestPlanNamesEachPersonAccountAndRole(t *testing.T) {
	sre := Grant{ID: "sre", To: People{Groups: []string{"sre"}}, On: Selector{IDs: []string{dev}}, Roles: toRead}
	ops := Grant{ID: "ops", To: People{Groups: []string{"ops"}}, On: Selector{IDs: []string{dev, prod}}, Roles: []string{"apu"}}
	with := func(g Grant, change func(g *Grant)) Grant {
		change(&g)
		return g
	}
	for name, tc := range map[string]struct {
		old, new *Document
		want     []string
	}{
		"nothing":      {small([]Grant{sre, ops}), small([]Grant{ops, sre}), nil},
		"another id":   {small([]Grant{sre}), small([]Grant{with(sre, func(g *Grant) { g.ID = "new" })}), nil},
		"first":        {nil, small([]Grant{sre}), []string{"added alice Dev rro: no -> 12h (grant sre)", "added bob Dev rro: no -> 12h (grant sre)"}},
		"added":        {small([]Grant{sre}), small([]Grant{sre, ops}), []string{"added bob Dev apu: no -> 1h (grant ops)", "added bob prod/eu apu: no -> 1h (grant ops)"}},
		"taken away":   {small([]Grant{sre}), small(nil), []string{"removed alice Dev rro: 12h (grant sre) -> no", "removed bob Dev rro: 12h (grant sre) -> no"}},
		"a narrower":   {small([]Grant{sre}), small([]Grant{sre, with(sre, func(g *Grant) { g.ID, g.Max = "x", time.Hour })}), nil},
		"an ended":     {small([]Grant{sre}), small([]Grant{sre, with(ops, func(g *Grant) { g.Until = monday })}), nil},
		"ended denies": {small([]Grant{sre}), small([]Grant{sre}, Deny{ID: "d", IDs: []string{dev}, Until: monday}), nil},
		"longer": {small([]Grant{with(sre, func(g *Grant) { g.Max = time.Hour })}), small([]Grant{sre}), []string{
			"changed alice Dev rro: 1h (grant sre) -> 12h (grant sre)", "changed bob Dev rro: 1h (grant sre) -> 12h (grant sre)",
		}},
		"a condition": {small([]Grant{ops}), small([]Grant{with(ops, func(g *Grant) {
			g.On.IDs, g.When.CIDR = []string{prod}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		})}), []string{
			"removed bob Dev apu: 1h (grant ops) -> no", "changed bob prod/eu apu: 1h (grant ops) -> 1h from 10.0.0.0/8 (grant ops)",
		}},
		"a deny for ever": {small([]Grant{ops}), small([]Grant{ops}, Deny{ID: "d", IDs: []string{prod}}), []string{"removed bob prod/eu apu: 1h (grant ops) -> no"}},
		"a deny for a while": {small([]Grant{ops}), small([]Grant{ops}, Deny{ID: "d", IDs: []string{prod}, Until: monday.Add(time.Hour)}), []string{
			"changed bob prod/eu apu: 1h (grant ops) -> 1h (grant ops), refused until 2026-11-02T11:00:00Z (deny rule d)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var old *Engine
			if tc.old != nil {
				old = compile(t, tc.old)
			}
			d := Plan(old, compile(t, tc.new), staff, monday)
			assert.Equal(t, tc.want, lines(d))
			assert.Equal(t, len(tc.want), d.Count(Added)+d.Count(Removed)+d.Count(Changed))
			assert.Equal(t, len(tc.want) == 0, d.IsEmpty())
		})
	}
}

func TestPlansSayWhatMustNotBeMissed(t *testing.T) {
	sre := Grant{ID: "sre", To: People{Groups: []string{"sre"}}, On: Selector{IDs: []string{dev}}, Roles: toRead}
	all := Grant{ID: "all", To: People{Groups: []string{Everyone}}, On: Selector{Names: []string{"**"}}, Roles: toRead}
	const open = "with it every person may use rro in every account"
	for name, tc := range map[string]struct {
		old, new *Document
		want     []string
	}{
		"all is lost":                {small([]Grant{sre}), small(nil), []string{"with it no person may use anything"}},
		"all is denied":              {small([]Grant{sre}), small([]Grant{sre}, Deny{ID: "d", IDs: []string{dev}}), []string{"with it no person may use anything"}},
		"some is lost":               {small([]Grant{all}), small([]Grant{sre}), nil},
		"nothing is lost":            {small(nil), small(nil), nil},
		"all is open":                {small([]Grant{sre}), small([]Grant{all}), []string{open}},
		"all is open from the start": {nil, small([]Grant{all}), []string{open}},
		"all was open":               {small([]Grant{all}), small([]Grant{all, sre}), nil},
		"all but one is open":        {small([]Grant{sre}), small([]Grant{all}, Deny{ID: "d", To: People{Users: []string{"bob"}}, IDs: []string{dev}}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var old *Engine
			if tc.old != nil {
				old = compile(t, tc.old)
			}
			assert.Equal(t, tc.want, Plan(old, compile(t, tc.new), staff, monday).Alarms())
		})
	}
}

func TestPlanSeesWhatARoleOrAnAccountIs(t *testing.T) {
	grants := []Grant{{ID: "g", To: People{Users: []string{"carol"}}, On: Selector{IDs: []string{dev}}, Roles: toRead}}
	for name, change := range map[string]func(d *Document){
		"IAM role":  func(d *Document) { d.Roles[0].AWS = "Admin" },
		"path":      func(d *Document) { d.Roles[0].Path = "/x/" },
		"console":   func(d *Document) { d.Roles[0].Console = true },
		"max":       func(d *Document) { d.Roles[0].Max = time.Hour },
		"partition": func(d *Document) { d.Accounts[0].Partition = "aws-cn" },
	} {
		t.Run(name, func(t *testing.T) {
			doc := small(grants)
			change(doc)
			d := Plan(compile(t, small(grants)), compile(t, doc), staff, monday)
			assert.Equal(t, 1, d.Count(Changed), lines(d))
		})
	}
	gone := small(grants)
	gone.Accounts = gone.Accounts[1:]
	assert.Equal(t, []string{"removed carol Dev rro: 12h (grant g) -> no"}, lines(Plan(compile(t, small(grants)), compile(t, gone), staff, monday)))
	renamed := small(grants)
	renamed.Roles[0].Alias, renamed.Grants = "ro2", []Grant{{ID: "g", To: grants[0].To, On: grants[0].On, Roles: []string{"ro2"}}}
	assert.Equal(t, []string{"added carol Dev ro2: no -> 12h (grant g)", "removed carol Dev rro: 12h (grant g) -> no"},
		lines(Plan(compile(t, small(grants)), compile(t, renamed), staff, monday)))
}

func TestPlanGroupsPeopleAndAccounts(t *testing.T) {
	g := Grant{ID: "g", To: People{Groups: []string{"sre"}, Users: []string{"carol"}}, On: Selector{Names: []string{"**"}}, Roles: []string{"rro", "apu"}}
	d := Plan(nil, compile(t, small([]Grant{g})), staff, monday)
	require.Len(t, d.Groups(), 2)
	first := d.Groups()[0]
	assert.Equal(t, []string{"alice", "bob", "carol"}, first.People)
	assert.Equal(t, 3, first.Accounts.Len())
	assert.Len(t, slices.Collect(first.Accounts.All()), 3)
	assert.Equal(t, "apu", first.Role)
	assert.Equal(t, Added, first.Kind)
	assert.Equal(t, 18, d.Count(Added))
}

// A plan of policies without conditions must name what decisions before and after differ in.
func TestPlanIsTheDifferenceOfDecisions(t *testing.T) {
	inParallel(t, cases(t)/10, func(t *testing.T, r random) {
		docs := []*Document{r.document(), r.document()}
		for _, doc := range docs {
			for i := range doc.Grants {
				doc.Grants[i].When, doc.Grants[i].From, doc.Grants[i].Until = When{}, time.Time{}, time.Time{}
			}
			for i := range doc.Deny {
				doc.Deny[i].From, doc.Deny[i].Until = time.Time{}, time.Time{}
			}
		}
		people := []Member{{"alice", []string{"sre"}}, {"bob", []string{"dev", "ops"}}, {"carol", []string{"dev", "ops"}}}
		old, err := Compile(docs[0], 1)
		require.NoError(t, err)
		new, err := Compile(docs[1], 2)
		require.NoError(t, err)

		want, got := map[string]Kind{}, map[string]Kind{}
		for _, m := range people {
			for number := range 8 {
				for _, role := range docs[0].Roles {
					q := naiveQuery{user: m.Name, groups: m.Groups, id: fmt.Sprintf("%012d", number), role: role.Alias, at: r.base}
					before, after := naive{docs[0]}.decide(q), naive{docs[1]}.decide(q)
					key := q.user + q.id + q.role
					switch {
					case !before.Allow && after.Allow:
						want[key] = Added
					case before.Allow && !after.Allow:
						want[key] = Removed
					case before.Allow && before.Max != after.Max:
						want[key] = Changed
					}
				}
			}
		}
		d := Plan(old, new, people, r.base)
		for c := range d.All() {
			got[c.Person+c.Account.ID+c.Role] = c.Kind
		}
		require.Equal(t, want, got)

		grouped := map[string]Kind{}
		for _, g := range d.Groups() {
			for _, person := range g.People {
				for account := range g.Accounts.All() {
					grouped[person+account.ID+g.Role] = g.Kind
				}
			}
		}
		require.Equal(t, want, grouped)
		require.Equal(t, len(want), d.Count(Added)+d.Count(Removed)+d.Count(Changed))
	})
}

func TestChangesAreSorted(t *testing.T) {
	r := newRandom(5)
	d := Plan(compile(t, r.document()), compile(t, r.document()), staff, monday)
	key := func(c Change) string {
		return c.Person + "\x00" + c.Account.Name + "\x00" + c.Account.ID + "\x00" + c.Role
	}
	all := slices.Collect(d.All())
	assert.Greater(t, len(all), 3)
	assert.True(t, slices.IsSortedFunc(all, func(a, b Change) int {
		return slices.Compare([]string{key(a)}, []string{key(b)})
	}))
	for range d.All() {
		break // may be left early
	}
}

func BenchmarkPlan(b *testing.B) {
	doc, members := large()
	old := compile(b, doc)
	changed, _ := large()
	changed.Grants[1].Max = time.Hour
	changed.Grants[0].On = Selector{Names: []string{"*"}} // everyone gets all: 5,000 x 10,000 lines
	new := compile(b, changed)
	b.ReportAllocs()
	var d *Diff
	for b.Loop() {
		d = Plan(old, new, members, monday)
	}
	b.ReportMetric(float64(d.Count(Added)+d.Count(Changed)), "lines")
	b.ReportMetric(float64(len(d.Groups())), "groups")
}
