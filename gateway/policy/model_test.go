package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// random makes documents and queries from few names, so that rules often meet.
type random struct {
	*rand.Rand
	base time.Time
	zone string // one that changes its clocks near the base
}

func newRandom(seed int) random {
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	bases := [][2]string{
		{"2026-11-02T10:00:00Z", "UTC"},
		{"2026-03-29T00:00:00Z", "Europe/London"},
		{"2026-10-25T00:00:00Z", "Europe/London"},
		{"2026-11-01T05:00:00Z", "America/New_York"},
		{"2026-04-04T14:00:00Z", "Australia/Lord_Howe"},
	}
	base := bases[r.IntN(len(bases))]
	return random{r, at(base[0]), base[1]}
}

var (
	someUsers  = []string{"alice", "bob", "carol", "dave"}
	someGroups = []string{"sre", "dev", "ops", "data"}
	someNames  = []string{"dev", "Dev-eu", "prod", "prod/eu", "data"}
	someOUs    = []string{"", "root", "root/dev", "root/dev/sre", "root/Prod"}
	someAddrs  = []netip.Addr{{}, inside, outside, netip.MustParseAddr("::ffff:10.9.9.9"), netip.MustParseAddr("2001:db8::5")}
)

func pick[T any](r random, list []T) T { return list[r.IntN(len(list))] }

func some[T any](r random, most int, list []T) (few []T) {
	for range 1 + r.IntN(most) {
		few = append(few, pick(r, list))
	}
	return few
}

func (r random) chance(n int) bool { return r.IntN(n) == 0 }

// moment is near the others, and near a change of clocks, often at a quarter of an hour.
func (r random) moment() time.Time {
	t := r.base.Add(time.Duration(r.IntN(24*4)-12*4) * 15 * time.Minute)
	if r.chance(3) {
		t = t.Add(time.Duration(r.Int64N(int64(15 * time.Minute))))
	}
	return t
}

func (r random) people() (p People) {
	if !r.chance(4) {
		p.Groups = some(r, 2, append(someGroups, "everyone", "everyone", "SRE"))
	}
	if p.isEmpty() || r.chance(4) {
		p.Users = some(r, 2, append(someUsers, "Alice"))
	}
	return p
}

func (r random) tags() map[string][]string {
	tags := map[string][]string{}
	for range 1 + r.IntN(2) {
		tags[pick(r, []string{"env", "team"})] = some(r, 2, []string{"a", "b", "c"})
	}
	return tags
}

func (r random) selector(ids []string) (s Selector) {
	patterns := []string{"*", "**", "d*", "*e*", "PROD", "prod/*", "**/eu", "*v*u", "x*"}
	ous := []string{"root", "root/*", "root/**", "**/sre", "ROOT/dev", "root/**/sre", "**", "*/*"}
	for s.isEmpty() {
		if r.chance(4) {
			s.IDs = some(r, 3, append(ids, "999999999999"))
		}
		if r.chance(4) {
			s.Names = some(r, 2, patterns)
		}
		if r.chance(6) {
			s.Tags = r.tags()
		}
		if r.chance(4) {
			s.OU = some(r, 2, ous)
		}
	}
	if r.chance(8) {
		s.Except.IDs = some(r, 2, ids)
	}
	if r.chance(8) {
		s.Except.Tags = r.tags()
	}
	if r.chance(8) {
		s.Except.OU = some(r, 2, ous)
	}
	return s
}

func (r random) when() (w When) {
	if r.chance(4) {
		w.CIDR = some(r, 2, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("0.0.0.0/0")})
	}
	for r.chance(3) {
		h := Hours{Days: Days(1 + r.IntN(127)), From: 15 * r.IntN(96), To: 15 * (1 + r.IntN(96)), Zone: r.zone}
		if r.chance(4) {
			h.Zone = pick(r, slices.Sorted(maps.Keys(testZones)))
		}
		if h.From != h.To {
			w.Hours = append(w.Hours, h)
		}
	}
	return w
}

// times are in order, if both are there.
func (r random) times(chance int) (from, until time.Time) {
	if r.chance(chance) {
		from = r.moment()
	}
	if r.chance(chance) {
		until = r.moment()
	}
	if !until.IsZero() && !until.After(from) {
		until = from.Add(time.Hour)
	}
	return from, until
}

