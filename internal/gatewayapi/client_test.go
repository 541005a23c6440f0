package gatewayapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/gatewayapi"
	"github.com/chaim-go/chaim/internal/gatewaytest"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

var hour = keys.Request{Account: "sredev", Role: "rro", Region: "eu-west-1", Duration: time.Hour}

// start starts a double and returns a client of it, which makes one attempt.
func start(t *testing.T) (*gatewaytest.Gateway, *gatewayapi.Client, context.Context) {
	t.Helper()
	g, stop := gatewaytest.New()
	t.Cleanup(stop)
	client, done := httpx.ClientFor(nil, nil)
	t.Cleanup(done)
	return g, &gatewayapi.Client{
		URL: g.URL() + "/", Username: gatewaytest.User, Token: g.NewToken(time.Hour), HTTP: client, Log: slog.New(slog.DiscardHandler),
	}, keys.WithSingleAttempt(t.Context(), true)
}

func TestKeys(t *testing.T) {
	g, c, ctx := start(t)
	for name, change := range map[string]func(*keys.Request){
		"by name":        func(*keys.Request) {},
		"by id":          func(r *keys.Request) { r.Account = "111111111111" },
		"by both":        func(r *keys.Request) { r.AccountID = "111111111111" },
		"other case":     func(r *keys.Request) { r.Account = "SREdev" },
		"common role":    func(r *keys.Request) { r.Role = "CrossAccountReadOnly" },
		"role in AWS":    func(r *keys.Request) { r.Role = "OrgAdmin" },
		"role ARN":       func(r *keys.Request) { r.Role = "arn:aws:iam::111111111111:role/path/CrossAccountReadOnly" },
		"odd role alias": func(r *keys.Request) { r.Role = "ADM" },
	} {
		t.Run(name, func(t *testing.T) {
			r := hour
			change(&r)
			got, err := c.Keys(ctx, r)
			require.NoError(t, err)
			assert.Equal(t, "111111111111", got.AccountID)
			assert.Equal(t, "sredev", got.Account)
			assert.Equal(t, r.Role, got.Role)
			assert.WithinDuration(t, time.Now().Add(time.Hour), got.Expires, 5*time.Second)
			assert.Equal(t, "ASIADOUBLE0123456789", got.AccessKeyID)
		})
	}
	r := hour
	r.Account = "O'Brien" // names need no quoting
	got, err := c.Keys(ctx, r)
	require.NoError(t, err)
	assert.Equal(t, "333333333333", got.AccountID)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", got, c, c), gatewaytest.Secret)
	assert.NotContains(t, g.Asked(), "GET /api/v1/accounts")
}

