package gatewayapi_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
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

func TestConsoleURL(t *testing.T) {
	lent := aws.Credentials{AccessKeyID: "ASIADOUBLE0123456789", SecretAccessKey: "CANARYsecret", SessionToken: "CANARYsession"}
	g, c, ctx := start(t)
	link, err := c.ConsoleURL(ctx, lent, "sredev")
	require.NoError(t, err)
	assert.Contains(t, link, "https://signin.aws.amazon.com/federation?")

	g.Change = func(_ string, answer map[string]any) { answer["url"] = "http://evil.example/CANARY" }
	_, err = c.ConsoleURL(ctx, lent, "sredev")
	require.ErrorContains(t, err, "reply has no https link")
	g.Change = func(_ string, answer map[string]any) { delete(answer, "url") }
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
