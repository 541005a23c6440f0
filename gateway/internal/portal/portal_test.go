package portal_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/portal/portaltest"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/gateway/policy"
)

// code returns the code of a refusal, or "" if there is no error.
func code(t *testing.T, err error) issue.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, isRefusal := errors.AsType[*issue.Refusal](err)
	require.True(t, isRefusal, "%v", err)
	assert.NotEmpty(t, refusal.Text)
	assert.NotContains(t, err.Error(), "CANARY")
	return refusal.Code
}

func TestMeSaysWhoAsksAndWithWhat(t *testing.T) {
	w := portaltest.New(t)
	me, err := w.Me(t.Context(), w.Caller(store.CLIToken, "ada"))
	require.NoError(t, err)
	assert.Equal(t, "ada", me.Name)
	assert.Equal(t, []string{"sre"}, me.Groups)
	assert.Equal(t, "ada@example", me.SourceIdentity)
	assert.Equal(t, store.CLIToken, me.Token.Kind)
	assert.False(t, me.IsAdmin)
	me, err = w.Me(t.Context(), w.Caller(store.WebToken, "root"))
	require.NoError(t, err)
	assert.True(t, me.IsAdmin)
}

func TestEachMethodWantsAGoodToken(t *testing.T) {
	w := portaltest.New(t)
	for _, c := range []issue.Caller{
		{Way: issue.ByAPI, Token: "chm1_nonsense"},
		{Way: issue.ByAPI, Token: w.Token(store.WebToken, "root")},
		{Way: issue.ByPage, Token: w.Token(store.CLIToken, "root")},
		{Way: issue.ByAPI},
	} {
		for name, err := range everyMethod(t, w, c) {
			assert.Equal(t, issue.BadToken, code(t, err), name)
		}
	}
}

func everyMethod(t *testing.T, w *portaltest.World, c issue.Caller) map[string]error {
	ctx, all := t.Context(), map[string]error{}
	_, all["me"] = w.Me(ctx, c)
	_, all["accounts"] = w.Accounts(ctx, c, portal.AccountQuery{})
	_, all["account"] = w.Account(ctx, c, "shop")
	_, all["credentials"] = w.Credentials(ctx, c, issue.Ask{Account: "shop", Role: "rro"})
	_, _, all["console"] = w.Console(ctx, c, issue.Ask{Account: "shop", Role: "rro"})
	_, all["link"] = w.Link(ctx, c, aws.Credentials{})
	_, all["keys"] = w.Keys(ctx, c, "")
	_, all["sign-ins"] = w.SignIns(ctx, c)
	all["end"] = w.EndSignIn(ctx, c, "tok_1")
	all["end all"] = w.EndAll(ctx, c)
	_, _, _, all["create token"] = w.CreateToken(ctx, c, "x", time.Hour)
	_, all["explain"] = w.Explain(ctx, c, "", "shop", "rro")
	_, all["rights"] = w.Rights(ctx, c, portal.Page{})
	_, all["access"] = w.Access(ctx, c, "ada", portal.Page{})
	_, all["who can"] = w.WhoCan(ctx, c, "shop", "")
	_, all["audit"] = w.Audit(ctx, c, portal.AuditQuery{})
	_, all["issue"] = w.Issue(ctx, c, "iss_1")
	_, all["chain"] = w.ChainState(ctx, c)
	return all
}

func TestOnlyAdminsSeeWhatOthersDo(t *testing.T) {
	w := portaltest.New(t)
	ask := func(user string) map[string]error {
		c, ctx, all := w.Caller(store.CLIToken, user), t.Context(), map[string]error{}
		_, all["keys"] = w.Keys(ctx, c, "bob")
		_, all["explain"] = w.Explain(ctx, c, "bob", "secret", "rro")
		_, all["access"] = w.Access(ctx, c, "bob", portal.Page{})
		_, all["who can"] = w.WhoCan(ctx, c, "shop", "")
		_, all["audit"] = w.Audit(ctx, c, portal.AuditQuery{})
		_, all["chain"] = w.ChainState(ctx, c)
		return all
	}
	for name, err := range ask("ada") {
		assert.Equal(t, issue.NotAllowed, code(t, err), name)
	}
	assert.Empty(t, w.Events(audit.AuditRead))
	for name, err := range ask("root") {
		assert.NoError(t, err, name)
	}
	assert.Len(t, w.Events(audit.AuditRead), 1)
}

