package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/internal/gatewayapi"
	"github.com/chaim-go/chaim/internal/gatewaytest"
	"github.com/chaim-go/chaim/internal/keys"
)

// checked asks a handler without a network, and checks each request and each answer against the contract.
type checked struct {
	w       *world
	handler http.Handler
	asked   []string
}

func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	again := func() *http.Request {
		copied := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.RequestURI(), bytes.NewReader(body))
		copied.Header = r.Header.Clone()
		return copied
	}
	recorder := httptest.NewRecorder()
	c.handler.ServeHTTP(recorder, again())
	got := reply{status: recorder.Code, header: recorder.Header(), text: recorder.Body.String()}
	require.NoError(c.w.t, json.Unmarshal(recorder.Body.Bytes(), &got.body), got.text)
	route, _, err := c.w.routes.FindRoute(again())
	require.NoError(c.w.t, err)
	c.asked = append(c.asked, route.Operation.OperationID)
	c.w.check(again(), got)
	return recorder.Result(), nil
}

// client returns the client of chaim with the handler as its gateway.
func (c *checked) client(user, token string) *gatewayapi.Client {
	return &gatewayapi.Client{
		URL: "https://gw.example.com/", Username: user, Token: token, HTTP: &http.Client{Transport: c}, Log: slog.New(slog.DiscardHandler),
	}
}

// policyOfMany has more accounts than a page, and a role whose name is the alias of another one.
func policyOfMany(accounts int) string {
	var b strings.Builder
	b.WriteString(`
version: 1
roles:
  rro: {aws: ReadOnly, max: 12h, console: true}
  adm: {aws: OrgAdmin, max: 1h}
  other: {aws: Adm, path: /team/, max: 1h}
  forbidden: {aws: Forbidden, max: 1h}
accounts:
`)
	for i := range accounts {
		fmt.Fprintf(&b, "  - {id: \"%012d\", name: account-%d, ou: root}\n", i+1, i+1)
	}
	b.WriteString("grants:\n  - {id: sre, to: {groups: [sre]}, on: {ou: [root]}, roles: [rro, adm, other]}\n")
	return b.String()
}

func TestTheClientOfChaimAndTheAPIAgree(t *testing.T) {
	const accounts = 450
	w := newWorld(t)
	w.Apply(2, policyOfMany(accounts))
	gateway := &checked{w: w, handler: w.api}
	c := gateway.client("ada", w.Token(store.CLIToken, "ada"))
	ctx := keys.WithSingleAttempt(t.Context(), true)

	require.NoError(t, c.CheckToken(ctx))
	require.ErrorContains(t, gateway.client("bob", c.Token).CheckToken(ctx), `the token is that of user "ada", not of "bob"`)

	gateway.asked = nil
	all, err := c.Accounts(ctx)
	require.NoError(t, err)
	assert.Len(t, all, accounts)
	assert.Contains(t, all, keys.Account{ID: "000000000450", Name: "account-450"})
	assert.GreaterOrEqual(t, len(gateway.asked), 3, "several pages")
	roles, err := c.AllRoles(ctx)
	require.NoError(t, err)
	assert.Len(t, roles, accounts)
	assert.ElementsMatch(t, []string{"rro", "adm", "other"}, roles["000000000450"])

	r := keys.Request{Account: "account-7", Region: "eu-west-1", Duration: time.Hour}
	for role, alias := range map[string]string{
		"rro": "rro", "ReadOnly": "rro", "OrgAdmin": "adm", "Adm": "adm",
		"arn:aws:iam::000000000007:role/ReadOnly": "rro", "arn:aws:iam::000000000007:role/team/Adm": "other",
	} {
		r.Role = role
		got, err := c.Keys(ctx, r)
		require.NoError(t, err, role)
		assert.Equal(t, "000000000007", got.AccountID)
		assert.Equal(t, "account-7", got.Account)
		assert.WithinDuration(t, time.Now().Add(time.Hour), got.Expires, time.Minute)
		lent, err := w.Keys(ctx, w.Caller(store.CLIToken, "ada"), "")
		require.NoError(t, err)
		assert.True(t, strings.EqualFold(alias, lent[0].Role), "%s is %s", role, lent[0].Role)
	}

	r.Role = "rro"
	got, err := c.Keys(ctx, r)
	require.NoError(t, err)
	link, err := c.ConsoleURL(ctx, got.Credentials, got.Account)
	require.NoError(t, err)
	assert.Contains(t, link, "https://signin.aws.amazon.com/federation?")
	_, err = gateway.client("bob", w.Token(store.CLIToken, "bob")).ConsoleURL(ctx, got.Credentials, got.Account)
	require.ErrorIs(t, err, keys.ErrNoURL)

	for role, want := range map[string]string{
		"forbidden": "gateway answered 403: not_allowed: ", "arn:aws:iam::000000000007:role/Forbidden": "gateway answered 403: not_allowed: ",
		"nobody": "no_role: ",
	} {
		r.Role = role
		_, err = c.Keys(ctx, r)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "; see https://gw.example.com/profile", "the page that helps")
		assert.Equal(t, role != "nobody", errors.Is(err, keys.ErrDenied))
		assert.NotContains(t, err.Error(), "CANARY")
	}
	_, err = gateway.client("ada", "chm1_CANARY").Accounts(ctx)
	require.ErrorIs(t, err, keys.ErrSignedOut)
}

// TestTheDoubleFollowsTheContract: tests of clients that pass with it pass with a gateway.
func TestTheDoubleFollowsTheContract(t *testing.T) {
	routes, err := legacy.NewRouter(contract(t))
	require.NoError(t, err)
	double, stop := gatewaytest.New()
	defer stop()
	gateway := &checked{w: &world{t: t, routes: routes}, handler: double}
	c := gateway.client(gatewaytest.User, double.NewToken(time.Hour))
	ctx := keys.WithSingleAttempt(t.Context(), true)

	require.NoError(t, c.CheckToken(ctx))
	accounts, err := c.Accounts(ctx)
	require.NoError(t, err)
	assert.Len(t, accounts, len(double.Accounts))
	_, err = c.Roles(ctx, "111111111111")
	require.NoError(t, err)
	r := keys.Request{Account: "sredev", Role: "rro", Region: "eu-west-1", Duration: time.Hour}
	got, err := c.Keys(ctx, r)
	require.NoError(t, err)
	_, err = c.ConsoleURL(ctx, got.Credentials, got.Account)
	require.NoError(t, err)
	r.Role, r.Duration = "adm", 12*time.Hour // which has a cap
	_, err = c.Keys(ctx, r)
	require.NoError(t, err)
	r.Role = "apu"
	_, err = c.Keys(ctx, r)
	require.ErrorIs(t, err, keys.ErrDenied)
	_, err = c.Roles(ctx, "999999999999")
	require.ErrorContains(t, err, "no_account")
	double.EndAll(true)
	require.ErrorIs(t, c.CheckToken(ctx), keys.ErrSignedOut)

	for _, operation := range []string{"me", "accounts", "roles", "credentials", "consoleLink"} {
		assert.Contains(t, gateway.asked, operation)
	}
}
