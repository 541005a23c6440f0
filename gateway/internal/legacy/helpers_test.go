package legacy

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/issue"
)

// fakeIssuer records what it is asked, and answers with err or else with its keys, accounts and link.
type fakeIssuer struct {
	mu       sync.Mutex
	who      issue.Caller
	what     issue.Ask
	keys     aws.Credentials // that a link was asked for
	asked    int
	err      error
	accounts []issue.Account
	grant    issue.Grant
}

const (
	fakeLink = "https://signin.aws.amazon.com/federation?Action=login&SigninToken=CANARY"
	token    = "chm1_k3v9_CANARYTOKEN"
)

func newFakeIssuer() *fakeIssuer {
	return &fakeIssuer{
		grant: issue.Grant{
			Issue: "iss_1", AccountID: "123456789012", AccountName: "sredev", Role: "rro", URL: fakeLink,
			Keys: aws.Credentials{
				AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "CANARYsecret", SessionToken: "CANARYsession",
				CanExpire: true, Expires: time.Now().Add(time.Hour),
			},
		},
		accounts: []issue.Account{{ID: "210987654321", Name: "Connected Homes"}, {ID: "123456789012", Name: "sredev"}},
	}
}

func (i *fakeIssuer) Keys(_ context.Context, who issue.Caller, what issue.Ask) (issue.Grant, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	i.who, i.what = who, what
	grant := i.grant
	if !what.WantsURL {
		grant.URL = ""
	}
	return grant, i.err
}

func (i *fakeIssuer) Accounts(_ context.Context, who issue.Caller) ([]issue.Account, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	i.who = who
	return i.accounts, i.err
}

func (i *fakeIssuer) ConsoleURL(_ context.Context, _ string, keys aws.Credentials, who issue.Caller) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	i.who, i.keys = who, keys
	return i.grant.URL, i.err
}

// fakeWatcher counts, and answers TokenFailed with pause.
type fakeWatcher struct {
	results []string
	failed  []netip.Addr
	pause   time.Duration
	held    time.Duration // of all addresses
}

func (w *fakeWatcher) Pause(netip.Addr) time.Duration { return w.held }

func (w *fakeWatcher) Asked(result, client string) {
	w.results = append(w.results, result+" "+client)
}

func (w *fakeWatcher) TokenFailed(from netip.Addr) time.Duration {
	w.failed = append(w.failed, from)
	return w.pause
}

var home = netip.MustParseAddr("192.0.2.7")

// newHandler returns a handler with fakes, and its log.
func newHandler() (*Handler, *fakeIssuer, *strings.Builder) {
	var log strings.Builder
	issuer := newFakeIssuer()
	return &Handler{
		Issuer: issuer, Watcher: &fakeWatcher{}, Address: func(*http.Request) (netip.Addr, bool) { return home, true },
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, issuer, &log
}

func keysForm(text string) url.Values {
	return url.Values{
		"text": {text}, "user_name": {"chris"}, "token": {token}, "response_url": {"ignoreme"}, "useragent": {"cca 4.1"},
		"user_id": {"U1"}, "team_id": {"T1"},
	}
}

func linkForm() url.Values {
	return url.Values{
		"accesskey": {"ASIAEXAMPLE000000001"}, "secret": {"CANARYsecret"}, "session": {strings.Repeat("CANARYsession", 300)},
		"duration": {"3000"}, "username": {"chris"}, "account": {"sredev"}, "useragent": {"cca 4.1"},
	}
}

// post sends a body and returns the answer.
func post(h http.Handler, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", formType)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	http.MaxBytesHandler(h, 64<<10).ServeHTTP(w, r)
	return w
}

// envelope is an answer in the original's form.
type envelope struct {
	ResponseType string            `json:"response_type"`
	StatusCode   string            `json:"statusCode"`
	Text         string            `json:"text"`
	Headers      map[string]string `json:"headers"`
}

// opened returns the envelope of an answer with the status 200.
func opened(t testing.TB, w *httptest.ResponseRecorder) (e envelope) {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e))
	return e
}

// swapped reads a text as cca does.
func swapped(text string) (v map[string]any, err error) {
	return v, json.Unmarshal([]byte(strings.ReplaceAll(text, "'", `"`)), &v)
}

// torture are names that are hard to quote.
var torture = []string{
	"sredev", "Connected Homes", "O'Brien", `"hi"`, `\`, `\u0027`, `\\'`, `'"'"`, "", " ", "a,b", "Zoë", "日本語", "👩‍🚀", "\u2028\u2029", "\ufeff",
	"new\nline", "tab\t", "\x00", "\x7f", "\u0085", "\u009b31m", "None", "True", "{}", "['x']", "%s%n", "${HOME}", "'); drop table accounts; --",
	"<script>", "&amp;", "\ufffd", "not \xff UTF-8", "cut \xe2\x82", strings.Repeat("'", 127), "\U0010ffff", "{0}", "#", "b'x'", "e\u0301",
}

func quoteAll(texts []string) []string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = fmt.Sprintf("%+q", text)
	}
	return quoted
}