func names(page portal.AccountPage) (list []string) {
	for _, a := range page.Accounts {
		list = append(list, a.Name+" "+a.ID[:1])
	}
	return list
}

func TestAccountsAreThoseThatTheCallerMayUseNow(t *testing.T) {
	w := portaltest.New(t)
	for name, tt := range map[string]struct {
		query portal.AccountQuery
		ip    string
		want  []string
	}{
		"all":                     {want: []string{"shop 1", "twin 3", "twin 4"}},
		"from the office":         {ip: "10.1.2.3", want: []string{"office 5", "shop 1", "twin 3", "twin 4"}},
		"by a part of the name":   {query: portal.AccountQuery{Search: "HO"}, want: []string{"shop 1"}},
		"by the id":               {query: portal.AccountQuery{Search: "4444"}, want: []string{"twin 4"}},
		"by a tag":                {query: portal.AccountQuery{Search: "team=search"}, want: []string{"twin 3"}},
		"by two words":            {query: portal.AccountQuery{Search: "twin /eu"}, want: []string{"twin 3"}},
		"with a tag":              {query: portal.AccountQuery{Tag: "team=payments"}, want: []string{"shop 1"}},
		"with a tag of any value": {query: portal.AccountQuery{Tag: "team"}, want: []string{"shop 1", "twin 3"}},
		"in an OU and below":      {query: portal.AccountQuery{OU: "root/dev"}, want: []string{"twin 3", "twin 4"}},
		"in no half of an OU":     {query: portal.AccountQuery{OU: "root/de"}},
		"not those of others":     {query: portal.AccountQuery{Search: "secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.Caller(store.CLIToken, "ada")
			if tt.ip != "" {
				c.IP = netip.MustParseAddr(tt.ip)
			}
			page, err := w.Accounts(t.Context(), c, tt.query)
			require.NoError(t, err)
			assert.Equal(t, tt.want, names(page))
			assert.Equal(t, len(tt.want), page.Total)
			assert.Empty(t, page.Next)
		})
	}
}

func TestAccountsHaveRolesAndFacets(t *testing.T) {
	w := portaltest.New(t)
	page, err := w.Accounts(t.Context(), w.Caller(store.WebToken, "ada"), portal.AccountQuery{})
	require.NoError(t, err)
	assert.Equal(t, []portal.Role{{"rro", "ReadOnly", 12 * time.Hour, true}, {"apu", "AdminUser", time.Hour, false}}, page.Accounts[0].Roles)
	assert.Len(t, page.Accounts[1].Roles, 1, "a deny rule takes one away")
	assert.Equal(t, portal.Facets{
		Tags: []portal.Facet{{"team=payments", 1}, {"team=search", 1}},
		OUs:  []portal.Facet{{"root/dev", 1}, {"root/dev/eu", 1}, {"root/prod", 1}},
	}, page.Facets)
}

func TestACursorOfAccountsStaysRightWhileAccountsComeAndGo(t *testing.T) {
	w := portaltest.New(t)
	c := w.Caller(store.CLIToken, "ada")
	page, err := w.Accounts(t.Context(), c, portal.AccountQuery{Limit: 2})
	require.NoError(t, err)
	assert.Equal(t, []string{"shop 1", "twin 3"}, names(page))
	assert.Equal(t, 3, page.Total)
	w.Apply(2, strings.Replace(portaltest.Document, `"111111111111", "333333333333", `, `"222222222222", `, 1))
	page, err = w.Accounts(t.Context(), c, portal.AccountQuery{Limit: 2, Cursor: page.Next})
	require.NoError(t, err)
	assert.Equal(t, []string{"twin 4"}, names(page), "though both accounts before it are gone")
	for _, cursor := range []string{"x", "====", "MTEx", strings.Repeat("A", 5000)} {
		_, err = w.Accounts(t.Context(), c, portal.AccountQuery{Cursor: cursor})
		assert.Equal(t, issue.Malformed, code(t, err))
	}
}

