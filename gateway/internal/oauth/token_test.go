package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

func metadata(t *testing.T, r replica) (about map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "http://evil.example/.well-known/oauth-authorization-server", nil)
	req.Header.Set("X-Forwarded-Host", "evil.example")
	r.mux.ServeHTTP(w, req)
	require.Equal(t, http.StatusOK, w.Code)
	assert.NotContains(t, w.Body.String(), "evil.example", "the address is the configured one")
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &about))
	return about
}

func TestTheServerDescribesItself(t *testing.T) {
	assert.Equal(t, map[string]any{
		"issuer": gatewayURL, "authorization_endpoint": gatewayURL + "/oauth/authorize", "token_endpoint": gatewayURL + "/oauth/token",
		"device_authorization_endpoint": gatewayURL + "/oauth/device_authorization", "revocation_endpoint": gatewayURL + "/oauth/revoke",
		"response_types_supported": []any{"code"}, "grant_types_supported": []any{codeGrant, deviceGrant},
		"code_challenge_methods_supported": []any{"S256"}, "authorization_response_iss_parameter_supported": true,
		"token_endpoint_auth_methods_supported": []any{"none"}, "revocation_endpoint_auth_methods_supported": []any{"none"},
	}, metadata(t, newWorld(t, storetest.SQLite(t)).replica))
}

func TestTheOldestLoginEndsForOneTooMany(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database, func(d *oauth.Deps) { d.Settings.TokensPerUser = 3 })
		w.newToken(store.UserToken, "ada") // counts, but is kept
		w.newToken(store.CLIToken, "bob")  // is another user's
		var tokens []string
		for range 4 {
			l := newLogin("a")
			got := w.post("/oauth/token", l.form(w.approve(l, w.browser("ada", "192.0.2.7"))))
			require.NotEmpty(t, got.Token, got.Text)
			tokens = append(tokens, got.Token)
		}
		w.requireEnded(tokens[0])
		w.requireEnded(tokens[1])
		for _, kept := range tokens[2:] {
			_, err := w.program(kept)
			require.NoError(t, err)
		}
		reason := "token.revoked ada the user has too many tokens"
		assert.Equal(t, []string{reason, reason}, w.events("reason", audit.TokenRevoked))

		l, fewer := newLogin("a"), w.newReplica(func(d *oauth.Deps) { d.Settings.TokensPerUser = 1 })
		got := fewer.post("/oauth/token", l.form(w.approve(l, w.browser("ada", "192.0.2.7"))))
		for _, ended := range tokens[2:] {
			w.requireEnded(ended)
		}
		_, err := w.program(got.Token)
		require.NoError(t, err)
	})
}

func TestATokenIsEndedByItsHolder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		other := w.newReplica()
		text, kept := w.newToken(store.CLIToken, "ada"), w.newToken(store.CLIToken, "ada")
		for range 2 {
			got := w.post("/oauth/revoke", url.Values{"token": {text}, "token_type_hint": {"access_token"}})
			assert.Equal(t, http.StatusOK, got.Status, got.Text)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
		}
		w.requireEnded(text, other)
		_, err := w.program(kept)
		require.NoError(t, err)
		assert.Equal(t, []string{"token.revoked ada logout"}, w.events("reason", audit.TokenRevoked))
	})
}

func TestOfManyWhoEndATokenAtOnceAllSucceed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		replicas := []replica{w.replica, w.newReplica()}
		text := w.newToken(store.CLIToken, "ada")
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				got := replicas[i%2].post("/oauth/revoke", url.Values{"token": {text}})
				assert.Equal(t, http.StatusOK, got.Status, got.Text)
			})
		}
		all.Wait()
		w.requireEnded(text, replicas...)
		assert.Len(t, w.events("reason", audit.TokenRevoked), 1)
	})
}

