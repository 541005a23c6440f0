package issue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	groupcommit "github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

func TestKeysAreRecordedAroundSTS(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldOn(t, url)
		w.sts.answer = func(_ context.Context, s issue.Session) (issue.Lent, error) {
			assert.Equal(t, store.Intent, w.only().State, "the intent is durable before STS is asked")
			assert.Equal(t, s.Issue, w.only().ID)
			return keysFor(1, s), nil
		}
		got, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "SREdev", Duration: 2 * time.Hour})
		require.NoError(t, err)
		row := w.only()
		assert.Equal(t, []issue.Session{{
			RoleARN: "arn:aws:iam::111111111111:role/CrossAccountReadOnly", SourceIdentity: "ada@example", User: "ada",
			Issue: row.ID, Lifetime: 2 * time.Hour,
		}}, w.sts.sessions())
		assert.Equal(t, "CANARYsecret", got.Keys.SecretAccessKey)
		got.Keys.SecretAccessKey, got.Keys.SessionToken = "", ""
		assert.Equal(t, issue.Grant{
			Issue: row.ID, AccountID: "111111111111", AccountName: "sredev", Role: "rro", Keys: got.Keys, Lifetime: 2 * time.Hour,
		}, got)
		assert.Equal(t, store.Issued, row.State)
		assert.Equal(t, "ASIATEST00000001", row.Keys.ID)
		assert.Equal(t, w.tokens["ada"].row.ID, row.Origin.Token)

		events := w.events()
		require.Equal(t, []audit.Type{audit.IssueAllowed, audit.IssueIssued}, w.types())
		for _, e := range events {
			assert.Equal(t, audit.Actor{Kind: "user", Name: "ada", Token: w.tokens["ada"].row.ID, IP: "192.0.2.1", Agent: "test"}, e.Actor)
			assert.Equal(t, []string{row.ID, "111111111111", "rro"}, []string{e.Issue, e.Account, e.Role})
		}
		assert.Equal(t, map[string]string{
			"policy": "1", "grant": "sre", "lifetime": "7200", "asked": "7200", "role_arn": "arn:aws:iam::111111111111:role/CrossAccountReadOnly",
		}, events[0].Details)
		assert.Equal(t, "ASIATEST00000001", events[1].Details["key_id"])
	})
}

func TestLifetimes(t *testing.T) {
	for name, tt := range map[string]struct {
		ask     issue.Ask
		limit   time.Duration
		want    time.Duration
		because string
	}{
		"as asked":            {issue.Ask{Account: "sredev", Duration: 90 * time.Minute}, 0, 90 * time.Minute, ""},
		"not asked":           {issue.Ask{Account: "sredev"}, 0, time.Hour, ""},
		"less than AWS gives": {issue.Ask{Account: "sredev", Duration: time.Minute}, 0, 15 * time.Minute, ""},
		"the role's cap":      {issue.Ask{Account: "sredev", Role: "apu", Duration: 3 * time.Hour}, 0, time.Hour, "role's longest"},
		"the grant's cap":     {issue.Ask{Account: "office", Duration: 12 * time.Hour}, 0, 2 * time.Hour, "grant's longest"},
		"role chaining":       {issue.Ask{Account: "sredev", Duration: 12 * time.Hour}, time.Hour, time.Hour, "identity is a role"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sts.limit = tt.limit
			c := w.caller("ada")
			c.IP = office
			_, err := w.Keys(t.Context(), c, tt.ask)
			require.NoError(t, err)
			assert.Equal(t, tt.want, w.sts.sessions()[0].Lifetime)
			limit := w.events(audit.IssueAllowed)[0].Details["cap"]
			assert.Contains(t, limit, tt.because)
			assert.Equal(t, tt.because == "", limit == "")
		})
	}
}