func TestADisabledUserSeesNothing(t *testing.T) {
	w := portaltest.New(t)
	w.Change(store.SetDisabled("bob", true))
	_, err := w.Accounts(t.Context(), w.Caller(store.CLIToken, "bob"), portal.AccountQuery{})
	assert.Equal(t, issue.DisabledUser, code(t, err))
}

func TestKeysThatWorkComeFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := portaltest.NewOn(t, url)
		c := w.Caller(store.CLIToken, "ada")
		for _, lifetime := range []time.Duration{time.Hour, 2 * time.Hour} {
			_, err := w.Credentials(t.Context(), c, issue.Ask{Account: "shop", Role: "rro", Duration: lifetime})
			require.NoError(t, err)
		}
		w.Change(store.Intend(store.Issue{ID: "iss_old", User: "ada", Account: "999999999999", RoleARN: "arn:aws:iam::999999999999:role/Gone", At: time.Now()}))
		found, err := w.Keys(t.Context(), c, "")
		require.NoError(t, err)
		require.Len(t, found, 3)
		assert.True(t, found[0].Expires.After(found[1].Expires))
		assert.Equal(t, "shop", found[0].AccountName)
		assert.Equal(t, "rro", found[0].Role)
		assert.Equal(t, "192.0.2.1", found[0].Origin.IP)
		assert.Equal(t, store.Intent, found[2].State)
		assert.Equal(t, "arn:aws:iam::999999999999:role/Gone", found[2].Role, "the policy does not have it")

		none, err := w.Keys(t.Context(), w.Caller(store.CLIToken, "bob"), "")
		require.NoError(t, err)
		assert.Empty(t, none)
		others, err := w.Keys(t.Context(), w.Caller(store.CLIToken, "root"), "ada")
		require.NoError(t, err)
		assert.Len(t, others, 3)
		_, err = w.Keys(t.Context(), w.Caller(store.CLIToken, "root"), "eve")
		assert.Equal(t, issue.NoRow, code(t, err))
	})
}

func TestLinkIsForOwnKeys(t *testing.T) {
	w := portaltest.New(t)
	grant, err := w.Credentials(t.Context(), w.Caller(store.CLIToken, "ada"), issue.Ask{Account: "shop", Role: "rro"})
	require.NoError(t, err)
	url, err := w.Link(t.Context(), w.Caller(store.CLIToken, "ada"), grant.Keys)
	require.NoError(t, err)
	assert.Equal(t, portaltest.Link, url)
	_, err = w.Link(t.Context(), w.Caller(store.CLIToken, "bob"), grant.Keys)
	assert.Equal(t, issue.NotOurs, code(t, err))
}

func TestAnEndedSignInIsRefusedOnAllReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := portaltest.NewOn(t, url)
		other, ctx := w.Replica(), t.Context()
		ada, web := w.Caller(store.CLIToken, "ada"), w.Caller(store.WebToken, "ada")
		me, err := other.Me(ctx, ada)
		require.NoError(t, err)
		list, err := w.SignIns(ctx, web)
		require.NoError(t, err)
		require.Len(t, list, 3)
		assert.Equal(t, store.WebToken, list[0].Kind, "the newest first")
		assert.Equal(t, []bool{true, false, false}, []bool{list[0].IsThis, list[1].IsThis, list[2].IsThis})

		assert.Equal(t, issue.NoRow, code(t, w.EndSignIn(ctx, w.Caller(store.WebToken, "bob"), me.Token.ID)), "another's")
		assert.Equal(t, issue.NoRow, code(t, w.EndSignIn(ctx, web, "tok_unknown")))
		require.NoError(t, w.EndSignIn(ctx, web, me.Token.ID))
		_, err = other.Me(ctx, ada)
		assert.Equal(t, issue.BadToken, code(t, err))
		assert.Equal(t, issue.NoRow, code(t, w.EndSignIn(ctx, web, me.Token.ID)), "it has ended already")
		events := w.Events(audit.TokenRevoked)
		require.Len(t, events, 1)
		assert.Equal(t, me.Token.ID, events[0].Details["token"])
		assert.Equal(t, "ada", events[0].Actor.Name)

		require.NoError(t, w.EndAll(ctx, web))
		for _, kind := range []store.Kind{store.UserToken, store.WebToken} {
			_, err = other.Me(ctx, w.Caller(kind, "ada"))
			assert.Equal(t, issue.BadToken, code(t, err))
		}
		_, err = other.Me(ctx, w.Caller(store.CLIToken, "bob"))
		require.NoError(t, err, "others go on")
	})
}

