// Package portaltest makes gateways without servers for tests: a real database and key ring, and an AWS that is not there.
package portaltest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// Document is the policy of a new World.
const Document = `
version: 1
roles:
  rro: {aws: ReadOnly, max: 12h, console: true}
  apu: {aws: AdminUser, path: /team/, max: 1h}
accounts:
  - {id: "111111111111", name: shop, ou: root/prod, tags: {team: payments}}
  - {id: "222222222222", name: secret, ou: root/prod}
  - {id: "333333333333", name: twin, ou: root/dev/eu, tags: {team: search}}
  - {id: "444444444444", name: twin, ou: root/dev}
  - {id: "555555555555", name: office}
grants:
  - {id: sre, to: {groups: [sre]}, on: {ids: ["111111111111", "333333333333", "444444444444"]}, roles: [rro, apu]}
  - {id: from-office, to: {groups: [sre]}, on: {ids: ["555555555555"]}, roles: [rro], when: {cidr: [10.0.0.0/8]}, max: 2h}
  - {id: bobs, to: {users: [bob]}, on: {ids: ["222222222222"]}, roles: [rro]}
deny:
  - {id: no-changes, on: {ids: ["333333333333"]}, roles: [apu]}
`

// Link is the console link that AWS makes.
const Link = "https://signin.aws.amazon.com/federation?SigninToken=CANARYlink"

// World is a gateway: ada of the group sre, bob of none, and root of the group admins. Its keys hold the mark CANARY.
type World struct {
	*portal.Portal
	DB      *store.DB
	Ring    *token.File
	Options portal.Options
	Replica func() *portal.Portal // another process on the same database

	t      testing.TB
	tokens map[string]string // the texts of tokens, by user and kind
}

// New returns a World on a new database of SQLite.
func New(t testing.TB, change ...func(*portal.Options)) *World {
	t.Helper()
	return NewOn(t, storetest.SQLite(t), change...)
}

// NewOn returns a World on a database.
func NewOn(t testing.TB, url string, change ...func(*portal.Options)) *World {
	t.Helper()
	w := &World{t: t, DB: storetest.Open(t, url), Ring: newRing(t), tokens: map[string]string{}}
	w.Options = portal.Options{
		AdminGroups: []string{"admins"}, TokensPerUser: 3, MaxTokenLifetime: 24 * time.Hour,
		InitString: func(row store.Token, text string) string { return "init-" + row.User + "-" + text },
	}
	for _, c := range change {
		c(&w.Options)
	}
	w.Replica = func() *portal.Portal { return w.replica() }
	w.Portal = w.replica()
	now := time.Now()
	w.Change(store.AddGroup("sre", now), store.AddGroup("admins", now))
	for _, name := range []string{"ada", "bob", "root"} {
		w.Change(store.AddUser(store.User{Name: name, SourceIdentity: name + "@example", Created: now}))
		for _, kind := range []store.Kind{store.UserToken, store.CLIToken, store.WebToken} {
			w.AddToken(kind, name)
		}
	}
	w.Change(store.AddMember("sre", "ada"), store.AddMember("admins", "root"))
	w.Apply(1, Document)
	return w
}

func (w *World) replica() *portal.Portal {
	j := journal.New(w.DB, journal.Options{Writer: "replica"})
	w.t.Cleanup(func() { require.NoError(w.t, j.Close()) })
	issuer := issue.New(issue.Deps{
		Store: w.DB, Journal: j, Ring: w.Ring, STS: &sts{}, Options: issue.Options{Replica: "replica", HideAccounts: true},
		Links: func(context.Context, string, aws.Credentials) (string, error) { return Link, nil },
	})
	return portal.New(portal.Deps{Issuer: issuer, Store: w.DB, Journal: j, Ring: w.Ring, Options: w.Options})
}

func newRing(t testing.TB) *token.File {
	ring, err := token.NewRing("gw_test")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "ring.json")
	require.NoError(t, ring.Save(path))
	file, err := token.OpenFile(path)
	require.NoError(t, err)
	return file
}

// Change changes people, tokens or policy.
func (w *World) Change(effects ...store.Effect) {
	w.t.Helper()
	change := store.Change{Events: []audit.Event{{Type: audit.GroupAdded, At: time.Now()}}, Effects: effects, Raises: true}
	results, err := w.DB.Append(context.Background(), "test", change)
	require.NoError(w.t, err)
	for _, err := range results {
		require.NoError(w.t, err)
	}
}

// Apply makes a document the policy.
func (w *World) Apply(seq int64, doc string) {
	w.t.Helper()
	w.Change(store.AddPolicy(store.PolicyVersion{Seq: seq, Doc: []byte(doc), SHA256: sha256.Sum256([]byte(doc)), At: time.Now()}))
}

// AddToken makes a token of a user, which the callers of the user then have, and returns its row.
func (w *World) AddToken(kind store.Kind, user string) store.Token {
	w.t.Helper()
	text, row := w.Ring.Ring().New(kind, user, string(kind), time.Now().Add(time.Hour))
	w.Change(store.AddToken(row))
	w.tokens[user+string(kind)] = text.Reveal()
	return row
}

// Token returns the text of the newest token of a user.
func (w *World) Token(kind store.Kind, user string) string { return w.tokens[user+string(kind)] }

// Caller returns a user with the newest token of a kind.
func (w *World) Caller(kind store.Kind, user string) issue.Caller {
	c := issue.Caller{Way: issue.ByAPI, Token: w.Token(kind, user), IP: netip.MustParseAddr("192.0.2.1"), IsProven: true, Agent: "test"}
	if kind == store.WebToken {
		c.Way = issue.ByPage
	}
	return c
}

// Events returns the events of a type, the oldest first.
func (w *World) Events(kind audit.Type) (found []audit.Event) {
	w.t.Helper()
	for entry, err := range w.DB.Events(context.Background(), audit.Position{}, store.EventFilter{Type: kind}) {
		require.NoError(w.t, err)
		e, err := audit.ParseBody(entry.Body)
		require.NoError(w.t, err)
		found = append(found, e)
	}
	return found
}

var made atomic.Int64

// sts makes keys.
type sts struct{}

func (*sts) Cap() time.Duration { return 0 }

func (*sts) Assume(_ context.Context, s issue.Session) (issue.Lent, error) {
	return issue.Lent{Keys: aws.Credentials{
		AccessKeyID: fmt.Sprintf("ASIATEST%012d", made.Add(1)), SecretAccessKey: "CANARYsecretCANARYsecretCANARYsecretCANA",
		SessionToken: "CANARYtoken", CanExpire: true, Expires: time.Now().Add(s.Lifetime).Truncate(time.Second),
	}}, nil
}