// TestRefusals says for each refusal whether the log has it. STS is never asked.
func TestRefusals(t *testing.T) {
	type test struct {
		prepare func(*world)
		caller  func(*world, *issue.Caller)
		ask     issue.Ask
		code    issue.Code
		denied  bool
		says    string
	}
	sredev := issue.Ask{Account: "sredev"}
	for name, tt := range map[string]test{
		"no token":             {caller: func(_ *world, c *issue.Caller) { c.Token = "" }, ask: sredev, code: issue.BadToken},
		"original's token":     {caller: func(_ *world, c *issue.Caller) { c.Token = "ca9a12e5-0000-4000-8000-000000000000" }, ask: sredev, code: issue.BadToken},
		"unknown token":        {caller: func(_ *world, c *issue.Caller) { c.Token = "chm1_" + strings.Repeat("0", 26) + c.Token[31:] }, ask: sredev, code: issue.BadToken},
		"wrong secret":         {caller: func(_ *world, c *issue.Caller) { c.Token = c.Token[:32] + strings.Repeat("0", 52) }, ask: sredev, code: issue.BadToken},
		"another's name":       {caller: func(_ *world, c *issue.Caller) { c.User = "bob" }, ask: sredev, code: issue.BadToken},
		"no name":              {caller: func(_ *world, c *issue.Caller) { c.User = "" }, ask: sredev, code: issue.BadToken},
		"name in upper case":   {caller: func(_ *world, c *issue.Caller) { c.User = "ADA" }, ask: sredev, code: issue.BadToken},
		"revoked token":        {prepare: func(w *world) { w.change(store.RevokeToken(w.tokens["ada"].row.ID, time.Now())) }, ask: sredev, code: issue.BadToken},
		"expired token":        {prepare: func(w *world) { w.addToken("ada", -time.Second) }, ask: sredev, code: issue.ExpiredToken},
		"disabled user":        {prepare: func(w *world) { w.change(store.SetDisabled("ada", true), store.RevokeTokensOf("ada", time.Now())) }, ask: sredev, code: issue.DisabledUser, says: "ada is not an active user"},
		"disabled, bad secret": {prepare: func(w *world) { w.change(store.SetDisabled("ada", true)) }, caller: func(_ *world, c *issue.Caller) { c.Token = c.Token[:32] + strings.Repeat("0", 52) }, ask: sredev, code: issue.BadToken},
		"freeze":               {prepare: func(w *world) { w.change(store.Freeze("incident 7")) }, ask: sredev, code: issue.IsFrozen, denied: true, says: "incident 7"},
		"unknown account":      {ask: issue.Ask{Account: "moon"}, code: issue.NoAccount, denied: true, says: `"moon"`},
		"two accounts":         {ask: issue.Ask{Account: "twin"}, code: issue.AmbiguousAccount, denied: true, says: "use an id"},
		"unknown role":         {ask: issue.Ask{Account: "sredev", Role: "xyz"}, code: issue.NoRole, denied: true, says: `"xyz"`},
		"no grant":             {ask: issue.Ask{Account: "222222222222"}, code: issue.NotAllowed, denied: true},
		"deny rule":            {ask: issue.Ask{Account: "333333333333", Role: "apu"}, code: issue.NotAllowed, denied: true},
		"not from the office":  {ask: issue.Ask{Account: "office"}, code: issue.NotAllowed, denied: true},
		"a pasted secret":      {ask: issue.Ask{Account: strings.Repeat("CANARY7/", 5)}, code: issue.NoAccount, denied: true, says: "[secret]"},
		"an injection":         {ask: issue.Ask{Account: "sredev\n'; DROP", Role: "../apu"}, code: issue.NoAccount, denied: true},
		"no policy for it": {
			prepare: func(w *world) {
				w.apply(2, "version: 1\nroles: {rro: {aws: R}}\naccounts: [{id: \"111111111111\", name: sredev}]\n")
			},
			ask: sredev, code: issue.NotAllowed, denied: true,
		},
		"window ends soon": {
			prepare: func(w *world) {
				until := time.Now().Add(10 * time.Minute).UTC().Format(time.RFC3339)
				w.apply(2, document+"  - {id: later, on: {ids: [\"111111111111\"]}, from: "+until+"}\n")
			},
			ask: sredev, code: issue.TooShort, denied: true, says: "deny rule leaves 9m",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tt.prepare != nil {
				tt.prepare(w)
			}
			c := w.caller("ada")
			if tt.caller != nil {
				tt.caller(w, &c)
			}
			_, err := w.Keys(t.Context(), c, tt.ask)
			r := w.refused(err)
			assert.Equal(t, tt.code, r.Code, r.Text)
			assert.Contains(t, r.Text, tt.says)
			assert.Empty(t, w.sts.sessions())
			if !tt.denied {
				assert.Empty(t, w.events(), "strangers do not write to the log")
				return
			}
			assert.Equal(t, "ada", r.User)
			require.Equal(t, []audit.Type{audit.IssueDenied}, w.types())
			assert.Equal(t, string(tt.code), w.events()[0].Details["reason"])
		})
	}
}

