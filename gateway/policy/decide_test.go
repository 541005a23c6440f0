package policy

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func hours(texts ...string) (all []Hours) {
	for _, text := range texts {
		h, err := ParseHours(text)
		if err != nil {
			panic(err)
		}
		all = append(all, h)
	}
	return all
}

const (
	dev  = "111111111111"
	prod = "222222222222"
	data = "333333333333"
)

// small is a document with two roles and three accounts, and with the grants and deny rules.
func small(grants []Grant, deny ...Deny) *Document {
	return &Document{
		Roles: []Role{{Alias: "rro", AWS: "ReadOnly", Max: 12 * time.Hour}, {Alias: "apu", AWS: "Admin"}},
		Accounts: []Account{
			{ID: dev, Name: "Dev", OU: "root/dev/sre", Tags: map[string]string{"env": "dev", "team": "sre"}},
			{ID: prod, Name: "prod/eu", OU: "root/prod", Tags: map[string]string{"env": "prod"}},
			{ID: data, Name: "data-dev", OU: "root/dev", Tags: map[string]string{"env": "dev", "team": "data"}},
		},
		Grants: grants, Deny: deny,
	}
}

func compile(t testing.TB, doc *Document) *Engine {
	e, err := Compile(doc, 3)
	require.NoError(t, err)
	return e
}

var (
	all     = Selector{Names: []string{"**"}}
	anyone  = People{Groups: []string{"everyone"}}
	monday  = at("2026-11-02T10:00:00Z")
	toRead  = []string{"rro"}
	inside  = netip.MustParseAddr("10.1.2.3")
	outside = netip.MustParseAddr("192.0.2.1")
)

func TestLifetimesAreCappedByWhatEndsFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		grants []Grant
		deny   []Deny
		want   Decision
	}{
		"no grant":          {want: Decision{Reason: NoGrant}},
		"role":              {grants: []Grant{{}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 12 * time.Hour, Caps: CapRole}},
		"grant":             {grants: []Grant{{Max: time.Hour}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: time.Hour, Caps: CapGrant}},
		"a longer grant":    {grants: []Grant{{Max: time.Hour}, {Max: 2 * time.Hour}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g1", Max: 2 * time.Hour, Caps: CapGrant}},
		"the first of both": {grants: []Grant{{Max: time.Hour}, {Max: time.Hour}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: time.Hour, Caps: CapGrant}},
		"role and grant":    {grants: []Grant{{Max: 12 * time.Hour}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 12 * time.Hour, Caps: CapRole | CapGrant}},
		"end of the grant": {
			grants: []Grant{{Until: monday.Add(90 * time.Minute)}},
			want:   Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 90 * time.Minute, Caps: CapUntil},
		},
		"end of the hours": {
			grants: []Grant{{When: When{Hours: hours("Mon 09:00-12:00 UTC")}}},
			want:   Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 2 * time.Hour, Caps: CapHours},
		},
		"exactly 15 minutes": {
			grants: []Grant{{Until: monday.Add(MinLifetime)}},
			want:   Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: MinLifetime, Caps: CapUntil},
		},
		"a second less": {
			grants: []Grant{{Until: monday.Add(MinLifetime - time.Second)}},
			want:   Decision{Reason: TooShort, Grant: "g0", Max: MinLifetime - time.Second, Caps: CapUntil},
		},
		"a part of a second less": {
			grants: []Grant{{Until: monday.Add(MinLifetime - time.Millisecond)}},
			want:   Decision{Reason: TooShort, Grant: "g0", Max: MinLifetime - time.Second, Caps: CapUntil},
		},
		"a later deny": {
			grants: []Grant{{}}, deny: []Deny{{From: monday.Add(3 * time.Hour)}, {From: monday.Add(2 * time.Hour)}},
			want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Deny: "d1", Max: 2 * time.Hour, Caps: CapDeny},
		},
		"a deny that begins soon": {
			grants: []Grant{{}}, deny: []Deny{{From: monday.Add(2 * time.Minute)}},
			want: Decision{Reason: TooShort, Grant: "g0", Deny: "d0", Max: 2 * time.Minute, Caps: CapDeny},
		},
		"a deny behind the end":    {grants: []Grant{{}}, deny: []Deny{{From: monday.Add(13 * time.Hour)}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 12 * time.Hour, Caps: CapRole}},
		"a deny that has ended":    {grants: []Grant{{}}, deny: []Deny{{Until: monday}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 12 * time.Hour, Caps: CapRole}},
		"a deny that begins now":   {grants: []Grant{{}}, deny: []Deny{{From: monday}}, want: Decision{Reason: Denied, Deny: "d0"}},
		"a deny of another role":   {grants: []Grant{{}}, deny: []Deny{{Roles: []string{"apu"}}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 12 * time.Hour, Caps: CapRole}},
		"a deny of another group":  {grants: []Grant{{}}, deny: []Deny{{To: People{Groups: []string{"ops"}}}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 12 * time.Hour, Caps: CapRole}},
		"a deny of one user":       {grants: []Grant{{}}, deny: []Deny{{To: People{Users: []string{"ALICE"}}}}, want: Decision{Reason: Denied, Deny: "d0"}},
		"a grant that has ended":   {grants: []Grant{{Until: monday}}, want: Decision{Reason: NoGrant}},
		"a grant that begins":      {grants: []Grant{{From: monday}}, want: Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 12 * time.Hour, Caps: CapRole}},
		"a grant that is to begin": {grants: []Grant{{From: monday.Add(time.Nanosecond)}}, want: Decision{Reason: NoGrant}},
		"other hours":              {grants: []Grant{{When: When{Hours: hours("Tue 09:00-12:00 UTC")}}}, want: Decision{Reason: NoGrant}},
		"windows that touch are one": {
			grants: []Grant{{When: When{Hours: hours("Mon 11:00-13:00 UTC", "Mon 09:00-11:00 UTC")}}},
			want:   Decision{Allow: true, Reason: Allowed, Grant: "g0", Max: 3 * time.Hour, Caps: CapHours},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range tc.grants {
				g := &tc.grants[i]
				g.ID, g.To, g.On, g.Roles = "g"+string(rune('0'+i)), anyone, all, toRead
			}
			for i := range tc.deny {
				tc.deny[i].ID, tc.deny[i].IDs = "d"+string(rune('0'+i)), []string{dev}
			}
			e := compile(t, small(tc.grants, tc.deny...))
			tc.want.Version = 3
			assert.Equal(t, tc.want, e.Decide(Query{Person: e.Person("alice", nil), Account: dev, Role: "rro", At: monday}))
		})
	}
}

