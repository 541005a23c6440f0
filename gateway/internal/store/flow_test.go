package store_test

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// unlogged is a change of a sign-in: with an event, and without the counter.
func unlogged(effects ...store.Effect) store.Change {
	return store.Change{Events: []audit.Event{{Type: audit.LoginApproved, At: now}}, Effects: effects}
}

func device(digest string) store.Flow {
	return store.Flow{
		Digest: []byte(digest), Kind: store.DeviceFlow, UserCode: []byte("typed " + digest),
		Asker:   store.Asker{Program: "chaim/1", Host: "laptop", IP: "192.0.2.1"},
		Outcome: store.Outcome{State: store.FlowOpen}, Created: now, Expires: now.Add(10 * time.Minute),
	}
}

func TestASignInByADeviceIsApprovedAndUsedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		f := device("d1")
		approval := store.Outcome{State: store.FlowApproved, User: "ann", Token: "tok_web"}
		require.NoError(t, db.BeginDevice(ctx, f))
		require.Error(t, db.BeginDevice(ctx, f), "a code is that of one sign-in")
		found, err := db.FlowByUserCode(ctx, []byte("typed d1"))
		require.NoError(t, err)
		assert.Equal(t, f, found)
		_, err = db.FlowByUserCode(ctx, []byte("typed d2"))
		require.ErrorIs(t, err, store.ErrNotFound)

		require.ErrorIs(t, apply(db, unlogged(store.UseFlow(f.Digest, "tok_1", now))), store.ErrConflict, "it is not approved yet")
		require.ErrorIs(t, apply(db, unlogged(store.DecideFlow(f.Digest, approval, f.Expires))), store.ErrConflict, "it has expired")
		require.NoError(t, apply(db, unlogged(store.DecideFlow(f.Digest, approval, now))))
		require.ErrorIs(t, apply(db, unlogged(store.DecideFlow(f.Digest, store.Outcome{State: store.FlowDenied, User: "bob"}, now))), store.ErrConflict, "it is decided")
		require.ErrorIs(t, apply(db, unlogged(store.UseFlow(f.Digest, "tok_1", f.Expires))), store.ErrConflict, "it has expired")
		require.NoError(t, apply(db, unlogged(store.UseFlow(f.Digest, "tok_1", now))))
		require.ErrorIs(t, apply(db, unlogged(store.UseFlow(f.Digest, "tok_2", now))), store.ErrConflict, "it is used")

		found, err = db.Flow(ctx, f.Digest)
		require.NoError(t, err)
		assert.Equal(t, store.Outcome{State: store.FlowUsed, User: "ann", Token: "tok_1"}, found.Outcome)
	})
}

func TestAPollKnowsWhenTheOneBeforeWas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		require.NoError(t, db.BeginDevice(ctx, device("d1")))
		poll := func(second int) store.Flow {
			at := now.Add(time.Duration(second) * time.Second)
			f, err := db.PollDevice(ctx, []byte("d1"), at, at.Add(-4*time.Second))
			require.NoError(t, err)
			return f
		}
		assert.Zero(t, poll(1).Polled)
		assert.Equal(t, now.Add(time.Second), poll(4).Polled)
		assert.Equal(t, now.Add(time.Second), poll(6).Polled, "the early one was not noted")
		assert.Equal(t, now.Add(6*time.Second), poll(11).Polled)
		require.NoError(t, apply(db, unlogged(store.DecideFlow([]byte("d1"), store.Outcome{State: store.FlowDenied, User: "ann"}, now))))
		assert.Equal(t, now.Add(11*time.Second), poll(20).Polled)
		assert.Equal(t, now.Add(11*time.Second), poll(30).Polled, "nothing is noted of a sign-in that has ended")

		require.NoError(t, apply(db, unlogged(store.AddFlow(store.Flow{Digest: []byte("c1"), Kind: store.CodeFlow, Outcome: store.Outcome{State: store.FlowApproved, User: "ann"}}))))
		for _, digest := range []string{"c1", "none"} {
			_, err := db.PollDevice(ctx, []byte(digest), now, now)
			require.ErrorIs(t, err, store.ErrNotFound)
		}
	})
}