// TestKeysEndWithTheWindow begins a deny rule in an hour.
func TestKeysEndWithTheWindow(t *testing.T) {
	w := newWorld(t)
	from := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	w.apply(2, document+"  - {id: later, on: {ids: [\"111111111111\"]}, from: "+from.Format(time.RFC3339)+"}\n")
	_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", Duration: 4 * time.Hour})
	require.NoError(t, err)
	asked := w.sts.sessions()[0]
	assert.WithinDuration(t, from, asked.Until, time.Second)
	assert.False(t, asked.Until.After(from))
	assert.LessOrEqual(t, asked.Left(), time.Until(from)+time.Second)
	assert.Equal(t, "the start of a deny rule", w.events(audit.IssueAllowed)[0].Details["cap"])
}

func TestDenyRuleIsNamed(t *testing.T) {
	w := newWorld(t)
	_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "333333333333", Role: "apu"})
	assert.Equal(t, "no-changes", w.refused(err).Rule)
	assert.Equal(t, "no-changes", w.events()[0].Details["rule"])
}

func TestHiddenAccountsAreUnknown(t *testing.T) {
	w := newWorld(t, func(d *issue.Deps) { d.Options.HideAccounts = true })
	for account, code := range map[string]issue.Code{
		"222222222222": issue.NoAccount, "Connected Homes": issue.NoAccount, "moon": issue.NoAccount, "office": issue.NotAllowed,
	} {
		_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: account})
		r := w.refused(err)
		assert.Equal(t, code, r.Code, account)
	}
	got, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "twin"})
	require.NoError(t, err, "of two accounts with a name only one is known to the user")
	assert.Equal(t, "333333333333", got.AccountID)
	_, err = w.Keys(t.Context(), w.caller("bob"), issue.Ask{Account: "twin"})
	assert.Equal(t, issue.NoAccount, w.refused(err).Code)
}

func TestAccountsAreThoseOfTheCaller(t *testing.T) {
	w := newWorld(t)
	got, err := w.Accounts(t.Context(), w.caller("ada"))
	require.NoError(t, err)
	assert.Equal(t, []issue.Account{{ID: "111111111111", Name: "sredev"}, {ID: "333333333333", Name: "twin"}}, got)
	c := w.caller("ada")
	c.IP = office
	got, err = w.Accounts(t.Context(), c)
	require.NoError(t, err)
	assert.Len(t, got, 3)
	c.IsProven = false
	got, err = w.Accounts(t.Context(), c)
	require.NoError(t, err)
	assert.Len(t, got, 2, "no rule holds for an address that is not proven")
	_, err = w.Keys(t.Context(), c, issue.Ask{Account: "sredev"})
	require.NoError(t, err)
	assert.Equal(t, office.String(), w.events(audit.IssueIssued)[0].Actor.IP, "but the log has it")
	got, err = w.Accounts(t.Context(), w.caller("bob"))
	require.NoError(t, err)
	assert.Empty(t, got)
	c.Token = ""
	_, err = w.Accounts(t.Context(), c)
	assert.Equal(t, issue.BadToken, w.refused(err).Code)

	w.change(store.RemoveMember("sre", "ada"))
	got, err = w.Accounts(t.Context(), w.caller("ada"))
	require.NoError(t, err)
	assert.Empty(t, got, "at once")
}