func TestWhatIsNoTokenIsEnded(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	web := w.newToken(store.WebToken, "ada")
	expired, row := w.ring.Ring().New(store.CLIToken, "ada", "", time.Now().Add(-time.Hour))
	w.change(store.AddToken(row))
	for _, text := range []string{"", "x", web, web[:len(web)-1] + "0", expired.Reveal()} {
		assert.Equal(t, http.StatusOK, w.post("/oauth/revoke", url.Values{"token": {text}}).Status)
	}
	assert.Equal(t, "invalid_client", w.post("/oauth/revoke", url.Values{"token": {web}, "client_id": {"other"}}).Error)
	assert.Equal(t, "invalid_request", w.post("/oauth/revoke", url.Values{"token": {web, web}}).Error)
	w.browser("ada", "192.0.2.7")
	found, err := w.db.TokensOf(t.Context(), "ada", time.Now())
	require.NoError(t, err)
	assert.Len(t, found, 2, "a browser signs out on its own page")
	assert.Empty(t, w.events("token", audit.TokenRevoked))
}

func TestThoseWhoGuessAreToldToPause(t *testing.T) {
	var wrong []netip.Addr
	w := newWorld(t, storetest.SQLite(t), func(d *oauth.Deps) {
		d.Web.Failed = func(from netip.Addr) time.Duration {
			wrong = append(wrong, from)
			return 90 * time.Second
		}
	})
	l := newLogin("a")
	for _, got := range []reply{
		w.post("/oauth/token", l.form("none"), "X-From", "203.0.113.5"), w.poll("none"), w.post("/oauth/revoke", url.Values{"token": {"none"}}),
	} {
		assert.Equal(t, "90", got.Header.Get("Retry-After"))
	}
	assert.Equal(t, []string{"203.0.113.5", "192.0.2.1", "192.0.2.1"}, []string{wrong[0].String(), wrong[1].String(), wrong[2].String()})
	got := w.post("/oauth/token", l.form(w.approve(l, w.browser("ada", "192.0.2.7"))))
	assert.NotEmpty(t, got.Token, "a right code is never delayed")
}

// away is a database that cannot be used.
type away struct{ oauth.Database }

var errAway = errors.New("connect to CANARY-HOST: refused")

func (away) Flow(context.Context, []byte) (store.Flow, error) { return store.Flow{}, errAway }
func (away) PollDevice(context.Context, []byte, time.Time, time.Time) (store.Flow, error) {
	return store.Flow{}, errAway
}
func (away) BeginDevice(context.Context, store.Flow) error { return store.ErrBusy }

func TestWithoutADatabaseProgramsAreToldToTryAgain(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	l := newLogin("a")
	code := w.approve(l, w.browser("ada", "192.0.2.7"))
	lost := w.newReplica(func(d *oauth.Deps) { d.Database = away{d.Database} })
	for name, got := range map[string]reply{
		"a code": lost.post("/oauth/token", l.form(code)), "a device": lost.poll("x"), "a begin": lost.post("/oauth/device_authorization", url.Values{}),
	} {
		assert.Equal(t, http.StatusServiceUnavailable, got.Status, name)
		assert.Equal(t, "temporarily_unavailable", got.Error, name)
		assert.Equal(t, "1", got.Header.Get("Retry-After"), name)
		assert.NotContains(t, got.Text, "CANARY", name)
	}
	w.log.reset() // which has the error, for the operator
	assert.Equal(t, "ada", w.post("/oauth/token", l.form(code)).User, "the code still works")
}

// failing is a journal whose writes fail with an error until it is healed.
type failing struct {
	journal
	err error
}

func (f *failing) Append(ctx context.Context, c store.Change) error {
	if f.err != nil {
		return f.err
	}
	return f.journal.Append(ctx, c)
}

