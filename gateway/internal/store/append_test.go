package store_test

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/ids"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// now is the time of the events of tests.
var (
	now     = time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC)
	farAway = time.Date(2096, 5, 4, 3, 2, 1, 123456000, time.UTC)
)

var ctx = context.Background()

func event(t audit.Type) audit.Event {
	return audit.Event{Type: t, At: now, Actor: audit.Actor{Kind: "user", Name: "ann", Token: "tok_1", IP: "10.0.0.1", Agent: "test"}}
}

// change is a change with one event.
func change(t audit.Type, effects ...store.Effect) store.Change {
	return store.Change{Events: []audit.Event{event(t)}, Effects: effects}
}

func raising(t audit.Type, effects ...store.Effect) store.Change {
	c := change(t, effects...)
	c.Raises = true
	return c
}

// apply stores one change.
func apply(db *store.DB, c store.Change) error {
	results, _ := db.Append(ctx, "test", c)
	return results[0]
}

// findings verifies the log of a database.
func findings(t testing.TB, db *store.DB, points ...audit.Checkpoint) (found []string) {
	_, err := db.Verify(ctx, points, func(f audit.Finding) { found = append(found, f.String()) })
	require.NoError(t, err)
	return found
}

// allEvents returns the log's events.
func allEvents(t testing.TB, db *store.DB, f store.EventFilter) (found []audit.Entry) {
	for e, err := range db.Events(ctx, audit.Position{}, f) {
		require.NoError(t, err)
		found = append(found, e)
	}
	return found
}

func newIssue() store.Issue {
	return store.Issue{
		ID: ids.New("iss"), User: "ann", Origin: store.Origin{Token: "tok_1", IP: "192.0.2.1", Agent: "chaim"}, Account: "123456789012", RoleARN: "arn:aws:iam::123456789012:role/x",
		State: store.Intent, At: now,
	}
}

func TestPeopleTokensAndPolicyAreInTheView(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		empty, err := db.View(ctx)
		require.NoError(t, err)
		assert.Positive(t, empty.Auth, "zero would mean any counter")

		doc := []byte("roles: {}\n")
		token := store.Token{ID: "tok_1", User: "ann", Kind: store.UserToken, Seal: store.Seal{MAC: []byte{1, 2}, KeyID: "k1"}, Label: "laptop", Created: now, Expires: farAway}
		version := store.PolicyVersion{Seq: 1, Doc: doc, SHA256: sha256.Sum256(doc), Author: "root@host", Message: "first", At: now}
		for _, e := range []store.Effect{
			store.AddUser(store.User{Name: "ann", SourceIdentity: "ann", Created: now}),
			store.AddGroup("ops", now), store.AddGroup("dev", now),
			store.AddMember("ops", "ann"), store.AddMember("dev", "ann"),
			store.AddToken(token), store.AddPolicy(version), store.Freeze("fire"),
		} {
			require.NoError(t, apply(db, raising(audit.UserAdded, e)))
		}
		v, err := db.View(ctx)
		require.NoError(t, err)
		assert.Equal(t, &store.View{
			Auth: empty.Auth + 8, Frozen: "fire", Policy: version, Groups: []string{"dev", "ops"},
			Users:  map[string]store.User{"ann": {Name: "ann", SourceIdentity: "ann", Groups: []string{"dev", "ops"}, Created: now}},
			Tokens: map[string]store.Token{"tok_1": token},
		}, v)
	})
}

func TestAnIssueHasOneEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		i := newIssue()
		keys := store.IssuedKeys{ID: "ASIA1", ExpiresAt: now.Add(time.Hour), Chained: true}
		require.NoError(t, apply(db, change(audit.IssueAllowed, store.Intend(i))))
		require.ErrorIs(t, apply(db, change(audit.IssueAllowed, store.Intend(i))), store.ErrConflict)
		require.NoError(t, apply(db, change(audit.IssueIssued, store.Finish(i.ID, store.Intent, store.Issued, keys, ""))))
		require.ErrorIs(t, apply(db, change(audit.IssueFailed, store.Finish(i.ID, store.Intent, store.Failed, store.IssuedKeys{}, "x"))), store.ErrConflict)
		got, err := db.IssueByKey(ctx, "ASIA1")
		require.NoError(t, err)
		i.State, i.Keys = store.Issued, keys
		assert.Equal(t, i, got)
	})
}

func TestARefusedChangeLeavesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		require.NoError(t, apply(db, raising(audit.UserAdded, store.AddUser(store.User{Name: "ann", SourceIdentity: "ann", Created: now}))))
		before, err := db.View(ctx)
		require.NoError(t, err)
		for name, c := range map[string]store.Change{
			"the first effect":    raising(audit.UserAdded, store.AddGroup("g", now), store.SetDisabled("bob", true)),
			"the second effect":   raising(audit.UserAdded, store.SetDisabled("bob", true), store.AddGroup("g", now)),
			"a name of before":    raising(audit.UserAdded, store.AddGroup("g", now), store.AddUser(store.User{Name: "ann", SourceIdentity: "a2"})),
			"an identity again":   raising(audit.UserAdded, store.AddGroup("g", now), store.AddUser(store.User{Name: "an", SourceIdentity: "ann"})),
			"no such group":       raising(audit.MemberAdded, store.AddMember("none", "ann")),
			"no such member":      raising(audit.MemberRemoved, store.RemoveMember("none", "ann")),
			"no such user":        raising(audit.TokenCreated, store.AddToken(store.Token{ID: "t", User: "bob", Kind: store.UserToken, Seal: store.Seal{MAC: []byte{1}}, Expires: farAway})),
			"enabled already":     raising(audit.UserEnabled, store.SetDisabled("ann", false)),
			"thawed already":      raising(audit.GatewayThawed, store.Thaw()),
			"no reason to freeze": raising(audit.GatewayFrozen, store.Freeze("")),
			"policy with a gap":   raising(audit.PolicyApplied, store.AddPolicy(store.PolicyVersion{Seq: 2, Doc: []byte("x")})),
			"policy zero":         raising(audit.PolicyApplied, store.AddPolicy(store.PolicyVersion{Seq: 0, Doc: []byte("x")})),
			"no such token":       raising(audit.TokenRevoked, store.RevokeToken("t", now)),
		} {
			require.ErrorIs(t, apply(db, c), store.ErrConflict, name)
		}
		require.ErrorContains(t, apply(db, store.Change{Effects: []store.Effect{store.AddGroup("g", now)}}), "without an event")
		after, err := db.View(ctx)
		require.NoError(t, err)
		assert.Equal(t, before, after)
		assert.Len(t, allEvents(t, db, store.EventFilter{}), 1)
		assert.Empty(t, findings(t, db))
	})
}

func TestARefusedChangeDoesNotHurtOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		first, twin := newIssue(), newIssue()
		keys := store.IssuedKeys{ID: "ASIA1", ExpiresAt: now}
		auth, err := db.Auth(ctx)
		require.NoError(t, err)
		stale := change(audit.IssueAllowed, store.Intend(newIssue()))
		stale.IfAuth = auth + 1
		fresh := change(audit.IssueAllowed, store.Intend(newIssue()))
		fresh.IfAuth = auth
		bad := newIssue()
		bad.State = "bogus"
		results, err := db.Append(ctx, "test",
			change(audit.IssueAllowed, store.Intend(first)),
			stale,
			change(audit.IssueAllowed, store.Intend(first)),
			fresh,
			change(audit.IssueAllowed, store.Intend(twin)),
			change(audit.IssueFailed, store.Finish("iss_none", store.Intent, store.Failed, store.IssuedKeys{}, "")),
		)
		require.NoError(t, err)
		assert.Equal(t, []error{nil, store.ErrStale, store.ErrConflict, nil, nil, store.ErrConflict}, results)

		// An error of the database itself, a violated constraint, ends the transaction that the others share.
		results, err = db.Append(ctx, "test",
			change(audit.IssueIssued, store.Finish(first.ID, store.Intent, store.Issued, keys, "")),
			change(audit.IssueIssued, store.Finish(bad.ID, store.Intent, bad.State, keys, "")),
			change(audit.IssueAllowed, store.Finish(twin.ID, store.Intent, "bogus", store.IssuedKeys{}, "")),
			change(audit.IssueIssued, store.Finish(twin.ID, store.Intent, store.Issued, keys, "")),
			change(audit.MemberAdded, store.AddMember("none", "none")),
			change(audit.IssueFailed, store.Finish(twin.ID, store.Intent, store.Failed, store.IssuedKeys{}, "no keys")),
		)
		require.NoError(t, err)
		for i, want := range []error{nil, store.ErrConflict, store.ErrConflict, store.ErrConflict, store.ErrConflict, nil} {
			require.ErrorIs(t, results[i], want, i)
		}
		assert.Len(t, allEvents(t, db, store.EventFilter{}), 5)
		issued, err := db.IssueByKey(ctx, "ASIA1")
		require.NoError(t, err)
		assert.Equal(t, first.ID, issued.ID)
		failed, err := db.Issue(ctx, twin.ID)
		require.NoError(t, err)
		assert.Equal(t, "no keys", failed.Error)
		assert.Empty(t, findings(t, db))
	})
}