// TestChangesCountAtOnce changes what was decided between the decision and its record.
func TestChangesCountAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*world)
		code   issue.Code
	}{
		"token revoked": {func(w *world) { w.change(store.RevokeToken(w.tokens["ada"].row.ID, time.Now())) }, issue.BadToken},
		"user disabled": {func(w *world) { w.change(store.SetDisabled("ada", true), store.RevokeTokensOf("ada", time.Now())) }, issue.DisabledUser},
		"left a group":  {func(w *world) { w.change(store.RemoveMember("sre", "ada")) }, issue.NotAllowed},
		"frozen":        {func(w *world) { w.change(store.Freeze("x")) }, issue.IsFrozen},
		"policy": {func(w *world) {
			w.apply(2, "version: 1\nroles: {rro: {aws: R}}\naccounts: [{id: \"111111111111\", name: sredev}]\n")
		}, issue.NotAllowed},
		"pepper killed": {func(w *world) {
			_, err := token.Update(w.deps.Ring.Path(), func(r *token.Ring) (*token.Ring, error) { return r.KillPepper(w.tokens["ada"].row.Seal.KeyID) })
			require.NoError(w.t, err)
			w.change(store.RevokeTokensOfKey(w.tokens["ada"].row.Seal.KeyID, time.Now()))
		}, issue.BadToken},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"}) // fills the cache
			require.NoError(t, err)
			w.journal.seen = func(n int, _ store.Change) {
				if n == 3 {
					tt.change(w)
				}
			}
			_, err = w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
			assert.Equal(t, tt.code, w.refused(err).Code)
			assert.Len(t, w.sts.sessions(), 1, "STS was not asked again")
		})
	}
}

// TestNewTokensCountAtOnce adds what the cached view does not have.
func TestNewTokensCountAtOnce(t *testing.T) {
	w := newWorld(t)
	_, err := w.Keys(t.Context(), w.caller("bob"), issue.Ask{Account: "sredev"})
	assert.Equal(t, issue.NotAllowed, w.refused(err).Code)
	w.change(store.AddMember("sre", "bob"))
	_, err = w.Keys(t.Context(), w.caller("bob"), issue.Ask{Account: "sredev"})
	require.NoError(t, err)
	_, err = token.Update(w.deps.Ring.Path(), func(r *token.Ring) (*token.Ring, error) { return r.RotatePepper(), nil })
	require.NoError(t, err)
	old := w.caller("bob")
	w.addToken("bob", time.Hour)
	for _, c := range []issue.Caller{w.caller("bob"), old} {
		_, err = w.Keys(t.Context(), c, issue.Ask{Account: "sredev"})
		require.NoError(t, err, "tokens of both peppers")
	}
}

// TestWriterOfTheDatabaseCannotBecomeAnother points a token's row at another user.
func TestWriterOfTheDatabaseCannotBecomeAnother(t *testing.T) {
	w := newWorld(t)
	row := w.tokens["bob"].row
	row.ID, row.User = "tok_"+strings.Repeat("1", 26), "ada"
	w.change(store.AddToken(row))
	c := issue.Caller{User: "ada", Token: "chm1_" + strings.Repeat("1", 26) + w.tokens["bob"].text[31:]}
	_, err := w.Keys(t.Context(), c, issue.Ask{Account: "sredev"})
	assert.Equal(t, issue.BadToken, w.refused(err).Code)
}

