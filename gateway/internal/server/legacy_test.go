package server

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/legacy"
)

const goodToken = "chm1_k3v9_CANARYTOKEN"

// oneUser is an issuer that knows one token.
type oneUser struct {
	mu  sync.Mutex
	who []issue.Caller
}

func (o *oneUser) check(who issue.Caller) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.who = append(o.who, who)
	if who.Token != goodToken {
		return &issue.Refusal{Code: issue.BadToken, Text: "wrong token"}
	}
	return nil
}

func (o *oneUser) last() issue.Caller {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.who[len(o.who)-1]
}

func (o *oneUser) Keys(_ context.Context, who issue.Caller, _ issue.Ask) (issue.Grant, error) {
	return issue.Grant{
		AccountID: "123456789012", AccountName: "sredev", Keys: aws.Credentials{
			AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "CANARYsecret", SessionToken: "CANARYsession", Expires: time.Now().Add(time.Hour),
		},
	}, o.check(who)
}

func (o *oneUser) Accounts(_ context.Context, who issue.Caller) ([]issue.Account, error) {
	return []issue.Account{{ID: "123456789012", Name: "sredev"}}, o.check(who)
}

func (o *oneUser) ConsoleURL(context.Context, string, aws.Credentials, issue.Caller) (string, error) {
	panic("CANARY")
}

func TestLegacyEndpointsBehindTheServer(t *testing.T) {
	certFile, keyFile, roots := makeCert(t, t.TempDir(), "one")
	var log safeLog
	issuer := &oneUser{}
	s := start(t, Config{CertFile: certFile, KeyFile: keyFile, Log: log.logger()}, &legacy.Handler{
		Issuer: issuer, Watcher: Watcher{NewMetrics(), &Guesses{}}, Address: ClientAddr, Log: log.logger(),
	})
	endpoint := "https://" + s.Addr().String() + "/prod/"
	http2 := clientOf(t, roots)
	client := &chaim.Gateway{Settings: chaim.Settings{Endpoint: endpoint, Username: "chris", UserToken: goodToken}, HTTPClient: http2}

	got, err := client.Keys(t.Context(), chaim.Request{Account: "sredev", Role: "rro", Region: "eu-west-1", Duration: time.Hour})
	require.NoError(t, err)
	assert.Equal(t, "CANARYsecret", got.SecretAccessKey)
	assert.Equal(t, netip.MustParseAddr("127.0.0.1"), issuer.last().IP)
	list, err := client.Accounts(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []chaim.Account{{ID: "123456789012", Name: "sredev"}}, list)

	post := func(path, token string, change func(*http.Request)) (int, string, http.Header) {
		form := url.Values{"text": {"sredev,rro,1"}, "user_name": {"chris"}, "token": {token}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.TrimSuffix(endpoint, "/")+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if change != nil {
			change(req)
		}
		resp, err := http2.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body), resp.Header
	}
	forged := func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "10.0.0.1")
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Host = "evil.example"
	}
	code, body, _ := post("/", goodToken, forged)
	assert.Equal(t, 200, code)
	assert.NotContains(t, body, "evil")
	assert.Equal(t, "127.0.0.1", issuer.last().IP.String(), "an untrusted peer may not say from where it comes")
	assert.False(t, issuer.last().IsProven)

	_, err = client.ConsoleURL(t.Context(), got)
	assert.ErrorContains(t, err, "500: Internal server error")

	for range guessesPerMinute {
		code, body, _ = post("/", "chm1_k3v9_CANARYGUESS", nil)
		assert.Equal(t, 200, code)
		assert.Contains(t, body, "IncorrectCredentials: Invalid token")
	}
	for _, want := range []string{"1", "2", "4"} {
		code, _, header := post("/", "chm1_k3v9_CANARYGUESS", nil)
		assert.Equal(t, []any{429, want}, []any{code, header.Get("Retry-After")})
	}
	code, body, _ = post("/", goodToken, nil)
	assert.Equal(t, 200, code)
	assert.Contains(t, body, "'accountid': '123456789012'", "the right token is not delayed")

	code, body, _ = post("/x/y", goodToken, nil)
	assert.Equal(t, []any{403, `{"message":"Missing Authentication Token"}` + "\n"}, []any{code, body})
	code, body, _ = post("/", goodToken, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("text="+strings.Repeat("a", maxBody))), -1
	})
	assert.Equal(t, []any{413, `{"message":"Request Too Long"}` + "\n"}, []any{code, body})
	assert.NotContains(t, log.String(), "CANARY")
	assert.NotContains(t, log.String(), "evil")
}

// FuzzCaller checks that an address is never the claim of an untrusted peer, and never that of a trusted proxy.
func FuzzCaller(f *testing.F) {
	f.Add("10.0.0.1:5", "192.0.2.1, 10.9.9.9", "")
	f.Add("192.0.2.1:5", "10.0.0.1", "x")
	f.Add("[::ffff:10.0.0.1%1]:5", "[::1]:5,,,", "192.0.2.1")
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		hops := proxies{netip.MustParsePrefix("10.0.0.0/8")}
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {first, second}}}
		got := hops.caller(r)
		assert.False(t, got.isProven && hops.trust(got.addr))
		if !hops.trust(parseHop(peer)) {
			assert.Equal(t, caller{parseHop(peer), false}, got)
		}
		r.Header = nil
		assert.Equal(t, parseHop(peer), hops.caller(r).addr)
	})
}
