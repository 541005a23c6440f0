package oauth_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

func TestAProgramLogsInByACodeThatAPersonTypes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		begun := w.begin("X-From", "198.51.100.4")
		assert.Regexp(t, `^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`, begun.Typed)
		assert.Contains(t, begun.Text, `"verification_uri":"`+gatewayURL+`/device"`)
		assert.NotContains(t, begun.Text, "verification_uri_complete", "the code is typed by hand")
		assert.Contains(t, begun.Text, `"interval":5`)
		assert.Equal(t, 600, begun.Seconds)
		assert.Equal(t, "no-store", begun.Header.Get("Cache-Control"))

		ada := w.browser("ada", "192.0.2.7")
		for _, typed := range []string{begun.Typed, strings.ToLower(begun.Typed), strings.ReplaceAll(begun.Typed, "-", ""), " " + begun.Typed + " "} {
			asks, err := w.server.FindDevice(t.Context(), ada, typed)
			require.NoError(t, err)
			assert.WithinDuration(t, time.Now(), asks.Created, time.Minute)
			asks.Created = time.Time{}
			assert.Equal(t, oauth.Device{Program: "chaim/2.0", Host: "laptop", IP: "198.51.100.4"}, asks)
		}
		require.NoError(t, w.server.DecideDevice(t.Context(), ada, begun.Typed, true))
		require.ErrorIs(t, w.server.DecideDevice(t.Context(), ada, begun.Typed, false), store.ErrNotFound, "it is decided")
		got := w.newReplica().poll(begun.Device)
		require.Equal(t, http.StatusOK, got.Status, got.Text)
		assert.Equal(t, "ada", got.User)
		who, err := w.program(got.Token)
		require.NoError(t, err)
		assert.Equal(t, store.CLIToken, who.Token.Kind)
		assert.Equal(t, []string{"login.approved ada device"}, w.events("kind", audit.LoginApproved))
		assert.Equal(t, []string{"token.created ada 198.51.100.4"}, w.events("from", audit.TokenCreated))
		for _, body := range w.bodies(t) {
			assert.NotContains(t, body, begun.Device)
			assert.NotContains(t, body, begun.Typed)
		}

		assert.Equal(t, "invalid_grant", w.poll(begun.Device).Error)
		w.requireEnded(got.Token)
		assert.Equal(t, []string{"token.revoked ada its code came twice"}, w.events("reason", audit.TokenRevoked))
	})
}

func TestADeniedDeviceGetsNoToken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		begun, ada := w.begin(), w.browser("ada", "192.0.2.7")
		require.NoError(t, w.server.DecideDevice(t.Context(), ada, begun.Typed, false))
		for range 2 {
			assert.Equal(t, "access_denied", w.poll(begun.Device).Error)
		}
		require.ErrorIs(t, w.server.DecideDevice(t.Context(), ada, begun.Typed, true), store.ErrNotFound)
		assert.Equal(t, []string{"login.denied ada device"}, w.events("kind", audit.LoginDenied, audit.LoginApproved, audit.TokenCreated))
	})
}

func TestADeviceAsksEveryFiveSecondsForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.SQLite(t))
		begun, late := w.begin(), w.begin()
		ada := w.browser("ada", "192.0.2.7")
		assert.Equal(t, "authorization_pending", w.poll(begun.Device).Error)
		time.Sleep(2 * time.Second)
		assert.Equal(t, "slow_down", w.poll(begun.Device).Error)
		time.Sleep(3 * time.Second)
		assert.Equal(t, "authorization_pending", w.poll(begun.Device).Error, "a poll that came too soon is not counted")
		require.NoError(t, w.server.DecideDevice(t.Context(), ada, begun.Typed, true))
		assert.Equal(t, "slow_down", w.poll(begun.Device).Error)
		time.Sleep(5 * time.Second)
		assert.Equal(t, "ada", w.poll(begun.Device).User)

		time.Sleep(10 * time.Minute)
		assert.Equal(t, "expired_token", w.poll(late.Device).Error)
		_, err := w.server.FindDevice(t.Context(), ada, late.Typed)
		require.ErrorIs(t, err, store.ErrNotFound)
		require.ErrorIs(t, w.server.DecideDevice(t.Context(), ada, late.Typed, true), store.ErrNotFound)
	})
}

func TestAnApprovedDeviceThatComesTooLateGetsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.SQLite(t))
		begun := w.begin()
		require.NoError(t, w.server.DecideDevice(t.Context(), w.browser("ada", "192.0.2.7"), begun.Typed, true))
		time.Sleep(10 * time.Minute)
		assert.Equal(t, "expired_token", w.poll(begun.Device).Error)
	})
}

func TestOfManyPollsAtOnceOneGetsAToken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		replicas := []replica{w.replica, w.newReplica()}
		begun := w.begin()
		require.NoError(t, w.server.DecideDevice(t.Context(), w.browser("ada", "192.0.2.7"), begun.Typed, true))
		var all sync.WaitGroup
		var given atomic.Int64
		for i := range 16 {
			all.Go(func() {
				if got := replicas[i%2].poll(begun.Device); got.Token != "" {
					given.Add(1)
				}
			})
		}
		all.Wait()
		assert.EqualValues(t, 1, given.Load())
		assert.Len(t, w.events("token", audit.TokenCreated), 1)
	})
}

func TestOfTwoAnswersToADeviceOneCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		begun := w.begin()
		people := []issue.Who{w.browser("ada", "192.0.2.7"), w.browser("bob", "192.0.2.8")}
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i, who := range people {
			all.Go(func() { errs[i] = w.server.DecideDevice(context.Background(), who, begun.Typed, true) })
		}
		all.Wait()
		winner := "ada"
		if errs[0] != nil {
			winner = "bob"
			require.NoError(t, errs[1])
		} else {
			require.Error(t, errs[1])
		}
		assert.Equal(t, winner, w.poll(begun.Device).User)
	})
}

func TestCodesAreNotGuessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.SQLite(t))
		begun := w.begin()
		ada, bob, far := w.browser("ada", "192.0.2.7"), w.browser("bob", "192.0.2.7"), w.browser("bob", "198.51.100.1")
		guess := func(who issue.Who) error {
			_, err := w.server.FindDevice(t.Context(), who, "BBBB-BBBB")
			return err
		}
		for i := range 5 {
			require.ErrorIs(t, guess(ada), store.ErrNotFound)
			if i == 3 { // a right code, perhaps of the guesser's own program, changes nothing
				_, err := w.server.FindDevice(t.Context(), ada, begun.Typed)
				require.NoError(t, err)
			}
		}
		for i, pause := range []time.Duration{30, 60, 120, 240, 480, 600} {
			_, err := w.server.FindDevice(t.Context(), ada, begun.Typed)
			assert.Equal(t, pause*time.Second, requireRefusal(t, err, issue.Busy).RetryAfter, "a right code must wait too")
			requireRefusal(t, w.server.DecideDevice(t.Context(), ada, begun.Typed, true), issue.Busy)
			if i == 0 {
				_, err = w.server.FindDevice(t.Context(), bob, begun.Typed)
				requireRefusal(t, err, issue.Busy) // at the same address
				_, err = w.server.FindDevice(t.Context(), far, begun.Typed)
				require.NoError(t, err, "others are not concerned")
			}
			time.Sleep(pause * time.Second)
			if pause < 600 {
				require.ErrorIs(t, guess(ada), store.ErrNotFound)
			}
		}
		for range 5 { // all is forgotten
			require.ErrorIs(t, guess(ada), store.ErrNotFound)
		}
		requireRefusal(t, guess(ada), issue.Busy)
	})
}

// looks counts how often a typed code is looked for, and holds the looks until all are there.
type looks struct {
	*store.DB
	n atomic.Int64
}

func (l *looks) FlowByUserCode(ctx context.Context, digest []byte) (store.Flow, error) {
	l.n.Add(1)
	return l.DB.FlowByUserCode(ctx, digest)
}

func TestGuessesAtTheSameTimeCountToo(t *testing.T) {
	l := &looks{}
	w := newWorld(t, storetest.SQLite(t), func(d *oauth.Deps) {
		l.DB = d.Database.(*store.DB)
		d.Database = l
	})
	ada := w.browser("ada", "192.0.2.7")
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { _, _ = w.server.FindDevice(context.Background(), ada, "BBBB-BBBB") })
	}
	all.Wait()
	assert.LessOrEqual(t, l.n.Load(), int64(5*len(w.ring.Ring().Digests("x", ""))))
}

func TestCodesThatAreNone(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	begun := w.begin()
	codes := []string{"", "----", begun.Device, begun.Typed + "B", begun.Typed[:8], "%", strings.Repeat("B", 100_000), "ÀÉ\x00\u202e"}
	for i, typed := range codes {
		user := []string{"ada", "bob"}[i%2] // neither has to pause yet
		_, err := w.server.FindDevice(t.Context(), w.browser(user, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String()), typed)
		require.ErrorIs(t, err, store.ErrNotFound, typed)
	}
	for _, code := range []string{"", begun.Typed, begun.Device + "0", strings.ToUpper(begun.Device)} {
		assert.Equal(t, "invalid_grant", w.poll(code).Error, "the typed code is not the program's")
	}
}

func TestAnAddressBeginsTenLoginsAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, storetest.SQLite(t))
		for range 10 {
			w.begin("X-From", "2001:db8::1")
		}
		got := w.post("/oauth/device_authorization", map[string][]string{}, "X-From", "2001:db8::2")
		assert.Equal(t, http.StatusTooManyRequests, got.Status, "a host has a whole network of IPv6")
		assert.Equal(t, "6", got.Header.Get("Retry-After"))
		w.begin("X-From", "2001:db8:0:1::1")
		time.Sleep(6 * time.Second)
		w.begin("X-From", "2001:db8::1")
	})
}

func TestLoginsByACodeCanBeSwitchedOff(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	begun := w.begin()
	off := w.newReplica(func(d *oauth.Deps) { d.Settings.Device = false })
	assert.Equal(t, "unauthorized_client", off.post("/oauth/device_authorization", map[string][]string{}).Error)
	assert.Equal(t, "unsupported_grant_type", off.poll(begun.Device).Error)
	ada := w.browser("ada", "192.0.2.7")
	_, err := off.server.FindDevice(t.Context(), ada, begun.Typed)
	requireRefusal(t, err, issue.NotAllowed)
	requireRefusal(t, off.server.DecideDevice(t.Context(), ada, begun.Typed, true), issue.NotAllowed)
	for _, tc := range []struct {
		replica
		isOn bool
	}{{w.replica, true}, {off, false}} {
		about := metadata(t, tc.replica)
		_, isNamed := about["device_authorization_endpoint"]
		assert.Equal(t, tc.isOn, isNamed)
		assert.Equal(t, tc.isOn, len(about["grant_types_supported"].([]any)) == 2)
	}
}