func TestEndlessChangesEndInARefusal(t *testing.T) {
	w := newWorld(t)
	w.journal.fail = func(int, store.Change) (bool, error) { return false, store.ErrStale }
	_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
	assert.Equal(t, issue.Unavailable, w.refused(err).Code)
	assert.Equal(t, 8, w.journal.n)
}

// TestJournalFails fails each record of an issue in each way.
func TestJournalFails(t *testing.T) {
	forked := fmt.Errorf("batch 7: %w", store.ErrForked)
	for name, tt := range map[string]struct {
		at       int
		isStored bool
		err      error
		code     issue.Code
		asked    int         // requests to STS
		state    store.State // empty: there is no issue
		types    []audit.Type
	}{
		"intent: database away":      {1, false, errors.New("disk full"), issue.Unavailable, 0, "", nil},
		"intent: busy":               {1, false, store.ErrBusy, issue.Busy, 0, "", nil},
		"intent: forked":             {1, false, forked, issue.Unavailable, 0, "", nil},
		"intent: conflict":           {1, false, store.ErrConflict, issue.Unavailable, 0, "", nil},
		"intent: unknown, stored":    {1, true, store.ErrUnknown, issue.Unavailable, 0, store.Intent, []audit.Type{audit.IssueAllowed}},
		"intent: unknown, lost":      {1, false, store.ErrUnknown, issue.Unavailable, 0, "", nil},
		"issued: database away":      {2, false, errors.New("disk full"), issue.Unavailable, 1, store.Withheld, []audit.Type{audit.IssueAllowed, audit.IssueWithheld}},
		"issued: swept in between":   {2, false, store.ErrConflict, issue.Unavailable, 1, store.Withheld, []audit.Type{audit.IssueAllowed, audit.IssueWithheld}},
		"issued: unknown, stored":    {2, true, store.ErrUnknown, issue.Unavailable, 1, store.Withheld, []audit.Type{audit.IssueAllowed, audit.IssueIssued, audit.IssueWithheld}},
		"issued: unknown, lost":      {2, false, store.ErrUnknown, issue.Unavailable, 1, store.Withheld, []audit.Type{audit.IssueAllowed, audit.IssueWithheld}},
		"issued: away until the end": {-2, false, errors.New("disk full"), issue.Unavailable, 1, store.Intent, []audit.Type{audit.IssueAllowed}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.journal.fail = func(n int, _ store.Change) (bool, error) {
				if n == tt.at || tt.at < 0 && n >= -tt.at {
					return tt.isStored, tt.err
				}
				return false, nil
			}
			got, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
			r := w.refused(err)
			assert.Equal(t, tt.code, r.Code)
			assert.Positive(t, r.RetryAfter)
			assert.Empty(t, got.Keys, "no key is answered without its record")
			assert.Len(t, w.sts.sessions(), tt.asked)
			assert.Equal(t, tt.types, w.types())
			if tt.state != "" {
				assert.Equal(t, tt.state, w.only().State)
			}
		})
	}
}