func TestKeysThatAreNotTheRequestedOnes(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(map[string]any)
		want   string
	}{
		"another account": {func(a map[string]any) { a["account"] = map[string]any{"id": "222222222222", "name": "sredev"} }, "keys for another account, 222222222222, not for 111111111111"},
		"no account":      {func(a map[string]any) { delete(a, "account") }, "account of the reply has no 12-digit id"},
		"another role":    {func(a map[string]any) { a["role"] = "apu" }, `keys of role "apu", not of "rro"`},
		"no role":         {func(a map[string]any) { delete(a, "role") }, "role of the reply is missing"},
		"no secret":       {func(a map[string]any) { delete(a, "secretAccessKey") }, "secret access key of the reply is missing or malformed"},
		"odd secret":      {func(a map[string]any) { a["secretAccessKey"] = "CANARY\n[default]" }, "secret access key of the reply is missing or malformed"},
		"no end":          {func(a map[string]any) { delete(a, "expiration") }, "expiration of the reply is missing"},
		"odd end":         {func(a map[string]any) { a["expiration"] = "CANARY" }, "not that of a chaim gateway to credentials"},
		"ended":           {func(a map[string]any) { a["expiration"] = time.Now().Add(-time.Hour).UTC() }, "had ended"},
		"endless":         {func(a map[string]any) { a["expiration"] = time.Now().Add(100 * time.Hour).UTC() }, "AWS gives them for 12 hours at most"},
		"too long":        {func(a map[string]any) { a["expiration"] = time.Now().Add(2 * time.Hour).UTC() }, "valid for 2h0m0s, but 1h0m0s was asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			g, c, ctx := start(t)
			g.Change = func(path string, answer map[string]any) {
				if strings.HasSuffix(path, "credentials") {
					tt.change(answer)
				}
			}
			r := hour
			r.AccountID = "111111111111"
			_, err := c.Keys(ctx, r)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), gatewaytest.Secret)
		})
	}
	g, c, ctx := start(t)
	g.Change = func(_ string, answer map[string]any) {
		answer["account"] = map[string]any{"id": "222222222222", "name": "other"}
	}
	_, err := c.Keys(ctx, hour)
	require.ErrorContains(t, err, `keys for account "other" (222222222222), not for "sredev"; ask by the id`)
	r := hour
	r.Account, r.Role = "222222222222", "arn:aws:iam::111111111111:role/CrossAccountReadOnly"
	_, err = c.Keys(ctx, r)
	require.ErrorContains(t, err, "is not one of account 222222222222")
	g.Change = nil
	r.Account, r.Role = "sredev", "arn:aws:iam::222222222222:role/CrossAccountReadOnly"
	_, err = c.Keys(ctx, r)
	require.ErrorContains(t, err, "is of another")
}

// confusing are roles whose names are spelt like aliases of others.
var confusing = []gatewaytest.Role{
	{Alias: "rro", AWS: "CrossAccountReadOnly", Seconds: 3600},
	{Alias: "adm", AWS: "OrgAdmin", Seconds: 3600},
	{Alias: "other", AWS: "Adm", Seconds: 3600},
	{Alias: "shadow", AWS: "Shadowed", Seconds: 3600},
	{Alias: "shadow", AWS: "OrgAdmin", Seconds: 3600},
	{Alias: "one", AWS: "Common", Seconds: 3600},
	{Alias: "two", AWS: "Common", Seconds: 3600},
	{Alias: "same", AWS: "Same", Seconds: 3600},
}

// lendAs makes the double lend keys of the role with that alias, and returns the name that was asked for.
func lendAs(g *gatewaytest.Gateway, alias string) (asked func() string) {
	name := ""
	g.Instead = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/credentials") {
			text, _ := io.ReadAll(r.Body)
			var body struct{ Role string }
			_ = json.Unmarshal(text, &body)
			name = body.Role
			r.Body = io.NopCloser(bytes.NewReader(text))
		}
		return false
	}
	if alias != "" {
		g.Change = func(path string, answer map[string]any) {
			if strings.HasSuffix(path, "/credentials") {
				answer["role"] = alias
			}
		}
	}
	return func() string { return name }
}