func TestATokenIsAnsweredOnlyIfItIsRecorded(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	f := &failing{journal: journal{w.db}}
	r := w.newReplica(func(d *oauth.Deps) { d.Journal = f })
	l, ada, text := newLogin("a"), w.browser("ada", "192.0.2.7"), w.newToken(store.CLIToken, "ada")
	code := w.approve(l, ada)
	asks, err := r.server.CheckAuthorize(l.params())
	require.NoError(t, err)
	for _, f.err = range []error{store.ErrUnknown, store.ErrBusy, store.ErrStale, context.DeadlineExceeded} {
		got := r.post("/oauth/token", l.form(code))
		assert.Equal(t, http.StatusServiceUnavailable, got.Status, f.err)
		assert.Empty(t, got.Token)
		assert.Equal(t, http.StatusServiceUnavailable, r.post("/oauth/revoke", url.Values{"token": {text}}).Status, f.err)
		back, err := r.server.Approve(t.Context(), ada, asks, netip.Addr{})
		requireRefusal(t, err, "unavailable")
		assert.Empty(t, back)
	}
	f.err = nil
	got := r.post("/oauth/token", l.form(code))
	require.NotEmpty(t, got.Token)
	f.err = store.ErrUnknown
	assert.Equal(t, http.StatusServiceUnavailable, r.post("/oauth/token", l.form(code)).Status, "the token may not have ended")
	f.err = nil
	assert.Equal(t, "invalid_grant", r.post("/oauth/token", l.form(code)).Error)
	w.requireEnded(got.Token)
}

func TestACodeOfThePepperBeforeStillWorks(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	l := newLogin("a")
	code, begun := w.approve(l, w.browser("ada", "192.0.2.7")), w.begin()
	_, err := token.Update(w.ring.Path(), func(r *token.Ring) (*token.Ring, error) { return r.RotatePepper(), nil })
	require.NoError(t, err)
	require.NoError(t, w.ring.Reload())
	require.NoError(t, w.server.DecideDevice(t.Context(), w.browser("bob", "192.0.2.7"), begun.Typed, true))
	assert.Equal(t, "bob", w.poll(begun.Device).User)
	assert.Equal(t, "ada", w.post("/oauth/token", l.form(code)).User)
}

func TestWhatWasApprovedEndsWithItsUser(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"user disabled": func(w *world) { w.change(store.SetDisabled("ada", true), store.RevokeTokensOf("ada", time.Now())) },
		"user unlinked": func(w *world) { w.change(store.RevokeSignInsOf("ada", time.Now())) },
		"user disabled and enabled": func(w *world) {
			w.change(store.SetDisabled("ada", true), store.RevokeTokensOf("ada", time.Now()))
			w.change(store.SetDisabled("ada", false))
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, database string) {
				w := newWorld(t, database)
				ada, begun, l := w.browser("ada", "192.0.2.7"), w.begin(), newLogin("x")
				require.NoError(t, w.server.DecideDevice(t.Context(), ada, begun.Typed, true))
				code := w.approve(l, ada)
				end(w)
				assert.Equal(t, "access_denied", w.poll(begun.Device).Error)
				assert.Equal(t, "invalid_grant", w.post("/oauth/token", l.form(code)).Error)
				assert.Empty(t, w.events("token", audit.TokenCreated))
			})
		})
	}
}

// atOnce lets the first two who read the tokens of a user wait for each other.
type atOnce struct {
	*store.DB
	readers atomic.Int64
	both    sync.WaitGroup
}

func (a *atOnce) TokensOf(ctx context.Context, user string, now time.Time) ([]store.Token, error) {
	found, err := a.DB.TokensOf(ctx, user, now)
	if a.readers.Add(1) <= 2 {
		a.both.Done()
		a.both.Wait()
	}
	return found, err
}

func TestTwoLoginsAtOnceAreNotOneTooMany(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), func(d *oauth.Deps) {
		d.Settings.TokensPerUser = 1
		readers := &atOnce{DB: d.Database.(*store.DB)}
		readers.both.Add(2)
		d.Database = readers
	})
	ada := w.browser("ada", "192.0.2.7")
	var both sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		l := newLogin(name)
		code := w.approve(l, ada)
		both.Go(func() { assert.Equal(t, http.StatusOK, w.post("/oauth/token", l.form(code)).Status) })
	}
	both.Wait()
	left, err := w.db.TokensOf(t.Context(), "ada", time.Now())
	require.NoError(t, err)
	left = slices.DeleteFunc(left, func(t store.Token) bool { return t.Kind != store.CLIToken })
	assert.Len(t, left, 1)
}
