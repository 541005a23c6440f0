package issue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// newToken makes a token of ada, without raising the counter as a sign-in does.
func newToken(t *testing.T, w *world, kind store.Kind) (text string, row store.Token) {
	secret, row := w.deps.Ring.Ring().New(kind, "ada", "", time.Now().Add(time.Hour))
	require.NoError(t, w.deps.Journal.Append(t.Context(), store.Change{
		Events: []audit.Event{{Type: audit.TokenCreated, At: time.Now()}}, Effects: []store.Effect{store.AddToken(row)},
	}))
	return secret.Reveal(), row
}

func TestATokenIsForTheWayOfItsKind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldOn(t, url)
		_, err := w.Keys(t.Context(), w.caller("ada"), issue.Ask{Account: "sredev"}) // so that there is a view already
		require.NoError(t, err)
		for _, kind := range []store.Kind{store.UserToken, store.CLIToken, store.WebToken} {
			text, row := newToken(t, w, kind)
			for name, tc := range map[string]struct {
				caller issue.Caller
				isGood bool
			}{
				"form":              {issue.Caller{Way: issue.ByForm, User: "ada"}, kind != store.WebToken},
				"form, no name":     {issue.Caller{Way: issue.ByForm}, false},
				"form, other name":  {issue.Caller{Way: issue.ByForm, User: "bob"}, false},
				"API":               {issue.Caller{Way: issue.ByAPI}, kind != store.WebToken},
				"API, a wrong name": {issue.Caller{Way: issue.ByAPI, User: "bob"}, false},
				"page":              {issue.Caller{Way: issue.ByPage}, kind == store.WebToken},
			} {
				t.Run(string(kind)+", "+name, func(t *testing.T) {
					tc.caller.Token = text
					who, err := w.Authenticate(t.Context(), tc.caller)
					if !tc.isGood {
						assert.Equal(t, issue.BadToken, w.refused(err).Code)
						return
					}
					require.NoError(t, err)
					assert.Equal(t, "ada", who.User.Name)
					assert.Equal(t, row.ID, who.Token.ID)
					assert.Equal(t, row.ID, who.Actor.Token)
					assert.NotNil(t, who.Engine())
				})
			}
		}
	})
}

func TestANewTokenThatIsRevokedIsRefusedAtOnceByAnotherReplica(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldOn(t, url)
		other := issue.New(w.deps)
		require.NoError(t, other.Load(t.Context()))
		text, row := newToken(t, w, store.CLIToken)
		c := issue.Caller{Way: issue.ByAPI, Token: text}
		for _, replica := range []*issue.Issuer{w.Issuer, other} {
			_, err := replica.Keys(t.Context(), c, issue.Ask{Account: "sredev"})
			require.NoError(t, err)
		}
		w.change(store.RevokeToken(row.ID, time.Now()))
		for _, replica := range []*issue.Issuer{w.Issuer, other} {
			_, err := replica.Keys(t.Context(), c, issue.Ask{Account: "sredev"})
			assert.Equal(t, issue.BadToken, w.refused(err).Code)
		}
	})
}

// lost is a store that does not find tokens, but for its own reasons.
type lost struct{ issue.Store }

func (lost) Token(context.Context, string) (store.Token, error) {
	return store.Token{}, errors.New("the database is away")
}

func TestATokenThatCannotBeLookedForIsNotAWrongOne(t *testing.T) {
	w := newWorld(t)
	text, _ := newToken(t, w, store.CLIToken)
	_, err := w.Authenticate(t.Context(), w.caller("ada"))
	require.NoError(t, err)
	deps := w.deps
	deps.Store = lost{deps.Store}
	i := issue.New(deps)
	require.NoError(t, i.Load(t.Context()))
	text2, _ := newToken(t, w, store.CLIToken)
	_, err = i.Authenticate(t.Context(), issue.Caller{Way: issue.ByAPI, Token: text2})
	assert.Equal(t, issue.Unavailable, w.refused(err).Code)
	_, err = i.Authenticate(t.Context(), issue.Caller{Way: issue.ByAPI, Token: text})
	require.NoError(t, err, "the view has it")
}