// TestARN: keys for an ARN are those of exactly that role, whatever aliases the gateway has.
func TestARN(t *testing.T) {
	const role = "arn:aws:iam::111111111111:role/"
	for name, tt := range map[string]struct{ arn, lends, asked, want string }{
		"alias of the role":      {role + "OrgAdmin", "", "adm", ""},
		"with a path":            {role + "team/a/OrgAdmin", "", "adm", ""},
		"in another case":        {role + "orgadmin", "", "adm", ""},
		"also spelt as an alias": {role + "Adm", "", "other", ""},
		"alias of its own name":  {role + "Same", "", "same", ""},
		"alias of another alone": {role + "rro", "", "", `it lends you no role "` + role + `rro"`},
		"alias of two roles":     {role + "Shadowed", "", "", "it lends you no role"},
		"several aliases":        {role + "Common", "", "", `has the aliases "one, two" there; ask for one of them`},
		"not in the list":        {role + "Nobody", "", "Nobody", "not_allowed: test.user may not use Nobody"},
		"another one is lent":    {role + "OrgAdmin", "rro", "adm", `reply has keys of role "rro", not of "adm"`},
		"the name is lent":       {role + "OrgAdmin", "OrgAdmin", "adm", `reply has keys of role "OrgAdmin", not of "adm"`},
		"the other one is lent":  {role + "Adm", "adm", "other", `reply has keys of role "adm", not of "other"`},
		"session":                {"arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/adm", "", "", "is not the ARN of a role"},
		"user":                   {"arn:aws:iam::111111111111:user/adm", "", "", "is not the ARN of a role"},
		"policy":                 {"arn:aws:iam::111111111111:policy/adm", "", "", "is not the ARN of a role"},
		"another partition":      {"arn:aws-us-gov:iam::111111111111:role/OrgAdmin", "", "", "is of partition aws-us-gov, but region eu-west-1"},
		"another account":        {"arn:aws:iam::222222222222:role/OrgAdmin", "", "", "is not one of account 111111111111"},
		"of another system":      {"arn:minio:iam::111111111111:role/OrgAdmin", "", "", "is not the ARN of a role"},
		"in pieces":              {"arn:aws:iam:role/adm", "", "", "is not the ARN of a role"},
	} {
		t.Run(name, func(t *testing.T) {
			g, c, ctx := start(t)
			g.Accounts[0].Roles = confusing
			asked := lendAs(g, tt.lends)
			r := hour
			r.AccountID, r.Role = "111111111111", tt.arn
			got, err := c.Keys(ctx, r)
			assert.Equal(t, tt.asked, asked())
			if tt.want == "" {
				require.NoError(t, err)
				assert.Equal(t, tt.arn, got.Role)
				return
			}
			require.ErrorContains(t, err, tt.want)
			if strings.Contains(tt.want, "is not ") || strings.Contains(tt.want, "partition") {
				assert.Empty(t, g.Asked(), "refused before the network")
			}
		})
	}
}

// TestARNThatIsNotInTheList: the gateway lends it nevertheless.
func TestARNThatIsNotInTheList(t *testing.T) {
	g, c, ctx := start(t)
	g.Accounts[0].Roles = []gatewaytest.Role{{Alias: "nobody", AWS: "OrgAdmin", Seconds: 3600}}
	g.Change = func(path string, answer map[string]any) {
		if strings.HasSuffix(path, "/roles") {
			answer["roles"] = []any{}
		}
	}
	r := hour
	r.Account, r.Role = "111111111111", "arn:aws:iam::111111111111:role/Nobody"
	_, err := c.Keys(ctx, r)
	require.ErrorContains(t, err, `reply has keys of role "nobody", not of "Nobody"`)
}