func TestSTSFailuresAreRecorded(t *testing.T) {
	for name, tt := range map[string]struct {
		failure error
		code    issue.Code
		state   store.State
		kind    audit.Type
		pause   time.Duration
	}{
		"refused":        {&issue.STSError{Cause: issue.NotTrusted, Text: "no trust"}, issue.RefusedBySTS, store.Failed, audit.IssueFailed, 0},
		"throttled":      {&issue.STSError{Cause: issue.Throttled, Text: "many", RetryAfter: 7 * time.Second}, issue.Busy, store.Failed, audit.IssueFailed, 7 * time.Second},
		"failed":         {&issue.STSError{Cause: issue.Away, Text: "again"}, issue.Unavailable, store.Failed, audit.IssueFailed, time.Second},
		"no answer":      {&issue.STSError{Cause: issue.Away, Text: "again", MayHaveKeys: true}, issue.Unavailable, store.Unknown, audit.IssueUnknown, time.Second},
		"own keys":       {&issue.STSError{Cause: issue.OwnKeys, Text: "renew"}, issue.Unavailable, store.Failed, audit.IssueFailed, time.Second},
		"another person": {&issue.STSError{Cause: issue.OtherSession, Text: "odd", MayHaveKeys: true}, issue.RefusedBySTS, store.Unknown, audit.IssueUnknown, 0},
		"of no kind":     {errors.New("CANARY"), issue.Unavailable, store.Unknown, audit.IssueUnknown, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sts.answer = func(context.Context, issue.Session) (issue.Lent, error) { return issue.Lent{}, tt.failure }
			_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
			r := w.refused(err)
			assert.Equal(t, tt.code, r.Code)
			assert.Equal(t, tt.pause, r.RetryAfter)
			assert.Equal(t, tt.state, w.only().State)
			assert.Equal(t, []audit.Type{audit.IssueAllowed, tt.kind}, w.types())
			assert.Equal(t, r.Text, w.only().Error)
		})
	}
	w := newWorld(t)
	w.sts.answer = func(context.Context, issue.Session) (issue.Lent, error) {
		return issue.Lent{}, &issue.STSError{Cause: issue.NotTrusted, Text: "no trust"}
	}
	for range 2 {
		_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
		assert.Equal(t, issue.RefusedBySTS, w.refused(err).Code)
	}
	assert.Len(t, w.sts.sessions(), 2, "refusals are not remembered")
}

// TestDroppedKeysAreFound drops keys that are not those that STS was asked for.
func TestDroppedKeysAreFound(t *testing.T) {
	w := newWorld(t)
	ends := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	w.sts.answer = func(context.Context, issue.Session) (issue.Lent, error) {
		return issue.Lent{}, &issue.STSError{
			Cause: issue.OtherSession, Text: "dropped", MayHaveKeys: true, Dropped: store.IssuedKeys{ID: "ASIADROPPED", ExpiresAt: ends},
		}
	}
	_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
	assert.Equal(t, issue.RefusedBySTS, w.refused(err).Code)
	row, err := w.db.IssueByKey(t.Context(), "ASIADROPPED")
	require.NoError(t, err)
	assert.Equal(t, []any{store.Withheld, ends}, []any{row.State, row.Keys.ExpiresAt})
	e := w.events(audit.IssueWithheld)[0]
	assert.Equal(t, []string{"ASIADROPPED", ends.Format(time.RFC3339)}, []string{e.Details["key_id"], e.Details["expires"]})
}

func TestCallerWhoLeaves(t *testing.T) {
	for name, tt := range map[string]struct {
		leaveAt string
		state   store.State
		asked   int
	}{
		"at first":   {"start", "", 0},
		"intent":     {"intent", store.Failed, 0},
		"during STS": {"sts", store.Withheld, 1},
		"issued":     {"issued", store.Issued, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			w.journal.seen = func(n int, _ store.Change) {
				if n == 1 && tt.leaveAt == "intent" || n == 2 && tt.leaveAt == "issued" {
					leave()
				}
			}
			w.sts.answer = func(ctx context.Context, s issue.Session) (issue.Lent, error) {
				if tt.leaveAt == "sts" {
					leave()
				}
				assert.NoError(t, ctx.Err(), "the work goes on")
				return keysFor(1, s), nil
			}
			if tt.leaveAt == "start" {
				leave()
			}
			got, err := w.Keys(ctx, w.caller("ada"), issue.Ask{Account: "sredev"})
			assert.Len(t, w.sts.sessions(), tt.asked)
			if tt.state == "" {
				require.ErrorIs(t, err, context.Canceled)
				assert.Empty(t, w.events())
				return
			}
			assert.Equal(t, tt.state, w.only().State)
			if tt.state != store.Issued {
				require.ErrorIs(t, err, context.Canceled)
				assert.Empty(t, got.Keys)
			}
		})
	}
}

