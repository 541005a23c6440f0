package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
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
	"github.com/chaim-go/chaim/gateway/internal/idp"
	"github.com/chaim-go/chaim/gateway/internal/idp/idptest"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/session"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// world is a gateway whose pages only say who is signed in, and a provider.
type world struct {
	t       *testing.T
	db      *store.DB
	ring    *token.File
	idp     *idptest.Provider
	manager *session.Manager
	url     string
	deps    session.Deps

	mu      sync.Mutex
	counted []string
	log     strings.Builder
}

func newWorld(t *testing.T, change ...func(*session.Deps)) *world {
	return newWorldOn(t, storetest.SQLite(t), change...)
}

func newWorldOn(t *testing.T, database string, change ...func(*session.Deps)) *world {
	t.Helper()
	w := &world{t: t, db: storetest.Open(t, database), idp: idptest.New(t)}
	ring, err := token.NewRing("gw_test")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "ring.json")
	require.NoError(t, ring.Save(path))
	w.ring, err = token.OpenFile(path)
	require.NoError(t, err)

	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	w.url = s.URL
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	journal := &journal{w.db}
	w.deps = session.Deps{
		Issuer:   issue.New(issue.Deps{Store: w.db, Journal: journal, Ring: w.ring, Log: slog.New(slog.DiscardHandler)}),
		Store:    w.db,
		Journal:  journal,
		Ring:     w.ring,
		Provider: idp.New(w.idp.Config(), s.URL+session.CallbackPath("corp"), idp.Options{}),
		Options: session.Options{
			URL: u, WebMax: 8 * time.Hour, IdleWeb: time.Hour,
			Address: func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), true }, Counted: w.count,
		},
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Page: func(rw http.ResponseWriter, _ *http.Request, status int, title, text string) {
			rw.WriteHeader(status)
			_, _ = fmt.Fprintf(rw, "%s\n%s", title, text)
		},
	}
	for _, c := range change {
		c(&w.deps)
	}
	w.manager = session.New(w.deps)
	w.manager.Mount(mux)
	mux.HandleFunc("/", w.whoIsSignedIn)
	w.change(store.AddGroup("admins", time.Now()))
	t.Cleanup(w.checkSecrets)
	return w
}

// whoIsSignedIn is the only page.
func (w *world) whoIsSignedIn(rw http.ResponseWriter, r *http.Request) {
	caller, isSignedIn := w.manager.Caller(rw, r)
	if !isSignedIn {
		_, _ = fmt.Fprintf(rw, "nobody at %s", r.URL)
		return
	}
	who, err := w.deps.Issuer.Authenticate(r.Context(), caller)
	if err != nil {
		_, _ = fmt.Fprintf(rw, "refused: %v", err)
		return
	}
	_, _ = fmt.Fprintf(rw, "%s at %s in %s", who.User.Name, r.URL, strings.Join(who.User.Groups, ","))
}

func (w *world) count(result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counted = append(w.counted, result)
}

func (w *world) change(effects ...store.Effect) {
	w.t.Helper()
	require.NoError(w.t, (&journal{w.db}).Append(w.t.Context(), store.Change{
		Events: []audit.Event{{Type: audit.PolicyApplied, At: time.Now()}}, Effects: effects, Raises: true,
	}))
}

func (w *world) addUser(name string, groups ...string) {
	w.t.Helper()
	w.change(store.AddUser(store.User{Name: name, SourceIdentity: name, Created: time.Now()}))
	for _, g := range groups {
		w.change(store.AddMember(g, name))
	}
}

func (w *world) view() *store.View {
	w.t.Helper()
	v, err := w.db.View(w.t.Context())
	require.NoError(w.t, err)
	return v
}

// events returns the events of sign-ins, users, groups and tokens.
func (w *world) events() (found []audit.Event) {
	w.t.Helper()
	for entry, err := range w.db.Events(context.Background(), audit.Position{}, store.EventFilter{}) {
		require.NoError(w.t, err)
		e, err := audit.ParseBody(entry.Body)
		require.NoError(w.t, err)
		if e.Type != audit.PolicyApplied {
			found = append(found, e)
		}
	}
	return found
}

func (w *world) types() (types []audit.Type) {
	for _, e := range w.events() {
		types = append(types, e.Type)
	}
	return types
}

// checkSecrets looks for secrets in both logs.
func (w *world) checkSecrets() {
	for _, e := range w.events() {
		assert.NotContains(w.t, string(e.Body()), "CANARY")
	}
	assert.NotContains(w.t, w.log.String(), "CANARY")
	assert.NotContains(w.t, w.log.String(), "chm1_")
}

// link makes a sign-in link, and returns its code.
func (w *world) link(user string, made time.Time) string {
	w.t.Helper()
	code, row := session.NewLink(w.ring.Ring(), user, made)
	w.change(store.AddFlow(row))
	return code.Reveal()
}

type journal struct{ db *store.DB }

func (j *journal) Append(ctx context.Context, c store.Change) error {
	results, err := j.db.Append(ctx, "test", c)
	return errors.Join(append(results, err)...)
}

// browser is a browser that does not go to the provider by itself.
type browser struct {
	w *world
	*http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	return &browser{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// do returns the status, the text and where the answer points to. The text must hold no secret.
func (b *browser) do(req *http.Request) (status int, text, location string) {
	b.w.t.Helper()
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	resp, err := b.Do(req)
	require.NoError(b.w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.w.t, err)
	if strings.HasPrefix(req.URL.Path, "/auth/") && !strings.Contains(string(body), " at /auth/") { // which is the page
		assert.Equal(b.w.t, "no-store", resp.Header.Get("Cache-Control"))
	}
	assert.NotContains(b.w.t, string(body), "CANARY")
	assert.NotContains(b.w.t, string(body), "chm1_")
	return resp.StatusCode, string(body), resp.Header.Get("Location")
}

func (b *browser) get(path string) (status int, text, location string) {
	b.w.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.w.url + path
	}
	req, err := http.NewRequest(http.MethodGet, path, nil)
	require.NoError(b.w.t, err)
	return b.do(req)
}

func (b *browser) post(path string, form url.Values) (status int, text, location string) {
	b.w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.w.url+path, strings.NewReader(form.Encode()))
	require.NoError(b.w.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

// callback begins a sign-in, and returns the path to which the provider sends the browser back.
func (b *browser) callback(next string) string {
	b.w.t.Helper()
	status, text, location := b.get("/auth/login?next=" + url.QueryEscape(next))
	require.Equal(b.w.t, http.StatusSeeOther, status, text)
	return "/auth/callback/corp?" + b.w.idp.SignIn(b.w.t, location).Encode()
}

// signIn signs in, and returns the answer.
func (b *browser) signIn() (status int, text, location string) {
	b.w.t.Helper()
	return b.get(b.callback("/accounts?q=x"))
}

// page returns what the gateway's page says.
func (b *browser) page() string {
	_, text, _ := b.get("/p")
	return text
}

// cookie returns the browser's cookie of the session.
func (b *browser) cookie() string {
	u, err := url.Parse(b.w.url)
	require.NoError(b.w.t, err)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "chaim-session" {
			return c.Value
		}
	}
	return ""
}

func (b *browser) setCookie(name, value string) {
	u, err := url.Parse(b.w.url)
	require.NoError(b.w.t, err)
	b.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

type journalFunc func(store.Change) error

func (f journalFunc) Append(_ context.Context, c store.Change) error { return f(c) }