func TestTheCounterIsRaisedByChangesThatSaySo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		before, err := db.Auth(ctx)
		require.NoError(t, err)
		c := change(audit.IssueAllowed)
		c.IfAuth = before
		// The order holds: what comes before the rise is fresh, what comes after it is stale.
		results, err := db.Append(ctx, "test", c, raising(audit.GroupAdded, store.AddGroup("g", now)), c)
		require.NoError(t, err)
		assert.Equal(t, []error{nil, nil, store.ErrStale}, results)
		after, err := db.Auth(ctx)
		require.NoError(t, err)
		assert.Equal(t, before+1, after)
		raise := raising(audit.GroupAdded, store.AddGroup("h", now))
		raise.IfAuth = before
		require.ErrorIs(t, apply(db, raise), store.ErrStale)
	})
}

func TestPolicyVersionsFollowEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		add := func(seq int64) error {
			doc := []byte{byte(seq)}
			return apply(db, raising(audit.PolicyApplied, store.AddPolicy(store.PolicyVersion{Seq: seq, Doc: doc, SHA256: sha256.Sum256(doc), At: now})))
		}
		require.NoError(t, add(1))
		require.NoError(t, add(2))
		require.ErrorIs(t, add(2), store.ErrConflict)
		require.ErrorIs(t, add(1), store.ErrConflict)
		require.ErrorIs(t, add(4), store.ErrConflict)
		require.NoError(t, add(3))
		all, err := db.PolicyVersions(ctx)
		require.NoError(t, err)
		require.Len(t, all, 3)
		assert.Equal(t, int64(3), all[0].Seq)
		second, err := db.PolicyVersion(ctx, 2)
		require.NoError(t, err)
		assert.Equal(t, all[1], second)
		_, err = db.PolicyVersion(ctx, 9)
		require.ErrorIs(t, err, store.ErrNotFound)

		_, writes := store.Pools(db)
		_, err = writes.ExecContext(ctx, "UPDATE policy_version SET doc = $1 WHERE seq = 3", []byte("other"))
		require.NoError(t, err)
		_, err = db.View(ctx)
		require.ErrorContains(t, err, "version 3 of the policy was changed in the database")
	})
}

func TestDisablingEndsAllTokensAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		for _, name := range []string{"ann", "bob"} {
			require.NoError(t, apply(db, raising(audit.UserAdded, store.AddUser(store.User{Name: name, SourceIdentity: name, Created: now}))))
			for _, id := range []string{"1", "2"} {
				token := store.Token{ID: name + id, User: name, Kind: store.UserToken, Seal: store.Seal{MAC: []byte{1}, KeyID: "k" + id}, Created: now, Expires: farAway}
				require.NoError(t, apply(db, raising(audit.TokenCreated, store.AddToken(token))))
			}
		}
		require.NoError(t, apply(db, raising(audit.UserDisabled, store.SetDisabled("ann", true), store.RevokeTokensOf("ann", now))))
		v, err := db.View(ctx)
		require.NoError(t, err)
		assert.True(t, v.Users["ann"].Disabled)
		assert.Equal(t, now, v.Tokens["ann1"].Revoked)
		assert.Equal(t, now, v.Tokens["ann2"].Revoked)
		assert.Zero(t, v.Tokens["bob1"].Revoked)
		require.NoError(t, apply(db, raising(audit.KeyRotated, store.RevokeTokensOfKey("k1", now))))
		require.NoError(t, apply(db, raising(audit.TokenRevoked, store.RevokeToken("bob2", now))))
		v, err = db.View(ctx)
		require.NoError(t, err)
		assert.Equal(t, now, v.Tokens["bob1"].Revoked)
		assert.Equal(t, now, v.Tokens["bob2"].Revoked)
	})
}