// TestSlowSTSEndsInTime asks an STS that answers after 25 seconds, or not before its time is over.
func TestSlowSTSEndsInTime(t *testing.T) {
	url := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, url)
		w.sts.answer = func(ctx context.Context, s issue.Session) (issue.Lent, error) {
			select {
			case <-time.After(25 * time.Second):
				return keysFor(1, s), nil
			case <-ctx.Done():
				return issue.Lent{}, &issue.STSError{Cause: issue.Away, Text: "no answer", MayHaveKeys: true}
			}
		}
		start := time.Now()
		_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"})
		assert.Equal(t, issue.Unavailable, w.refused(err).Code)
		assert.LessOrEqual(t, time.Since(start), 20*time.Second)
		assert.Equal(t, store.Unknown, w.only().State)
	})
}

// TestNoKeyByAStaleDecision has 8 writers ask while a ninth takes rights away and gives them back. By the order of the log,
// none may be allowed while ada has no rights.
func TestNoKeyByAStaleDecision(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldOn(t, url, func(d *issue.Deps) {
			j := groupcommit.New(d.Store.(*store.DB), groupcommit.Options{Writer: "test"})
			t.Cleanup(func() { require.NoError(t, j.Close()) })
			d.Journal = j
		})
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for ctx.Err() == nil {
					_, _ = w.Keys(ctx, w.caller("ada"), issue.Ask{Account: "sredev"})
				}
			})
		}
		for n := range 20 {
			effect, kind := store.RemoveMember("sre", "ada"), audit.MemberRemoved
			if n%2 == 1 {
				effect, kind = store.AddMember("sre", "ada"), audit.MemberAdded
			}
			c := store.Change{Events: []audit.Event{{Type: kind, At: time.Now()}}, Effects: []store.Effect{effect}, Raises: true}
			require.NoError(t, w.journal.append(context.Background(), c))
			for range 2 { // lets the others in between
				_, _ = w.Keys(ctx, w.caller("ada"), issue.Ask{Account: "sredev"})
			}
		}
		stop()
		wg.Wait()
		may, allowed, denied := true, 0, 0
		for _, e := range w.events() {
			switch e.Type {
			case audit.MemberRemoved:
				may = false
			case audit.MemberAdded:
				may = true
			case audit.IssueAllowed:
				allowed++
				require.True(t, may, "allowed by a stale decision")
			case audit.IssueDenied:
				denied++
				require.False(t, may, "denied by a stale decision")
			}
		}
		assert.Positive(t, allowed)
		assert.Positive(t, denied)
	})
}

func TestExactKeysAreNotShortened(t *testing.T) {
	w := newWorld(t)
	grant, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", Role: "apu", Duration: time.Hour, Exact: true})
	require.NoError(t, err)
	assert.Equal(t, time.Hour, grant.Lifetime)
	assert.Empty(t, grant.Cap)

	ask := issue.Ask{Account: "sredev", Role: "apu", Duration: 2 * time.Hour}
	grant, err = w.Keys(t.Context(), w.caller("ada"), ask)
	require.NoError(t, err)
	assert.Equal(t, time.Hour, grant.Lifetime)
	assert.Equal(t, "the role's longest lifetime", grant.Cap)

	ask.Exact = true
	_, err = w.Keys(t.Context(), w.caller("ada"), ask)
	refusal := w.refused(err)
	assert.Equal(t, issue.TooShort, refusal.Code)
	assert.Equal(t, "exactly 2h0m0s was asked for, but the role's longest lifetime leaves 1h0m0s", refusal.Text)
	assert.EqualValues(t, 1, refusal.Policy)
	assert.Len(t, w.sts.sessions(), 2, "STS was not asked for the third")

	w.sts.limit = 30 * time.Minute
	_, err = w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev", Duration: time.Hour, Exact: true})
	assert.Equal(t, issue.TooShort, w.refused(err).Code, "the cap of the gateway's identity counts too")
}
