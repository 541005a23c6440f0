package oauth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

const (
	gatewayURL  = "https://chaim.example.com"
	redirect    = "http://127.0.0.1:4711/callback"
	codeGrant   = "authorization_code"
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
)

// journal writes each change at once.
type journal struct{ db *store.DB }

func (j journal) Append(ctx context.Context, c store.Change) error {
	results, err := j.db.Append(ctx, "test", c)
	return errors.Join(append(results, err)...)
}

// world is a gateway with the users ada and bob.
type world struct {
	t    *testing.T
	db   *store.DB
	ring *token.File
	replica
	log lockedBuffer
}

// replica is one process of the gateway. Callers come from 192.0.2.1, but for the header X-From.
type replica struct {
	server *oauth.Server
	issuer *issue.Issuer
	mux    *http.ServeMux
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *lockedBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

func newWorld(t *testing.T, database string, change ...func(*oauth.Deps)) *world {
	t.Helper()
	w := &world{t: t, db: storetest.Open(t, database)}
	ring, err := token.NewRing("gw_test")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "ring.json")
	require.NoError(t, ring.Save(path))
	w.ring, err = token.OpenFile(path)
	require.NoError(t, err)
	w.replica = w.newReplica(change...)
	for _, name := range []string{"ada", "bob"} {
		w.change(store.AddUser(store.User{Name: name, SourceIdentity: name, Created: time.Now()}))
	}
	t.Cleanup(func() {
		assert.NotContains(t, w.log.String(), "chm1_")
		assert.NotContains(t, w.log.String(), "CANARY")
	})
	return w
}

func (w *world) newReplica(change ...func(*oauth.Deps)) replica {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	at, err := url.Parse(gatewayURL)
	require.NoError(w.t, err)
	r := replica{issuer: issue.New(issue.Deps{Store: w.db, Journal: journal{w.db}, Ring: w.ring, Log: log}), mux: http.NewServeMux()}
	d := oauth.Deps{
		People: r.issuer, Database: w.db, Journal: journal{w.db}, Ring: w.ring,
		Settings: oauth.Settings{URL: at, Lifetime: 12 * time.Hour, Device: true, TokensPerUser: 20},
		Web: oauth.Web{
			Address: func(r *http.Request) (netip.Addr, bool) {
				if from := r.Header.Get("X-From"); from != "" {
					return netip.MustParseAddr(from), true
				}
				return netip.MustParseAddr("192.0.2.1"), true
			},
			Count: func(string, string) {}, Failed: func(netip.Addr) time.Duration { return 0 }, Log: log,
		},
	}
	for _, c := range change {
		c(&d)
	}
	r.server = oauth.New(d)
	r.server.Mount(r.mux)
	return r
}

func (w *world) change(effects ...store.Effect) {
	w.t.Helper()
	require.NoError(w.t, journal{w.db}.Append(context.Background(), store.Change{
		Events: []audit.Event{{Type: audit.GroupAdded, At: time.Now()}}, Effects: effects, Raises: true,
	}))
}

// newToken adds a token of a user, and returns its text.
func (w *world) newToken(kind store.Kind, user string) string {
	w.t.Helper()
	text, row := w.ring.Ring().New(kind, user, "CANARY test", time.Now().Add(time.Hour))
	require.NoError(w.t, journal{w.db}.Append(context.Background(), store.Change{
		Events: []audit.Event{{Type: audit.SignedIn, At: time.Now()}}, Effects: []store.Effect{store.AddToken(row)},
	}))
	return text.Reveal()
}

// browser returns a user at a browser with an address.
func (w *world) browser(user, from string) issue.Who {
	w.t.Helper()
	who, err := w.issuer.Authenticate(context.Background(),
		issue.Caller{Way: issue.ByPage, Token: w.newToken(store.WebToken, user), IP: netip.MustParseAddr(from), IsProven: true})
	require.NoError(w.t, err)
	return who
}

// program returns a user's program.
func (w *world) program(text string) (issue.Who, error) {
	return w.issuer.Authenticate(context.Background(), issue.Caller{Way: issue.ByAPI, Token: text})
}

