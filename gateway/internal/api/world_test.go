package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/api"
	"github.com/chaim-go/chaim/gateway/internal/portal/portaltest"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// world is a gateway that only has its API.
type world struct {
	*portaltest.World
	t       *testing.T
	api     *api.API
	watcher watcher
	routes  routers.Router // of the contract
}

func newWorld(t *testing.T) *world {
	w := &world{World: portaltest.New(t), t: t}
	base, err := url.Parse("https://gw.example.com/")
	require.NoError(t, err)
	w.api = api.New(api.Deps{
		Portal: w.Portal, Watcher: &w.watcher, URL: base, Address: func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), true },
	})
	w.routes, err = legacy.NewRouter(contract(t))
	require.NoError(t, err)
	return w
}

func contract(t *testing.T) *openapi3.T {
	text, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	return doc
}

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// send sends a request, and checks the answer against the contract. Unless the answer is a refusal, the request must follow the
// contract too.
func (w *world) send(method, path, token, body string, change ...func(*http.Request)) reply {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, api.Prefix+path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(r)
	}
	copied := r.Clone(w.t.Context())
	copied.Body = io.NopCloser(strings.NewReader(body))
	recorder := httptest.NewRecorder()
	w.api.ServeHTTP(recorder, r)
	got := reply{status: recorder.Code, header: recorder.Header(), text: recorder.Body.String()}
	if got.text != "" {
		require.NoError(w.t, json.Unmarshal(recorder.Body.Bytes(), &got.body), got.text)
	}
	assert.Equal(w.t, "no-store", got.header.Get("Cache-Control"))
	w.check(copied, got)
	return got
}

func (w *world) check(r *http.Request, got reply) {
	w.t.Helper()
	route, params, err := w.routes.FindRoute(r)
	if err != nil {
		assert.Equal(w.t, http.StatusNotFound, got.status, "%s %s is not in the contract", r.Method, r.URL.Path)
		return
	}
	asked := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if got.status < 300 {
		assert.NoError(w.t, openapi3filter.ValidateRequest(w.t.Context(), asked))
	}
	answered := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: asked, Status: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader([]byte(got.text))),
		Options: asked.Options,
	}
	assert.NoError(w.t, openapi3filter.ValidateResponse(w.t.Context(), answered), got.text)
	if got.status >= 400 {
		assert.EqualValues(w.t, got.status, got.body["status"])
		assert.NotContains(w.t, got.text, "CANARY")
	}
}

// as sends a request with the token of the command of a user.
func (w *world) as(user, method, path, body string) reply {
	w.t.Helper()
	return w.send(method, path, w.Token(store.CLIToken, user), body)
}

// watcher counts, and lets three wrong tokens pass.
type watcher struct {
	mu      sync.Mutex
	failed  int
	results []string
}

func (w *watcher) Asked(result, _ string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results = append(w.results, result)
}

func (w *watcher) TokenFailed(netip.Addr) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed++; w.failed > 3 {
		return 1500 * time.Millisecond
	}
	return 0
}
