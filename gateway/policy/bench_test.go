package policy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const manyUsers, manyAccounts, manyGrants = 5000, 10000, 500

// large is a document of a large company with 200 groups, and its users.
func large() (*Document, []Member) {
	doc := &Document{Roles: []Role{{Alias: "rro", AWS: "ReadOnly", Max: 12 * time.Hour}, {Alias: "apu", AWS: "Admin"}, {Alias: "dev", AWS: "Developer"}}}
	for i := range manyAccounts {
		doc.Accounts = append(doc.Accounts, Account{
			ID: fmt.Sprintf("%012d", 100000000000+i), Name: fmt.Sprintf("team%d-%s", i/3, []string{"dev", "test", "prod"}[i%3]),
			OU: fmt.Sprintf("root/unit%d/team%d", i%20, i/3), Tags: map[string]string{"env": []string{"dev", "test", "prod"}[i%3], "unit": fmt.Sprint(i % 50)},
		})
	}
	for i := range manyGrants {
		g := Grant{ID: fmt.Sprintf("grant%d", i), To: People{Groups: []string{fmt.Sprintf("group%d", i%200)}}, Roles: []string{[]string{"rro", "apu", "dev"}[i%3]}}
		switch i % 5 {
		case 0:
			g.On = Selector{Tags: map[string][]string{"env": {"dev", "test"}, "unit": {fmt.Sprint(i % 50)}}}
		case 1:
			g.On = Selector{OU: []string{fmt.Sprintf("root/unit%d/**", i%20)}, Except: Except{IDs: []string{"100000000007"}}}
		case 2:
			g.On = Selector{Names: []string{fmt.Sprintf("team%d*", i)}}
		case 3:
			g.On = Selector{IDs: []string{doc.Accounts[i*7].ID, doc.Accounts[i*11].ID}}
		case 4:
			g.On, g.To = Selector{Names: []string{"**"}}, People{Users: []string{fmt.Sprintf("user%d", i)}}
			g.When = When{Hours: hours("Mon-Fri 07:00-20:00 Europe/London"), CIDR: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
		}
		doc.Grants = append(doc.Grants, g)
	}
	doc.Grants[0].To = anyone
	doc.Deny = []Deny{{ID: "freeze", IDs: []string{doc.Accounts[2].ID}, Roles: []string{"apu"}, From: at("2026-12-20T00:00:00Z")}}
	var members []Member
	for i := range manyUsers {
		members = append(members, Member{
			Name:   fmt.Sprintf("user%d", i),
			Groups: []string{fmt.Sprintf("group%d", i%200), fmt.Sprintf("group%d", i%37), fmt.Sprintf("group%d", i%11)},
		})
	}
	return doc, members
}

// queries are some that are allowed and some that are not.
func queries(t testing.TB, e *Engine, members []Member) (queries []Query) {
	allowed := 0
	for i := range 1000 {
		m := members[i*31%len(members)]
		q := Query{
			Person: e.Person(m.Name, m.Groups), Account: e.AllAccounts()[i*17%manyAccounts].ID, Role: e.Roles()[i%3].Alias,
			At: monday, Addr: inside,
		}
		if i%2 == 0 { // a user with hours
			q.Person = e.Person(fmt.Sprintf("user%d", i%100*5+4), m.Groups)
		}
		if e.Decide(q).Allow {
			allowed++
		}
		queries = append(queries, q)
	}
	require.Greater(t, allowed, 100)
	return queries
}

func TestDecideAllocatesNothing(t *testing.T) {
	doc, members := large()
	e := compile(t, doc)
	all := queries(t, e, members)
	i := 0
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		e.Decide(all[i%len(all)])
		i++
	}))
}

func BenchmarkDecide(b *testing.B) {
	doc, members := large()
	e := compile(b, doc)
	all := queries(b, e, members)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Decide(all[i%len(all)])
	}
}

func BenchmarkPerson(b *testing.B) {
	doc, members := large()
	e := compile(b, doc)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m := members[i%len(members)]
		e.Person(m.Name, m.Groups)
	}
}

func BenchmarkCompile(b *testing.B) {
	doc, _ := large()
	b.ReportAllocs()
	for b.Loop() {
		compile(b, doc)
	}
}

func BenchmarkAccounts(b *testing.B) {
	doc, members := large()
	e := compile(b, doc)
	p := e.Person(members[4].Name, members[4].Groups)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		for range e.Accounts(p, inside, monday) {
			n++
		}
	}
	require.Equal(b, manyAccounts, n)
}
