package issue_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

const document = `
version: 1
roles:
  rro: {aws: CrossAccountReadOnly, max: 12h, console: true}
  apu: {aws: CrossAccountAdminUser, path: /team/, max: 1h}
accounts:
  - {id: "111111111111", name: sredev}
  - {id: "222222222222", name: Connected Homes}
  - {id: "333333333333", name: twin}
  - {id: "444444444444", name: twin}
  - {id: "555555555555", name: office}
grants:
  - {id: sre, to: {groups: [sre]}, on: {ids: ["111111111111", "333333333333"]}, roles: [rro, apu]}
  - {id: from-office, to: {groups: [sre]}, on: {ids: ["555555555555"]}, roles: [rro], when: {cidr: [10.0.0.0/8]}, max: 2h}
deny:
  - {id: no-changes, on: {ids: ["333333333333"]}, roles: [apu]}
`

// office is an address that the grant from-office allows.
var office = netip.MustParseAddr("10.1.2.3")

// world is a gateway without its servers: a real database and key ring, and an Issuer with a fake STS.
type world struct {
	t       testing.TB
	db      *store.DB
	journal *journal
	sts     *fakeSTS
	deps    issue.Deps
	*issue.Issuer

	tokens map[string]userToken // by user
	log    lockedBuffer
}

type userToken struct {
	text string
	row  store.Token
}

// newWorld returns a world on SQLite with the users ada, of the group sre, and bob, of none.
func newWorld(t testing.TB, change ...func(*issue.Deps)) *world {
	t.Helper()
	return newWorldOn(t, storetest.SQLite(t), change...)
}

func newWorldOn(t testing.TB, url string, change ...func(*issue.Deps)) *world {
	t.Helper()
	w := &world{t: t, tokens: map[string]userToken{}, sts: &fakeSTS{}}
	w.db = storetest.Open(t, url)
	w.journal = &journal{db: w.db}
	w.deps = issue.Deps{
		Store: w.db, Journal: w.journal, Ring: newRing(t), STS: w.sts, Options: issue.Options{Replica: "replica-1"},
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	for _, c := range change {
		c(&w.deps)
	}
	w.Issuer = issue.New(w.deps)
	w.change(store.AddGroup("sre", time.Now()))
	for _, name := range []string{"ada", "bob"} {
		w.change(store.AddUser(store.User{Name: name, SourceIdentity: name + "@example", Created: time.Now()}))
		w.addToken(name, time.Hour)
	}
	w.change(store.AddMember("sre", "ada"))
	w.apply(1, document)
	t.Cleanup(func() { w.checkSecrets() })
	return w
}

func newRing(t testing.TB) *token.File {
	t.Helper()
	ring, err := token.NewRing("gw_test")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "ring.json")
	require.NoError(t, ring.Save(path))
	file, err := token.OpenFile(path)
	require.NoError(t, err)
	return file
}

// change changes people, tokens or policy.
func (w *world) change(effects ...store.Effect) {
	w.t.Helper()
	results, err := w.db.Append(context.Background(), "test", store.Change{
		Events: []audit.Event{{Type: audit.GroupAdded, At: time.Now()}}, Effects: effects, Raises: true,
	})
	require.NoError(w.t, errors.Join(append(results, err)...))
}

func (w *world) apply(seq int64, doc string) {
	w.t.Helper()
	w.change(store.AddPolicy(store.PolicyVersion{Seq: seq, Doc: []byte(doc), SHA256: sha256.Sum256([]byte(doc)), At: time.Now()}))
}

func (w *world) addToken(user string, life time.Duration) {
	w.t.Helper()
	ring, err := token.LoadRing(w.deps.Ring.Path())
	require.NoError(w.t, err)
	text, row := ring.New(store.UserToken, user, "", time.Now().Add(life))
	w.change(store.AddToken(row))
	w.tokens[user] = userToken{text.Reveal(), row}
}

func (w *world) caller(user string) issue.Caller {
	return issue.Caller{Token: w.tokens[user].text, User: user, IP: netip.MustParseAddr("192.0.2.1"), IsProven: true, Agent: "test"}
}