func TestAnAdminEndsTheSignInOfAnother(t *testing.T) {
	w := portaltest.New(t)
	me, err := w.Me(t.Context(), w.Caller(store.CLIToken, "ada"))
	require.NoError(t, err)
	require.NoError(t, w.EndSignIn(t.Context(), w.Caller(store.WebToken, "root"), me.Token.ID))
	assert.Equal(t, "ada", w.Events(audit.TokenRevoked)[0].Subject)
	_, err = w.Me(t.Context(), w.Caller(store.CLIToken, "ada"))
	assert.Equal(t, issue.BadToken, code(t, err))
}

func TestANewTokenWorksOnAllReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := portaltest.NewOn(t, url)
		text, row, initString, err := w.CreateToken(t.Context(), w.Caller(store.WebToken, "ada"), "nightly report", time.Hour)
		require.NoError(t, err)
		assert.Equal(t, "init-ada-"+text.Reveal(), initString.Reveal())
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", text, initString, row), text.Reveal()[32:])
		me, err := w.Replica().Me(t.Context(), issue.Caller{Way: issue.ByAPI, Token: text.Reveal()})
		require.NoError(t, err)
		assert.Equal(t, store.UserToken, me.Token.Kind)
		assert.Equal(t, "nightly report", me.Token.Label)
		e := w.Events(audit.TokenCreated)
		require.Len(t, e, 1)
		assert.Equal(t, row.ID, e[0].Details["token"])
		assert.NotContains(t, string(e[0].Body()), text.Reveal()[32:])
	})
}

func TestTokensThatAreNotMade(t *testing.T) {
	w := portaltest.New(t)
	for name, tt := range map[string]struct {
		kind  store.Kind
		label string
		life  time.Duration
		code  issue.Code
	}{
		"by a token that was made by hand": {kind: store.UserToken, life: time.Hour, code: issue.NotAllowed},
		"for too long":                     {kind: store.WebToken, life: 24*time.Hour + time.Second, code: issue.Malformed},
		"for no time":                      {kind: store.WebToken, code: issue.Malformed},
		"for a negative time":              {kind: store.WebToken, life: -time.Hour, code: issue.Malformed},
		"long label":                       {kind: store.WebToken, life: time.Hour, label: strings.Repeat("x", 101), code: issue.Malformed},
		"label with a line end":            {kind: store.CLIToken, life: time.Hour, label: "a\nb", code: issue.Malformed},
		"label that is a token":            {kind: store.CLIToken, life: time.Hour, label: w.Token(store.CLIToken, "ada"), code: issue.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			text, _, initString, err := w.CreateToken(t.Context(), w.Caller(tt.kind, "ada"), tt.label, tt.life)
			assert.Equal(t, tt.code, code(t, err))
			assert.Empty(t, text.Reveal()+initString.Reveal())
		})
	}
	assert.Empty(t, w.Events(audit.TokenCreated))
}

func TestTheLimitOfTokensHoldsForRequestsAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := portaltest.NewOn(t, url)
		replicas := []*portal.Portal{w.Portal, w.Replica()}
		var wait sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			wait.Go(func() {
				_, _, _, errs[i] = replicas[i%2].CreateToken(t.Context(), w.Caller(store.WebToken, "ada"), "", time.Hour)
			})
		}
		wait.Wait()
		counts := map[issue.Code]int{}
		for _, err := range errs {
			counts[code(t, err)]++
		}
		assert.Equal(t, map[issue.Code]int{"": 2, issue.TooMany: 4}, counts, "with the one before there are three")
	})
}