func TestTheEndOfATokenEndsWhatItHasApproved(t *testing.T) {
	for name, c := range map[string]struct {
		effect store.Effect
		ended  []string
	}{
		"one token":          {store.EndToken("tok_web", now), []string{"by tok_web"}},
		"sign-out":           {store.RevokeToken("tok_web", now), nil},
		"logins of a user":   {store.EndLoginsOf("ann"), []string{"by tok_web", "by tok_other", "link"}},
		"tokens of a user":   {store.RevokeTokensOf("ann", now), []string{"by tok_web", "by tok_other", "link"}},
		"sign-ins of a user": {store.RevokeSignInsOf("ann", now), []string{"by tok_web", "by tok_other", "link"}},
		"all":                {store.RevokeAllTokens(now), []string{"by tok_web", "by tok_other", "link", "bob's"}},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, url string) {
				db := storetest.Open(t, url)
				require.NoError(t, apply(db, raising(audit.UserAdded, store.AddUser(store.User{Name: "ann", SourceIdentity: "ann", Created: now}))))
				require.NoError(t, apply(db, raising(audit.SignedIn, store.AddToken(store.Token{
					ID: "tok_web", User: "ann", Kind: store.WebToken, Seal: store.Seal{MAC: []byte{1}}, Expires: farAway,
				}))))
				flows := map[string]store.Outcome{
					"by tok_web": {User: "ann", Token: "tok_web"}, "by tok_other": {User: "ann", Token: "tok_other"}, "link": {User: "ann"},
					"bob's": {User: "bob", Token: "tok_bob"},
				}
				for digest, o := range flows {
					o.State = store.FlowApproved
					require.NoError(t, apply(db, unlogged(store.AddFlow(store.Flow{Digest: []byte(digest), Kind: store.CodeFlow, Outcome: o, Expires: farAway}))))
				}
				require.NoError(t, apply(db, raising(audit.TokenRevoked, c.effect)))
				for digest := range flows {
					err := apply(db, unlogged(store.UseFlow([]byte(digest), "tok_new", now)))
					if slices.Contains(c.ended, digest) {
						require.ErrorIs(t, err, store.ErrConflict, digest)
					} else {
						require.NoError(t, err, digest)
					}
				}
			})
		})
	}
}

func TestOldSignInsAreForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		for i := range 3 {
			f := device(strconv.Itoa(i))
			f.Expires = now.Add(time.Duration(i) * time.Minute)
			require.NoError(t, db.BeginDevice(ctx, f))
		}
		require.NoError(t, db.ForgetFlows(ctx, now.Add(time.Minute)))
		_, err := db.Flow(ctx, []byte("0"))
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = db.Flow(ctx, []byte("1"))
		require.NoError(t, err)
	})
}

func TestOfManyWhoUseASignInAtOnceOneGetsIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		f := store.Flow{Digest: []byte("c1"), Kind: store.CodeFlow, Outcome: store.Outcome{State: store.FlowApproved, User: "ann"}, Created: now, Expires: farAway}
		require.NoError(t, apply(db, unlogged(store.AddFlow(f))))
		var all sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			all.Go(func() { results[i] = apply(db, unlogged(store.UseFlow(f.Digest, strconv.Itoa(i), now))) })
		}
		all.Wait()
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else {
				assert.True(t, errors.Is(err, store.ErrConflict), err)
			}
		}
		assert.Equal(t, 1, won)
	})
}

func TestAnIdentityIsThatOfOneUser(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		for _, name := range []string{"ann", "bob"} {
			require.NoError(t, apply(db, raising(audit.UserAdded, store.AddUser(store.User{Name: name, SourceIdentity: name, Created: now}))))
		}
		i := store.Identity{Issuer: "https://idp.example.com", Subject: "1", User: "ann", Created: now}
		require.NoError(t, apply(db, raising(audit.IdentityAdded, store.AddIdentity(i))))
		other := i
		other.User = "bob"
		require.ErrorIs(t, apply(db, raising(audit.IdentityAdded, store.AddIdentity(other))), store.ErrConflict)
		found, err := db.Identity(ctx, i.Issuer, "1")
		require.NoError(t, err)
		assert.Equal(t, i, found)
		_, err = db.Identity(ctx, "https://other.example.com", "1")
		require.ErrorIs(t, err, store.ErrNotFound)
		list, err := db.IdentitiesOf(ctx, "ann")
		require.NoError(t, err)
		assert.Equal(t, []store.Identity{i}, list)
		require.ErrorIs(t, apply(db, raising(audit.IdentityGone, store.RemoveIdentity(other))), store.ErrConflict, "it is not bob's")
		require.NoError(t, apply(db, raising(audit.IdentityGone, store.RemoveIdentity(i))))
		_, err = db.Identity(ctx, i.Issuer, "1")
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestTokensThatEndedLongAgoAreNotInTheView(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		require.NoError(t, apply(db, raising(audit.UserAdded, store.AddUser(store.User{Name: "ann", SourceIdentity: "ann", Created: now}))))
		for id, tc := range map[string]struct {
			kind store.Kind
			ago  time.Duration
		}{
			"live": {store.WebToken, -time.Hour}, "web": {store.WebToken, time.Hour}, "cli": {store.CLIToken, time.Hour}, "old": {store.UserToken, 31 * 24 * time.Hour},
		} {
			row := store.Token{ID: id, User: "ann", Kind: tc.kind, Seal: store.Seal{MAC: []byte{1}}, Expires: time.Now().Add(-tc.ago)}
			require.NoError(t, apply(db, unlogged(store.AddToken(row))))
			found, err := db.Token(ctx, id)
			require.NoError(t, err)
			assert.Equal(t, tc.kind, found.Kind)
		}
		v, err := db.View(ctx)
		require.NoError(t, err)
		assert.Contains(t, v.Tokens, "live")
		assert.Contains(t, v.Tokens, "cli", "its owner is told that it has expired")
		assert.Len(t, v.Tokens, 2)
		_, err = db.Token(ctx, "none")
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}