// refused returns the refusal in an error.
func (w *world) refused(err error) *issue.Refusal {
	w.t.Helper()
	var r *issue.Refusal
	require.ErrorAs(w.t, err, &r)
	assert.NotEmpty(w.t, r.Text)
	assert.NotContains(w.t, fmt.Sprintf("%v %+v %#v", err, err, *r), "CANARY")
	return r
}

// events returns the events of these types, or all about issues, links and tokens.
func (w *world) events(types ...audit.Type) (found []audit.Event) {
	w.t.Helper()
	for entry, err := range w.db.Events(context.Background(), audit.Position{}, store.EventFilter{}) {
		require.NoError(w.t, err)
		e, err := audit.ParseBody(entry.Body)
		require.NoError(w.t, err)
		isWanted := len(types) == 0 && e.Type != audit.GroupAdded && e.Type != audit.GatewayCreated
		for _, one := range types {
			isWanted = isWanted || e.Type == one
		}
		if isWanted {
			found = append(found, e)
		}
	}
	return found
}

func (w *world) types() (types []audit.Type) {
	for _, e := range w.events() {
		types = append(types, e.Type)
	}
	return types
}

// only returns the only issue in the database.
func (w *world) only() store.Issue {
	w.t.Helper()
	rows, err := w.db.Issues(context.Background(), store.IssueFilter{})
	require.NoError(w.t, err)
	require.Len(w.t, rows, 1)
	return rows[0]
}

// checkSecrets looks for secrets in the log of the program and in the audit log.
func (w *world) checkSecrets() {
	texts := w.log.String()
	for entry, err := range w.db.Events(context.Background(), audit.Position{}, store.EventFilter{}) {
		if err == nil {
			texts += string(entry.Body)
		}
	}
	for user, one := range w.tokens {
		assert.NotContains(w.t, texts, one.text[32:], user)
	}
	assert.NotContains(w.t, texts, "CANARY")
}

// journal writes each change at once, or by another journal. It can fail.
type journal struct {
	db   *store.DB
	next issue.Journal // nil means the database
	mu   sync.Mutex
	n    int                                                    // changes so far
	fail func(n int, c store.Change) (isStored bool, err error) // of the change with that number, from 1
	seen func(n int, c store.Change)                            // before the change
}

func (j *journal) Append(ctx context.Context, c store.Change) error {
	j.mu.Lock()
	j.n++
	n, fail, seen := j.n, j.fail, j.seen
	j.mu.Unlock()
	if seen != nil {
		seen(n, c)
	}
	if fail != nil {
		isStored, err := fail(n, c)
		if err != nil && isStored {
			_ = j.append(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	return j.append(ctx, c)
}

func (j *journal) append(ctx context.Context, c store.Change) error {
	if j.next != nil {
		return j.next.Append(ctx, c)
	}
	results, err := j.db.Append(ctx, "test", c)
	return errors.Join(append(results, err)...)
}

// fakeSTS makes keys, unless it is told otherwise.
type fakeSTS struct {
	mu     sync.Mutex
	asked  []issue.Session
	limit  time.Duration
	answer func(ctx context.Context, s issue.Session) (issue.Lent, error) // nil means keys
}

func (f *fakeSTS) Cap() time.Duration { return f.limit }

func (f *fakeSTS) Assume(ctx context.Context, s issue.Session) (issue.Lent, error) {
	f.mu.Lock()
	f.asked = append(f.asked, s)
	n, answer := len(f.asked), f.answer
	f.mu.Unlock()
	if answer != nil {
		return answer(ctx, s)
	}
	return keysFor(n, s), nil
}

func (f *fakeSTS) sessions() []issue.Session {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func keysFor(n int, s issue.Session) issue.Lent {
	return issue.Lent{Keys: aws.Credentials{
		AccessKeyID: fmt.Sprintf("ASIATEST%08d", n), SecretAccessKey: "CANARYsecret", SessionToken: "CANARYtoken",
		CanExpire: true, Expires: time.Now().Add(s.Lifetime).Truncate(time.Second),
	}}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