func TestExplainTellsUsersNothingOfOthers(t *testing.T) {
	w := portaltest.New(t)
	ada, root := w.Caller(store.CLIToken, "ada"), w.Caller(store.CLIToken, "root")
	x, err := w.Explain(t.Context(), ada, "", "shop", "rro")
	require.NoError(t, err)
	assert.True(t, x.Decision.Allow)
	assert.EqualValues(t, 1, x.Version)
	x, err = w.Explain(t.Context(), ada, "", "333333333333", "apu")
	require.NoError(t, err)
	assert.Equal(t, "no-changes", x.Decision.Deny)
	x, err = w.Explain(t.Context(), ada, "", "office", "rro")
	require.NoError(t, err)
	assert.Equal(t, policy.NoGrant, x.Decision.Reason)
	require.Len(t, x.Grants, 1, "the one that wants another address")

	for name, tt := range map[string]struct {
		account, role string
		code          issue.Code
	}{
		"hidden account":  {"secret", "rro", issue.NoAccount},
		"unknown account": {"nothing", "rro", issue.NoAccount},
		"two accounts":    {"twin", "rro", issue.AmbiguousAccount},
		"unknown role":    {"shop", "none", issue.NoRole},
	} {
		_, err := w.Explain(t.Context(), ada, "", tt.account, tt.role)
		assert.Equal(t, tt.code, code(t, err), name)
		assert.NotContains(t, err.Error(), "secret")
	}
	x, err = w.Explain(t.Context(), root, "ada", "secret", "rro")
	require.NoError(t, err)
	require.Len(t, x.Grants, 2, "an admin learns which grants nearly allow it")
	assert.Equal(t, []string{"sre", "bobs"}, []string{x.Grants[0].Grant, x.Grants[1].Grant})
}

func TestRightsArePagedByAccountAndRole(t *testing.T) {
	w := portaltest.New(t)
	all := func(get func(portal.Page) (portal.RightsPage, error)) (list []string) {
		page := portal.Page{Limit: 2}
		for range 5 {
			found, err := get(page)
			require.NoError(t, err)
			assert.Equal(t, 5, found.Total)
			assert.EqualValues(t, 1, found.Version)
			for _, r := range found.Rights {
				list = append(list, fmt.Sprintf("%s %s %s %s %s", r.User, r.AccountID[:1], r.Role, r.Grant, r.Max))
			}
			if page.Cursor = found.Next; page.Cursor == "" {
				break
			}
		}
		return list
	}
	want := []string{"ada 1 rro sre 12h0m0s", "ada 1 apu sre 1h0m0s", "ada 3 rro sre 12h0m0s", "ada 4 rro sre 12h0m0s", "ada 4 apu sre 1h0m0s"}
	ada, root := w.Caller(store.WebToken, "ada"), w.Caller(store.WebToken, "root")
	assert.Equal(t, want, all(func(p portal.Page) (portal.RightsPage, error) { return w.Rights(t.Context(), ada, p) }))
	assert.Equal(t, want, all(func(p portal.Page) (portal.RightsPage, error) { return w.Access(t.Context(), root, "ada", p) }))
	_, err := w.Rights(t.Context(), ada, portal.Page{Cursor: "x.y"})
	assert.Equal(t, issue.Malformed, code(t, err))
}

func TestWhoCanNamesActiveUsers(t *testing.T) {
	w := portaltest.New(t)
	root := w.Caller(store.WebToken, "root")
	found, err := w.WhoCan(t.Context(), root, "shop", "")
	require.NoError(t, err)
	require.Len(t, found, 2)
	assert.Equal(t, portal.Right{"ada", "111111111111", "shop", "apu", "sre", time.Hour, "the role's longest lifetime"}, found[0])
	found, err = w.WhoCan(t.Context(), root, "shop", "rro")
	require.NoError(t, err)
	assert.Len(t, found, 1)
	w.Change(store.SetDisabled("ada", true))
	found, err = w.WhoCan(t.Context(), root, "shop", "")
	require.NoError(t, err)
	assert.Empty(t, found)
}
