package policy

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// office is a policy with one grant that has all conditions.
func office() *Document {
	return small([]Grant{
		{
			ID: "office", To: People{Groups: []string{"sre"}, Users: []string{"carol"}}, On: Selector{OU: []string{"root/dev/**"}, Except: Except{IDs: []string{data}}},
			Roles: []string{"rro"}, When: When{CIDR: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Hours: hours("Mon-Fri 09:00-17:00 Europe/Paris")},
			Max: 4 * time.Hour, From: at("2026-01-01T00:00:00Z"), Until: at("2027-01-01T00:00:00Z"),
		},
		{ID: "other", To: People{Groups: []string{"ops"}}, On: Selector{IDs: []string{prod}}, Roles: []string{"apu"}},
	}, Deny{ID: "freeze", IDs: []string{dev}, From: at("2026-12-20T00:00:00Z"), Until: at("2026-12-27T00:00:00Z")})
}

func TestExplainNamesWhatIsMissing(t *testing.T) {
	e := compile(t, office())
	good := Query{Person: e.Person("alice", []string{"sre"}), Account: dev, Role: "rro", At: monday, Addr: inside}
	for name, tc := range map[string]struct {
		change func(q *Query)
		lack   Lack
		text   string
	}{
		"group": {
			func(q *Query) { q.Person = e.Person("bob", []string{"data"}) }, LacksPerson,
			"it is for the groups sre and the users carol; bob is in everyone, data",
		},
		"account":   {func(q *Query) { q.Account = prod }, LacksAccount, `it does not select the account: its OU "root/prod" matches none of the OUs`},
		"exception": {func(q *Query) { q.Account = data }, LacksAccount, "it does not select the account: except takes it out"},
		"role":      {func(q *Query) { q.Role = "apu" }, LacksRole, "it gives rro, not apu"},
		"hours": {
			func(q *Query) { q.At = at("2026-11-02T20:00:00Z") }, LacksTime,
			"it holds on Mon-Fri 09:00-17:00 Europe/Paris; there it is Mon 21:00",
		},
		"begin":           {func(q *Query) { q.At = at("2025-11-03T10:00:00Z") }, LacksTime, "it begins at 2026-01-01T00:00:00Z"},
		"end":             {func(q *Query) { q.At = at("2027-11-01T10:00:00Z") }, LacksTime, "it ended at 2027-01-01T00:00:00Z"},
		"address":         {func(q *Query) { q.Addr = outside }, LacksAddress, "it is for addresses in 10.0.0.0/8; the address is 192.0.2.1"},
		"unknown address": {func(q *Query) { q.Addr = netip.Addr{} }, LacksAddress, "it is for addresses in 10.0.0.0/8; the address is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			q := good
			tc.change(&q)
			x := e.Explain(q)
			assert.Equal(t, NoGrant, x.Decision.Reason)
			assert.Equal(t, []Near{{Grant: "office", Missing: []Missing{{tc.lack, tc.text}}}}, x.Grants)
			assert.Contains(t, x.String(), "no: ")
			assert.Contains(t, x.String(), tc.text)
		})
	}
}

func TestExplainNamesTheRuleAndTheVersion(t *testing.T) {
	e := compile(t, office())
	q := Query{Person: e.Person("alice", []string{"sre"}), Account: dev, Role: "rro", At: monday, Addr: inside}
	assert.Equal(t, `yes: alice as rro in Dev (111111111111) at 2026-11-02T10:00:00Z from 10.1.2.3, by version 3 of the policy: grant office allows it for 4h: the grant's longest lifetime
  deny rule freeze: refuses it after 2026-12-20T00:00:00Z until 2026-12-27T00:00:00Z
  grant office: allows it for 4h: the grant's longest lifetime
`, e.Explain(q).String())

	q.At = at("2026-12-21T10:00:00Z")
	x := e.Explain(q)
	assert.Equal(t, Decision{Reason: Denied, Deny: "freeze", Version: 3}, x.Decision)
	assert.Equal(t, []Pause{{Deny: "freeze", Until: at("2026-12-27T00:00:00Z")}}, x.Denies)
	assert.Equal(t, "office", x.Grants[0].Grant, "the grant that the deny rule outdoes")
	assert.Contains(t, x.String(), "deny rule freeze refuses it")

	q.At = at("2026-11-02T15:50:00Z")
	assert.Contains(t, e.Explain(q).String(), "grant office allows it for 10m only, and AWS gives keys for 15m at least: the end of the grant's hours")
}

func TestExplainShowsGrantsThatLackTwoThingsOnlyIfNoneLacksOne(t *testing.T) {
	e := compile(t, office())
	x := e.Explain(Query{Person: e.Person("bob", nil), Account: dev, Role: "rro", At: monday, Addr: outside})
	require.Len(t, x.Grants, 1)
	assert.Len(t, x.Grants[0].Missing, 2)
	assert.Empty(t, e.Explain(Query{Person: e.Person("bob", nil), Account: data, Role: "rro", At: monday, Addr: outside}).Grants)
}