// TestNamesOfRoles: a reply has the alias, which must be the one of the name that was asked for.
func TestNamesOfRoles(t *testing.T) {
	for name, tt := range map[string]struct{ role, lends, want string }{
		"alias":                         {"adm", "adm", ""},
		"name":                          {"OrgAdmin", "adm", ""},
		"name of another":               {"OrgAdmin", "rro", `keys of role "rro", not of "OrgAdmin"`},
		"name for the alias":            {"adm", "OrgAdmin", `keys of role "OrgAdmin", not of "adm"`},
		"alias of two roles":            {"Shadowed", "shadow", `keys of role "shadow", not of "Shadowed"`},
		"alias that others mean by it":  {"CrossAccountAdminUser", "apu", `keys of role "apu", not of "CrossAccountAdminUser"`},
		"alias that others mean by it2": {"CrossAccountReadOnly", "rro", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g, c, ctx := start(t)
			g.Accounts[0].Roles = append(slices.Clone(confusing), gatewaytest.Role{Alias: "apu", AWS: "CrossAccountAdminUser2", Seconds: 3600}, gatewaytest.Role{Alias: "x", AWS: "CrossAccountAdminUser", Seconds: 3600})
			lendAs(g, tt.lends)
			r := hour
			r.Role = tt.role
			_, err := c.Keys(ctx, r)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// TestRepliesThatRepeatSecrets: nothing of them may be shown or stored.
func TestRepliesThatRepeatSecrets(t *testing.T) {
	const secret, session = gatewaytest.Secret + "secret", gatewaytest.Secret + "session"
	account := func(name string) map[string]any { return map[string]any{"id": "111111111111", "name": name} }
	byID := keys.Request{Account: "111111111111", Role: "rro", Region: "eu-west-1", Duration: time.Hour}
	lend := func(r keys.Request) func(context.Context, *gatewayapi.Client) error {
		return func(ctx context.Context, c *gatewayapi.Client) error {
			got, err := c.Keys(ctx, r)
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", got, got, got), gatewaytest.Secret)
			return err
		}
	}
	const repeats, asName = "repeats the user token", "repeats its secrets as a name"
	for name, tt := range map[string]struct {
		path, want string
		change     func(answer map[string]any, token string)
		do         func(context.Context, *gatewayapi.Client) error
	}{
		"user":            {"/me", repeats, func(a map[string]any, token string) { a["user"] = token }, func(ctx context.Context, c *gatewayapi.Client) error { return c.CheckToken(ctx) }},
		"user, escaped":   {"/me", repeats, func(a map[string]any, token string) { a["user"] = url.QueryEscape(token) }, func(ctx context.Context, c *gatewayapi.Client) error { return c.CheckToken(ctx) }},
		"any field":       {"/me", repeats, func(a map[string]any, token string) { a["new"] = []any{map[string]any{"x " + token: 1}} }, func(ctx context.Context, c *gatewayapi.Client) error { return c.CheckToken(ctx) }},
		"another's token": {"/me", `that of user "[secret]"`, func(a map[string]any, _ string) { a["user"] = "chm1_1_CANARYother" }, func(ctx context.Context, c *gatewayapi.Client) error { return c.CheckToken(ctx) }},
		"account":         {"/credentials", repeats, func(a map[string]any, token string) { a["account"] = account(token) }, lend(hour)},
		"account by id":   {"/credentials", repeats, func(a map[string]any, token string) { a["account"] = account("of " + token) }, lend(byID)},
		"secret, by id":   {"/credentials", asName, func(a map[string]any, _ string) { a["account"] = account("of " + secret) }, lend(byID)},
		"session, by id":  {"/credentials", asName, func(a map[string]any, _ string) { a["account"] = account(session) }, lend(byID)},
		"secret as role":  {"/credentials", asName, func(a map[string]any, _ string) { a["role"] = secret }, lend(hour)},
		"session as role": {"/credentials", asName, func(a map[string]any, _ string) { a["role"] = session }, lend(hour)},
		"token as role":   {"/credentials", repeats, func(a map[string]any, token string) { a["role"] = token }, lend(hour)},
		"secret as issue": {"/credentials", asName, func(a map[string]any, _ string) { a["issue"] = secret }, lend(hour)},
		"token in cap":    {"/credentials", repeats, func(a map[string]any, token string) { a["cap"] = token }, lend(hour)},
		"list of accounts": {"/accounts", repeats, func(a map[string]any, token string) { a["accounts"] = []any{account(token)} }, func(ctx context.Context, c *gatewayapi.Client) error {
			_, err := c.Accounts(ctx)
			return err
		}},
		"list of roles": {"/roles", repeats, func(a map[string]any, token string) { a["roles"] = []any{map[string]any{"alias": token}} }, func(ctx context.Context, c *gatewayapi.Client) error {
			_, err := c.Roles(ctx, "111111111111")
			return err
		}},
		"console link": {"/console-links", repeats, func(a map[string]any, _ string) {
			a["consoleUrl"] = "https://signin.aws.amazon.com/federation?SigninToken=" + session
		}, func(ctx context.Context, c *gatewayapi.Client) error {
			_, err := c.ConsoleURL(ctx, aws.Credentials{AccessKeyID: "ASIADOUBLE0123456789", SecretAccessKey: secret, SessionToken: session}, "sredev")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g, c, ctx := start(t)
			g.Change = func(path string, answer map[string]any) {
				if strings.HasSuffix(path, tt.path) {
					tt.change(answer, c.Token)
				}
			}
			err := tt.do(ctx, c)
			require.ErrorContains(t, err, tt.want)
			assert.True(t, keys.IsFinal(err), "the secrets are not sent again")
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, c), gatewaytest.Secret)
		})
	}
}

func TestRefusals(t *testing.T) {
	const page = "/issues/iss_01"
	for name, tt := range map[string]struct {
		status           int
		body, kind, want string
		is               error
		isFinal          bool
	}{
		"not allowed":     {403, `{"code":"not_allowed","detail":"test.user may not use apu"}`, "not_allowed", "chaim: gateway answered 403: not_allowed: test.user may not use apu", keys.ErrDenied, true},
		"title alone":     {409, `{"code":"frozen","title":"no keys today"}`, "frozen", "chaim: gateway answered 409: frozen: no keys today", nil, true},
		"own page":        {403, `{"code":"not_allowed","detail":"no","url":"URL` + page + `"}`, "not_allowed", "not_allowed: no; see URL" + page, nil, true},
		"another page":    {403, `{"code":"not_allowed","detail":"no","url":"https://evil.example/issues"}`, "not_allowed", "not_allowed: no", nil, true},
		"a secret page":   {403, `{"code":"not_allowed","detail":"no","url":"URL/?t=chm1_1_CANARY"}`, "not_allowed", "not_allowed: no", nil, true},
		"a user page":     {403, `{"code":"not_allowed","detail":"no","url":"http://CANARY@127.0.0.1/"}`, "not_allowed", "not_allowed: no", nil, true},
		"odd code":        {403, `{"code":"CANARY CODE","detail":"no"}`, "", "reply is not that of a chaim gateway with protocol v1", nil, true},
		"token in detail": {403, `{"code":"not_allowed","detail":"not for chm1_1_CANARYabc nor TOKEN"}`, "not_allowed", "not for [secret] nor [secret]", nil, true},
		"STS refused":     {502, `{"code":"refused_by_sts","detail":"the role does not trust the gateway"}`, "refused_by_sts", "the role does not trust", nil, true},
		"busy":            {429, `{"code":"busy","detail":"too many requests"}`, "busy", "too many requests", nil, false},
		"unavailable":     {503, `{"code":"unavailable","detail":"the database does not answer"}`, "unavailable", "the database does not answer", nil, false},
		"proxy":           {502, `<html>CANARY</html>`, "", "Bad Gateway, in an HTML page", keys.ErrUnreachable, false},
		"redirect":        {302, ``, "", "it redirects elsewhere, which would take the user token there", nil, true},
		"a page":          {200, `<html>CANARY</html>`, "", "an HTML page, perhaps a proxy's", nil, false},
		"nothing here":    {404, `CANARY`, "", "reply is not that of a chaim gateway with protocol v1 but something else (6 bytes)", nil, true},
		"too large":       {200, strings.Repeat("CANARY", 200000), "", "reply is larger than 1048576 bytes", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			g, c, ctx := start(t)
			full := strings.NewReplacer("URL", g.URL(), "TOKEN", c.Token)
			g.Instead = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Location", "https://evil.example/CANARY")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, full.Replace(tt.body))
				return true
			}
			_, err := c.Keys(ctx, hour)
			refusal := (*httpx.Refusal)(nil)
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, tt.kind, refusal.Kind)
			want := full.Replace(tt.want)
			assert.Contains(t, err.Error(), want)
			if !strings.Contains(want, "see ") {
				assert.NotContains(t, err.Error(), "see ")
			}
			assert.NotContains(t, err.Error(), gatewaytest.Secret)
			assert.Equal(t, tt.isFinal, keys.IsFinal(err))
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			if tt.status >= 400 {
				assert.Equal(t, 7*time.Second, keys.PauseAskedFor(err))
			}
		})
	}
}

func TestSessionThatHasEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*gatewaytest.Gateway, *gatewayapi.Client)
		want string
	}{
		"expired": {func(g *gatewaytest.Gateway, _ *gatewayapi.Client) { g.EndAll(true) }, "the session has ended"},
		"revoked": {func(g *gatewaytest.Gateway, _ *gatewayapi.Client) { g.EndAll(false) }, "does not accept the user token, which may have been revoked"},
		"by the clock": {
			func(_ *gatewaytest.Gateway, c *gatewayapi.Client) { c.Expires = time.Now().Add(-time.Minute) },
			"the session ended ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, c, ctx := start(t)
			tt.end(g, c)
			_, err := c.Accounts(ctx)
			require.ErrorIs(t, err, keys.ErrSignedOut)
			require.ErrorIs(t, err, keys.ErrDenied)
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, ": run 'chaim login "+g.URL()+"/'")
			assert.True(t, keys.IsFinal(err))
			assert.Equal(t, c.URL, gateway.AsSignedOut(err).Endpoint)
			assert.NotContains(t, err.Error(), gatewaytest.Secret)
			if name == "by the clock" {
				assert.Empty(t, g.Asked(), "an ended token is not sent")
			}
		})
	}
}

func TestTransientFailuresAreRepeated(t *testing.T) {
	g, c, _ := start(t)
	g.Instead = func(w http.ResponseWriter, _ *http.Request) bool {
		if len(g.Asked()) > 1 {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	_, err := c.Keys(t.Context(), hour)
	require.NoError(t, err)
	assert.Len(t, g.Asked(), 2)
}

func TestAccounts(t *testing.T) {
	g, c, ctx := start(t)
	accounts, err := c.Accounts(ctx)
	require.NoError(t, err)
	assert.Equal(t, []keys.Account{{ID: "111111111111", Name: "sredev"}, {ID: "222222222222", Name: "Connected Homes"}, {ID: "333333333333", Name: "O'Brien"}}, accounts)
	assert.Len(t, g.Asked(), 2, "one request for each page")
	roles, err := c.Roles(ctx, "111111111111")
	require.NoError(t, err)
	assert.Equal(t, []string{"rro", "adm"}, roles)
	all, err := c.AllRoles(ctx)
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{"111111111111": {"rro", "adm"}, "222222222222": {"rro", "adm"}, "333333333333": {"rro"}}, all)
	_, err = c.Roles(ctx, "../tokens")
	require.ErrorContains(t, err, "is not 12 digits")
}

// TestPagesThatAreTooLarge asks for fewer accounts at once.
func TestPagesThatAreTooLarge(t *testing.T) {
	g, c, ctx := start(t)
	g.Instead = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("limit") == "20" {
			return false
		}
		_, _ = io.WriteString(w, strings.Repeat(" ", 2<<20))
		return true
	}
	accounts, err := c.Accounts(ctx)
	require.NoError(t, err)
	assert.Len(t, accounts, 3)
}

func TestListsThatDoNotEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		next func(n int) string
		want string
	}{
		"same page": {func(int) string { return "x" }, "repeats a page"},
		"for ever":  {func(n int) string { return fmt.Sprint(n) }, "more than 1000 pages"},
	} {
		t.Run(name, func(t *testing.T) {
			g, c, ctx := start(t)
			n := 0
			g.Change = func(_ string, answer map[string]any) {
				n++
				answer["next"] = tt.next(n)
			}
			g.Accounts = nil
			g.Instead = func(w http.ResponseWriter, r *http.Request) bool {
				r.URL.RawQuery = ""
				return false
			}
			_, err := c.Accounts(ctx)
			require.ErrorContains(t, err, tt.want)
		})
	}
	g, c, ctx := start(t)
	g.Accounts[1].ID = "0x2"
	_, err := c.Accounts(ctx)
	require.ErrorContains(t, err, "account 2 of a page in the list has no 12-digit id")
}

// TestListsThatAreTooLong: each page is read, but not for ever.
func TestListsThatAreTooLong(t *testing.T) {
	for name, tt := range map[string]struct {
		rows, pages int
		isNew       bool
		pause       time.Duration
		want        string
	}{
		"many rows":  {7000, 3, true, 0, "the list of accounts has more than 20000 rows"},
		"rows again": {7000, 3, false, 0, "the list of accounts has more than 20000 rows"},
		"slow":       {1, 21, true, 30 * time.Second, "the list of accounts has not ended after 10m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pages := 0
				c := &gatewayapi.Client{URL: "https://gateway.example/", Username: "u", Token: "chm1_1_CANARYCANARY", Log: slog.New(slog.DiscardHandler)}
				c.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					pages++
					timer := time.NewTimer(tt.pause)
					<-timer.C
					var rows []string
					for i := range tt.rows {
						if tt.isNew {
							i += pages * tt.rows
						}
						rows = append(rows, fmt.Sprintf(`{"id":"%012d"}`, i))
					}
					text := fmt.Sprintf(`{"next":"%d","accounts":[%s]}`, pages, strings.Join(rows, ","))
					return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
				})}
				_, err := c.Accounts(t.Context())
				require.ErrorContains(t, err, tt.want)
				assert.True(t, keys.IsFinal(err))
				assert.Equal(t, tt.pages, pages)
			})
		})
	}
}