func (r random) document() *Document {
	doc := &Document{Roles: []Role{{Alias: "rro", AWS: "A", Max: 12 * time.Hour}, {Alias: "apu", AWS: "B"}, {Alias: "Dev", AWS: "C", Max: 15 * time.Minute}}}
	var ids []string
	for i := range 2 + r.IntN(6) {
		id := fmt.Sprintf("%012d", i)
		ids = append(ids, id)
		a := Account{ID: id, Name: pick(r, someNames), OU: pick(r, someOUs), Tags: map[string]string{}}
		for range r.IntN(3) {
			a.Tags[pick(r, []string{"env", "team"})] = pick(r, []string{"a", "b", "c"})
		}
		doc.Accounts = append(doc.Accounts, a)
	}
	roles := []string{"rro", "apu", "dev", "RRO"}
	many := pick(r, []int{1, 1, 2, 2, 3, 5, 10})
	if r.chance(20) {
		many = 130 // more than a word of a set
	}
	for i := range many {
		g := Grant{ID: fmt.Sprint("g", i), To: r.people(), On: r.selector(ids), Roles: some(r, 4, roles), When: r.when()}
		if r.chance(3) {
			g.Max = pick(r, []time.Duration{15 * time.Minute, time.Hour, 2 * time.Hour, 12 * time.Hour})
		}
		g.From, g.Until = r.times(5)
		doc.Grants = append(doc.Grants, g)
	}
	for i := range r.IntN(4) {
		d := Deny{ID: fmt.Sprint("d", i), IDs: some(r, 2, ids)}
		if r.chance(2) {
			d.To = r.people()
		}
		if r.chance(2) {
			d.Roles = some(r, 2, roles)
		}
		d.From, d.Until = r.times(2)
		doc.Deny = append(doc.Deny, d)
	}
	return doc
}

func (r random) query(doc *Document) naiveQuery {
	q := naiveQuery{
		user: pick(r, someUsers), id: pick(r, doc.Accounts).ID, role: pick(r, doc.Roles).Alias, at: r.moment(), addr: pick(r, someAddrs),
	}
	for range r.IntN(3) {
		q.groups = append(q.groups, pick(r, append(someGroups, "Data", "none")))
	}
	if r.chance(50) {
		q.id, q.role = pick(r, []string{q.id, "888888888888"}), pick(r, []string{q.role, "none"})
	}
	return q
}

// cases is the number of random cases. CHAIM_POLICY_CASES=1000000 is for the gate.
func cases(t *testing.T) int {
	text := os.Getenv("CHAIM_POLICY_CASES")
	if text == "" {
		return 50_000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "CHAIM_POLICY_CASES")
	return n
}

// perDocument is the number of cases of one random document.
const perDocument = 20

// inParallel runs n cases.
func inParallel(t *testing.T, n int, run func(t *testing.T, r random)) {
	const workers = 4
	for worker := range workers {
		t.Run(fmt.Sprint("worker ", worker), func(t *testing.T) {
			t.Parallel()
			for i := worker; i < n/perDocument; i += workers {
				run(t, newRandom(i))
			}
		})
	}
}

func TestTheEngineDecidesAsTheDocumentReads(t *testing.T) {
	inParallel(t, cases(t), func(t *testing.T, r random) {
		doc := r.document()
		e, err := Compile(doc, 0)
		require.NoError(t, err)
		for range perDocument {
			q := r.query(doc)
			person := e.Person(q.user, q.groups)
			got := e.Decide(Query{Person: person, Account: q.id, Role: q.role, At: q.at, Addr: q.addr})
			want := naive{doc}.decide(q)
			if got != want { // require is slow
				require.Equal(t, want, got, "%+v\n%.5000s", q, fmt.Sprintf("%+v", doc))
			}
			if got.Allow && !e.CouldUse(person, q.id) {
				require.Fail(t, "an account that is used now could never be used", "%+v\n%+v", q, doc)
			}
		}
		q := r.query(doc)
		requireSameList(t, doc, e, q)
	})
}

// requireSameList compares Accounts with a decision about each account and role.
func requireSameList(t *testing.T, doc *Document, e *Engine, q naiveQuery) {
	var want, got []string
	for _, account := range e.AllAccounts() {
		for _, role := range doc.Roles {
			q.id, q.role = account.ID, role.Alias
			if (naive{doc}).decide(q).Allow {
				want = append(want, account.ID+" "+role.Alias)
			}
		}
	}
	for account, roles := range e.Accounts(e.Person(q.user, q.groups), q.addr, q.at) {
		for _, role := range roles {
			got = append(got, account.ID+" "+role.Alias)
		}
	}
	require.Equal(t, want, got)
	byName := slices.IsSortedFunc(e.AllAccounts(), func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
	require.True(t, byName)
}

// The other tests of this package see each reason; this one makes sure that the random cases do.
func TestRandomCasesHaveAllReasons(t *testing.T) {
	seen, caps := map[Reason]bool{}, Caps(0)
	for i := range 300 {
		r := newRandom(i)
		doc := r.document()
		for range 100 {
			d := naive{doc}.decide(r.query(doc))
			seen[d.Reason], caps = true, caps|d.Caps
		}
	}
	for _, reason := range []Reason{Allowed, NoGrant, Denied, TooShort, NoAccount, NoRole} {
		require.True(t, seen[reason], reason)
	}
	require.Equal(t, CapRole|CapGrant|CapUntil|CapHours|CapDeny, caps)
}