func TestARemovedGroupHasNoMembers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		for _, e := range []store.Effect{
			store.AddUser(store.User{Name: "ann", SourceIdentity: "ann", Created: now}), store.AddGroup("g", now), store.AddGroup("h", now),
			store.AddMember("g", "ann"), store.AddMember("h", "ann"), store.RemoveMember("h", "ann"), store.RemoveGroup("g"), store.AddGroup("g", now),
		} {
			require.NoError(t, apply(db, raising(audit.GroupAdded, e)))
		}
		v, err := db.View(ctx)
		require.NoError(t, err)
		assert.Empty(t, v.Users["ann"].Groups)
		assert.Equal(t, []string{"g", "h"}, v.Groups)
	})
}

func TestOddTextIsStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		for _, odd := range []string{"a\x00b", "a\xff\xfeb", "'; DROP TABLE issue; --", "Zoë \u2028 <&>", "\x01\x1f\x7f\u0080"} {
			e := event(audit.IssueDenied)
			e.Actor.Name, e.Actor.Agent, e.Subject, e.Account, e.Role, e.Issue = odd, odd, odd, odd, odd, odd
			e.Details = map[string]string{"account": odd}
			i := newIssue()
			i.User, i.Account = odd, odd
			require.NoError(t, apply(db, store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.Intend(i)}}), odd)
		}
		assert.Empty(t, findings(t, db))
	})
}

func TestALogThatIsNotTheOneOfBeforeStopsAllWriting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		for name, statement := range map[string]string{
			"the last batch is missing": "DELETE FROM audit_batch WHERE seq = (SELECT max(seq) FROM audit_batch)",
			"the last batch is another": "UPDATE audit_batch SET hash = prev WHERE seq = (SELECT max(seq) FROM audit_batch)",
			"the log is empty":          "DELETE FROM audit_batch",
		} {
			t.Run(name, func(t *testing.T) {
				db, other := storetest.Open(t, url), storetest.Open(t, url)
				for range 3 {
					require.NoError(t, apply(db, change(audit.UserAdded)))
				}
				_, writes := store.Pools(other)
				_, err := writes.ExecContext(ctx, statement)
				require.NoError(t, err)
				require.ErrorIs(t, apply(db, change(audit.IssueAllowed, store.Intend(newIssue()))), store.ErrForked)
				issues, err := other.Issues(ctx, store.IssueFilter{})
				require.NoError(t, err)
				require.Empty(t, issues, "effects may run before the log is compared, but must not stay")
				_, err = db.Auth(ctx)
				require.ErrorIs(t, err, store.ErrForked)
				_, err = db.View(ctx)
				require.ErrorIs(t, err, store.ErrForked)
				_, err = writes.ExecContext(ctx, "DELETE FROM audit_event WHERE seq >= (SELECT coalesce(max(seq), 0) FROM audit_batch)")
				require.NoError(t, err)
				_, err = writes.ExecContext(ctx, "DELETE FROM audit_batch")
				require.NoError(t, err)
				_, err = writes.ExecContext(ctx, "DELETE FROM audit_event")
				require.NoError(t, err)
			})
		}
	})
}

func TestReplicasSeeTheLogsOfEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		a, b := storetest.Open(t, url), storetest.Open(t, url)
		for range 3 {
			require.NoError(t, apply(a, change(audit.UserAdded)))
			require.NoError(t, apply(b, change(audit.UserAdded)))
			require.NoError(t, apply(b, change(audit.UserAdded)))
		}
		ha, err := a.Head(ctx)
		require.NoError(t, err)
		hb, err := b.Head(ctx)
		require.NoError(t, err)
		assert.Equal(t, ha, hb)
		assert.Equal(t, int64(9), ha.Seq)
		hash, err := a.HashAt(ctx, 9)
		require.NoError(t, err)
		assert.Equal(t, ha.Hash, hash)
		_, err = a.HashAt(ctx, 10)
		require.ErrorIs(t, err, store.ErrNotFound)
		assert.Equal(t, a.ID(), b.ID())
	})
}

func TestRedaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		actor := audit.Actor{Kind: "os", Name: "root@host"}
		require.NoError(t, apply(db, store.Change{Events: []audit.Event{event(audit.UserAdded), event(audit.UserAdded)}}))
		victim := audit.Position{Seq: 1, Idx: 1}
		require.NoError(t, apply(db, store.Redact(actor, now, victim, "a name")))
		require.ErrorIs(t, apply(db, store.Redact(actor, now, victim, "again")), store.ErrConflict)
		require.ErrorIs(t, apply(db, store.Redact(actor, now, audit.Position{Seq: 2}, "the redaction")), store.ErrConflict)
		require.ErrorIs(t, apply(db, store.Redact(actor, now, audit.Position{Seq: 9}, "none")), store.ErrConflict)
		require.NoError(t, apply(db, store.Restored(actor, now, "a disk", nil)))
		require.ErrorIs(t, apply(db, store.Redact(actor, now, audit.Position{Seq: 3}, "the restore")), store.ErrConflict)
		all := allEvents(t, db, store.EventFilter{})
		require.Len(t, all, 4)
		assert.True(t, all[1].IsRedacted())
		assert.Empty(t, findings(t, db))
	})
}

func TestARestoredGatewayIssuesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		require.NoError(t, apply(db, raising(audit.UserAdded, store.AddUser(store.User{Name: "ann", SourceIdentity: "ann", Created: now}))))
		require.NoError(t, apply(db, raising(audit.TokenCreated, store.AddToken(store.Token{ID: "t", User: "ann", Kind: store.UserToken, Seal: store.Seal{MAC: []byte{1}}, Expires: farAway}))))
		for range 2 { // it may be frozen already
			require.NoError(t, apply(db, store.Restored(audit.Actor{Kind: "os"}, now, "disk lost", map[string]string{"lost_from": "7"})))
		}
		v, err := db.View(ctx)
		require.NoError(t, err)
		assert.Equal(t, "disk lost", v.Frozen)
		assert.Equal(t, now, v.Tokens["t"].Revoked)
		e, err := audit.ParseBody(allEvents(t, db, store.EventFilter{Type: audit.GatewayRestored})[0].Body)
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"reason": "disk lost", "lost_from": "7"}, e.Details)

		require.NoError(t, apply(db, raising(audit.GatewayThawed, store.Thaw())))
		require.NoError(t, apply(db, raising(audit.GatewayFrozen, store.Freeze("keys leaked"))))
		require.NoError(t, apply(db, store.Restored(audit.Actor{Kind: "os"}, now, "disk lost", nil)))
		v, err = db.View(ctx)
		require.NoError(t, err)
		assert.Equal(t, "keys leaked", v.Frozen, "an operator's freeze ends only with a thaw")
	})
}

// TestAStaleChangeIsStaleWhateverItsEffects has the counter raised by another replica, so that this one still assumes the old
// counter when it sends the effects.
func TestAStaleChangeIsStaleWhateverItsEffects(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db, other := storetest.Open(t, url), storetest.Open(t, url)
		i := newIssue()
		require.NoError(t, apply(db, change(audit.IssueAllowed, store.Intend(i))))
		for name, effects := range map[string][]store.Effect{
			"none":       nil,
			"fits":       {store.Intend(newIssue())},
			"conflicts":  {store.Intend(i)},
			"is refused": {store.AddMember("none", "none")},
			"several":    {store.Intend(newIssue()), store.AddMember("none", "none")},
		} {
			auth, err := db.Auth(ctx)
			require.NoError(t, err)
			c := change(audit.IssueAllowed, effects...)
			c.IfAuth = auth
			fresh := change(audit.IssueAllowed, store.Intend(newIssue()))
			fresh.IfAuth = auth + 1
			require.NoError(t, apply(other, raising(audit.GroupAdded, store.AddGroup(name, now))))
			results, err := db.Append(ctx, "test", c, fresh)
			require.NoError(t, err)
			assert.Equal(t, []error{store.ErrStale, nil}, results, name)
		}
		issues, err := db.Issues(ctx, store.IssueFilter{})
		require.NoError(t, err)
		assert.Len(t, issues, 1+5)
		assert.Empty(t, findings(t, db))
	})
}