func TestSelectors(t *testing.T) {
	for name, tc := range map[string]struct {
		on   Selector
		want []string
	}{
		"id":                          {Selector{IDs: []string{dev, prod}}, []string{dev, prod}},
		"name without case":           {Selector{Names: []string{"dEV"}}, []string{dev}},
		"star stops at a slash":       {Selector{Names: []string{"*"}}, []string{dev, data}},
		"two segments":                {Selector{Names: []string{"pr*/*"}}, []string{prod}},
		"all names":                   {Selector{Names: []string{"**"}}, []string{dev, prod, data}},
		"part of a name":              {Selector{Names: []string{"*dev"}}, []string{dev, data}},
		"tag":                         {Selector{Tags: map[string][]string{"env": {"dev"}}}, []string{dev, data}},
		"tag with case":               {Selector{Tags: map[string][]string{"env": {"Dev"}}}, nil},
		"values are alternatives":     {Selector{Tags: map[string][]string{"env": {"dev", "prod"}}}, []string{dev, prod, data}},
		"keys must all match":         {Selector{Tags: map[string][]string{"env": {"dev"}, "team": {"data"}}}, []string{data}},
		"fields must all match":       {Selector{Tags: map[string][]string{"env": {"dev"}}, IDs: []string{dev, prod}}, []string{dev}},
		"OU itself":                   {Selector{OU: []string{"ROOT/dev"}}, []string{data}},
		"OU and all below":            {Selector{OU: []string{"root/dev/**"}}, []string{dev, data}},
		"OUs directly below":          {Selector{OU: []string{"root/*"}}, []string{prod, data}},
		"any OU of a name":            {Selector{OU: []string{"**/sre"}}, []string{dev}},
		"except an id":                {Selector{Names: []string{"**"}, Except: Except{IDs: []string{prod}}}, []string{dev, data}},
		"each field of except counts": {Selector{Names: []string{"**"}, Except: Except{IDs: []string{prod}, OU: []string{"root/dev"}}}, []string{dev}},
		"each tag of except counts": {
			Selector{Names: []string{"**"}, Except: Except{Tags: map[string][]string{"env": {"prod"}, "team": {"sre"}}}},
			[]string{data},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := compile(t, small([]Grant{{ID: "g", To: anyone, On: tc.on, Roles: toRead}}))
			var got []string
			for _, id := range []string{dev, prod, data} {
				if e.Decide(Query{Person: e.Person("alice", nil), Account: id, Role: "rro", At: monday}).Allow {
					got = append(got, id)
				}
			}
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestConditionsOnAddresses(t *testing.T) {
	e := compile(t, small([]Grant{{
		ID: "g", To: anyone, On: all, Roles: toRead,
		When: When{CIDR: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}},
	}}))
	for addr, want := range map[netip.Addr]bool{
		inside: true, outside: false, {}: false,
		netip.MustParseAddr("::ffff:10.1.2.3"): true, netip.MustParseAddr("fe80::1%eth0"): true, netip.MustParseAddr("2001:db8::1"): false,
	} {
		got := e.Decide(Query{Person: e.Person("alice", nil), Account: dev, Role: "rro", At: monday, Addr: addr})
		assert.Equal(t, want, got.Allow, addr)
	}
}

func TestPeopleAreCalledByGroupOrName(t *testing.T) {
	e := compile(t, small([]Grant{{ID: "g", To: People{Groups: []string{"SRE"}, Users: []string{"Bob"}}, On: all, Roles: toRead}}))
	may := func(p Person) bool {
		return e.Decide(Query{Person: p, Account: dev, Role: "rro", At: monday}).Allow
	}
	assert.True(t, may(e.Person("alice", []string{"other", "sre"})))
	assert.True(t, may(e.Person("bob", nil)))
	assert.False(t, may(e.Person("alice", []string{"other"})))
	assert.False(t, may(e.Person("sre", []string{"bob"})))
}

func TestQueriesThatThePolicyCannotAnswerAreRefused(t *testing.T) {
	doc := small([]Grant{{ID: "g", To: anyone, On: all, Roles: toRead}})
	e, other := compile(t, doc), compile(t, doc)
	q := Query{Person: e.Person("alice", nil), Account: dev, Role: "rro", At: monday}
	require.True(t, e.Decide(q).Allow)
	for want, change := range map[Reason]func(q *Query){
		NoAccount:   func(q *Query) { q.Account = "444444444444" },
		NoRole:      func(q *Query) { q.Role = "ReadOnly" },
		OtherPolicy: func(q *Query) { q.Person = other.Person("alice", nil) },
	} {
		changed := q
		change(&changed)
		assert.Equal(t, Decision{Reason: want, Version: 3}, e.Decide(changed))
	}
	assert.Equal(t, OtherPolicy, e.Decide(Query{Account: dev, Role: "rro", At: monday}).Reason)
	assert.False(t, e.CouldUse(Person{}, dev))
	for range e.Accounts(other.Person("alice", nil), inside, monday) {
		assert.Fail(t, "accounts for the person of another engine")
	}
}

func TestAccountsAreFoundByIDAndName(t *testing.T) {
	doc := small(nil)
	doc.Accounts = append(doc.Accounts, Account{ID: "444444444444", Name: "dev", Partition: "aws-cn"})
	e := compile(t, doc)

	a, err := e.Account("444444444444")
	require.NoError(t, err)
	assert.Equal(t, "aws-cn", a.Partition)
	a, err = e.Account("PROD/eu")
	require.NoError(t, err)
	assert.Equal(t, prod, a.ID)
	assert.Equal(t, "aws", a.Partition)

	_, err = e.Account("nothing")
	assert.ErrorIs(t, err, ErrNoAccount)
	_, err = e.Account("Dev")
	assert.ErrorIs(t, err, ErrAmbiguous)
	ambiguous := new(AmbiguousError)
	require.ErrorAs(t, err, &ambiguous)
	assert.Equal(t, []string{dev, "444444444444"}, ambiguous.IDs)
}

func TestRolesAreFoundByAliasAndThenByTheNameInAWS(t *testing.T) {
	doc := small(nil)
	doc.Roles = append(doc.Roles, Role{Alias: "admin", AWS: "Other"}, Role{Alias: "long", AWS: "readonly"})
	e := compile(t, doc)
	for name, want := range map[string]string{"RRO": "rro", "other": "admin", "Admin": "admin", "apu": "apu"} {
		r, err := e.Role(name)
		require.NoError(t, err)
		assert.Equal(t, want, r.Alias, name)
	}
	r, err := e.Role("apu")
	require.NoError(t, err)
	assert.Equal(t, Role{Alias: "apu", AWS: "Admin", Path: "/", Max: time.Hour}, r)
	_, err = e.Role("nothing")
	assert.ErrorIs(t, err, ErrNoRole)
	_, err = e.Role("ReadOnly")
	assert.ErrorIs(t, err, ErrNoRole)
	assert.ErrorContains(t, err, "rro, long")
}

func TestAccountsListWhatMayBeUsedNow(t *testing.T) {
	e := compile(t, small([]Grant{
		{ID: "g", To: anyone, On: Selector{OU: []string{"root/dev/**"}}, Roles: toRead},
		{ID: "h", To: anyone, On: Selector{IDs: []string{prod, dev}}, Roles: []string{"apu"}, When: When{Hours: hours("Tue 00:00-24:00 UTC")}},
	}, Deny{ID: "d", IDs: []string{data}, From: monday.Add(24 * time.Hour)}))
	list := func(at time.Time) (lines []string) {
		for account, roles := range e.Accounts(e.Person("alice", nil), inside, at) {
			line := account.Name
			for _, role := range roles {
				line += " " + role.Alias
			}
			lines = append(lines, line)
		}
		return lines
	}
	assert.Equal(t, []string{"Dev rro", "data-dev rro"}, list(monday))
	assert.Equal(t, []string{"Dev rro apu", "prod/eu apu"}, list(monday.Add(24*time.Hour)))
}

func TestCouldUseIgnoresTimeAndAddress(t *testing.T) {
	e := compile(t, small([]Grant{
		{ID: "g", To: anyone, On: Selector{IDs: []string{dev}}, Roles: toRead, Until: at("2001-01-01T00:00:00Z")},
		{ID: "h", To: People{Users: []string{"bob"}}, On: all, Roles: toRead, When: When{CIDR: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}},
	}, Deny{ID: "d", IDs: []string{data}}, Deny{ID: "later", IDs: []string{prod}, Until: monday}))
	assert.True(t, e.CouldUse(e.Person("alice", nil), dev))
	assert.False(t, e.CouldUse(e.Person("alice", nil), prod))
	assert.True(t, e.CouldUse(e.Person("bob", nil), prod), "the deny rule ends")
	assert.False(t, e.CouldUse(e.Person("bob", nil), data), "the deny rule never ends")
	assert.False(t, e.CouldUse(e.Person("bob", nil), "444444444444"))
}

func TestHoursThatAreStillOpenDoNotCap(t *testing.T) {
	// Clocks in New York go back at 06:00 UTC, when the grant ends. The window stays open then.
	e := compile(t, small([]Grant{{
		ID: "g", To: anyone, On: all, Roles: toRead, Until: at("2026-11-01T06:00:00Z"),
		When: When{Hours: hours("Sun 00:00-20:00 America/New_York")},
	}}))
	start := at("2026-11-01T04:27:49Z").Add(313 * time.Millisecond)
	d := e.Decide(Query{Person: e.Person("alice", nil), Account: dev, Role: "rro", At: start})
	assert.Equal(t, CapUntil, d.Caps)
	assert.Equal(t, 5530*time.Second, d.Max)
}