func TestExplainOfWhatThePolicyDoesNotHave(t *testing.T) {
	e := compile(t, office())
	p := e.Person("alice", nil)
	assert.Contains(t, e.Explain(Query{Person: p, Account: "999999999999", Role: "rro", At: monday}).String(), "the policy does not have the account")
	assert.Contains(t, e.Explain(Query{Person: p, Account: dev, Role: "none", At: monday}).String(), "the policy does not have the role")
	assert.Contains(t, e.Explain(Query{Account: dev, Role: "rro", At: monday}).String(), "another version")
}

func TestADecisionInOneLine(t *testing.T) {
	assert.Equal(t, "grant g allows it for 2m only, and AWS gives keys for 15m at least: the start of a deny rule freeze",
		Decision{Reason: TooShort, Grant: "g", Deny: "freeze", Max: 2 * time.Minute, Caps: CapDeny}.Text())
	assert.Equal(t, "grant g allows it for 1h: the role's longest lifetime and the grant's longest lifetime",
		Decision{Reason: Allowed, Allow: true, Grant: "g", Max: time.Hour, Caps: CapRole | CapGrant}.Text())
	assert.Equal(t, "no grant allows it", Decision{Reason: NoGrant}.Text())
}

func TestWhoCan(t *testing.T) {
	doc := office()
	doc.Grants = append(doc.Grants, Grant{ID: "bob-too", To: People{Users: []string{"bob"}}, On: all, Roles: []string{"apu", "rro"}, Until: monday.Add(time.Hour)})
	e := compile(t, doc)
	people := []Member{{"carol", nil}, {"alice", []string{"sre"}}, {"bob", []string{"sre"}}, {"dave", nil}}
	list := func(account, role string, at time.Time) (lines []string) {
		for _, a := range e.WhoCan(account, role, people, at) {
			lines = append(lines, a.Person+" "+a.Role+": "+a.Rights.String())
		}
		return lines
	}
	const (
		byOffice = "4h from 10.0.0.0/8 on Mon-Fri 09:00-17:00 Europe/Paris until 2027-01-01T00:00:00Z (grant office)"
		pause    = ", refused after 2026-12-20T00:00:00Z until 2026-12-27T00:00:00Z (deny rule freeze)"
		byBob    = " until 2026-11-02T11:00:00Z (grant bob-too)"
	)
	assert.Equal(t, []string{
		"alice rro: " + byOffice + pause,
		"bob apu: 1h" + byBob + pause,
		"bob rro: 12h" + byBob + " or " + byOffice + pause,
		"carol rro: " + byOffice + pause,
	}, list(dev, "", monday))
	assert.Equal(t, []string{"bob apu: 1h" + byBob}, list(prod, "apu", monday))
	assert.Empty(t, list(prod, "", monday.Add(2*time.Hour)), "the grant has ended")
	assert.Empty(t, list("999999999999", "", monday))
}

func TestCasesOfAPolicy(t *testing.T) {
	e := compile(t, office())
	people := []Member{{"alice", []string{"sre"}}, {"bob", nil}}
	cases := []Case{
		{User: "alice", Account: "dev", Role: "RRO", Addr: inside, May: true},
		{User: "bob", Account: dev, Role: "ReadOnly", Addr: inside, May: false},
		{Groups: []string{"sre"}, Account: dev, Role: "rro", Addr: inside, May: true},
		{User: "alice", Groups: []string{}, Account: dev, Role: "rro", Addr: inside, May: false},
		{User: "alice", Account: dev, Role: "rro", Addr: inside, At: at("2026-12-21T10:00:00Z"), May: false},
		{User: "bob", Account: dev, Role: "rro", Addr: inside, May: true, Position: Position{Line: 7}},
		{User: "zed", Account: dev, Role: "rro", May: false},
		{User: "bob", Account: "nothing", Role: "rro", May: false},
		{User: "bob", Account: dev, Role: "nothing", May: false},
	}
	results := e.Test(cases, people, monday)
	require.Len(t, results, len(cases))
	for i, result := range results {
		assert.Equal(t, i < 5, result.Passed, result)
	}
	assert.Contains(t, results[5].String(), "FAIL line 7: bob may use rro in 111111111111\nno: bob as rro")
	assert.Contains(t, results[6].String(), `there is no user "zed"`)
	assert.Contains(t, results[7].String(), "account is not in the policy")
	assert.Contains(t, results[8].String(), "role is not in the policy")
	assert.Equal(t, "ok line 0: a member of everyone, sre may use rro in 111111111111", results[2].String())
}