// requireEnded checks that a token is refused on every replica.
func (w *world) requireEnded(text string, replicas ...replica) {
	w.t.Helper()
	for _, r := range append(replicas, w.replica) {
		_, err := r.issuer.Authenticate(context.Background(), issue.Caller{Way: issue.ByAPI, Token: text})
		refusal := (*issue.Refusal)(nil)
		require.ErrorAs(w.t, err, &refusal)
		require.Equal(w.t, issue.BadToken, refusal.Code)
	}
}

// events returns the types of events with one of their details.
func (w *world) events(detail string, types ...audit.Type) (found []string) {
	w.t.Helper()
	for entry, err := range w.db.Events(context.Background(), audit.Position{}, store.EventFilter{}) {
		require.NoError(w.t, err)
		assert.NotContains(w.t, string(entry.Body), "chm1_")
		e, err := audit.ParseBody(entry.Body)
		require.NoError(w.t, err)
		for _, one := range types {
			if e.Type == one {
				found = append(found, string(e.Type)+" "+e.Actor.Name+" "+e.Details[detail])
			}
		}
	}
	return found
}

// reply is an answer of an endpoint.
type reply struct {
	Status  int
	Header  http.Header
	Text    string
	Token   string `json:"access_token"`
	Type    string `json:"token_type"`
	Seconds int    `json:"expires_in"`
	User    string `json:"username"`
	Error   string `json:"error"`
	Device  string `json:"device_code"`
	Typed   string `json:"user_code"`
}

// post sends a form of the client chaim-cli, unless it names another one.
func (r replica) post(path string, form url.Values, header ...string) (answer reply) {
	if _, isThere := form["client_id"]; !isThere {
		form.Set("client_id", "chaim-cli")
	}
	return r.send(path, form.Encode(), header...)
}

func (r replica) send(path, body string, header ...string) (answer reply) {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	answer.Status, answer.Header, answer.Text = w.Code, w.Header(), w.Body.String()
	return answer
}

// login is a program that logs in by a code.
type login struct {
	verifier, challenge, state, redirect string
}

func newLogin(name string) login {
	verifier := strings.Repeat(name+"-CANARY-", 10)
	verifier = verifier[:43]
	sum := sha256.Sum256([]byte(verifier))
	return login{verifier, base64.RawURLEncoding.EncodeToString(sum[:]), "state of " + name, redirect}
}

// params are those with which the program opens a browser.
func (l login) params() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {"chaim-cli"}, "redirect_uri": {l.redirect}, "state": {l.state},
		"code_challenge_method": {"S256"}, "code_challenge": {l.challenge}, "program": {"chaim/2.0"}, "host": {"laptop"},
	}
}

// form is that with which the program asks for a token.
func (l login) form(code string) url.Values {
	return url.Values{"grant_type": {codeGrant}, "code": {code}, "redirect_uri": {l.redirect}, "code_verifier": {l.verifier}}
}

// approve presses the button for a login, and returns the code that comes back.
func (w *world) approve(l login, who issue.Who) string {
	w.t.Helper()
	asks, err := w.server.CheckAuthorize(l.params())
	require.NoError(w.t, err)
	back, err := w.server.Approve(context.Background(), who, asks, netip.MustParseAddr("192.0.2.1"))
	require.NoError(w.t, err)
	u, err := url.Parse(back)
	require.NoError(w.t, err)
	require.Equal(w.t, l.redirect, u.Scheme+"://"+u.Host+u.Path)
	q := u.Query()
	require.Equal(w.t, l.state, q.Get("state"))
	require.Equal(w.t, gatewayURL, q.Get("iss"))
	require.Len(w.t, q, 3)
	return q.Get("code")
}

// begin begins a login by a device.
func (w *world) begin(header ...string) reply {
	w.t.Helper()
	answer := w.post("/oauth/device_authorization", url.Values{"program": {"chaim/2.0"}, "host": {"laptop"}}, header...)
	require.Equal(w.t, http.StatusOK, answer.Status, answer.Text)
	return answer
}

func (r replica) poll(deviceCode string) reply {
	return r.post("/oauth/token", url.Values{"grant_type": {deviceGrant}, "device_code": {deviceCode}})
}

func requireRefusal(t *testing.T, err error, code issue.Code) *issue.Refusal {
	t.Helper()
	refusal := (*issue.Refusal)(nil)
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, code, refusal.Code)
	return refusal
}