func TestConsoleURL(t *testing.T) {
	lent := aws.Credentials{AccessKeyID: "ASIADOUBLE0123456789", SecretAccessKey: "CANARYsecret", SessionToken: "CANARYsession"}
	g, c, ctx := start(t)
	link, err := c.ConsoleURL(ctx, lent, "sredev")
	require.NoError(t, err)
	assert.Contains(t, link, "https://signin.aws.amazon.com/federation?")

	g.Change = func(_ string, answer map[string]any) { answer["consoleUrl"] = "https://evil.example/federation?CANARY" }
	_, err = c.ConsoleURL(ctx, lent, "sredev")
	require.ErrorContains(t, err, "does not lead to the sign-in page of AWS")
	g.Change = func(_ string, answer map[string]any) { delete(answer, "consoleUrl") }
	_, err = c.ConsoleURL(ctx, lent, "sredev")
	require.ErrorIs(t, err, keys.ErrNoURL)
	g.Instead = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"code":"not_ours","detail":"no such keys: CANARYsecret CANARYsession"}`)
		return true
	}
	_, err = c.ConsoleURL(ctx, lent, "sredev")
	require.ErrorIs(t, err, keys.ErrNoURL)
	assert.NotContains(t, err.Error(), "CANARY")
}

func TestCheckToken(t *testing.T) {
	_, c, ctx := start(t)
	require.NoError(t, c.CheckToken(ctx))
	c.Username = "someone.else"
	require.ErrorContains(t, c.CheckToken(ctx), `the token is that of user "test.user", not of "someone.else"`)
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"issue":"iss_1","account":{"id":"111111111111","name":"sredev"},"role":"rro","accessKeyId":"ASIADOUBLE0123456789","secretAccessKey":"a","sessionToken":"b"}`), 200)
	f.Add([]byte(`{"code":"bad_token","detail":"chm1_1_x"}`), 401)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		c := &gatewayapi.Client{URL: "https://gateway.example/", Username: "u", Token: "chm1_1_CANARYCANARY", Log: slog.New(slog.DiscardHandler)}
		c.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
		}), CheckRedirect: httpx.RefuseRedirect}
		got, err := c.Keys(keys.WithSingleAttempt(t.Context(), true), hour)
		if err == nil {
			assert.True(t, strings.EqualFold(got.Account, "sredev"))
			return
		}
		assert.NotContains(t, err.Error(), c.Token)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
