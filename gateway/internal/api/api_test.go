package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/api"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/portal/portaltest"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

func TestKeysAreLentByExactNames(t *testing.T) {
	w := newWorld(t)
	got := w.as("ada", "POST", "credentials", `{"account":"shop","role":"apu","durationSeconds":7200,"console":true}`)
	require.Equal(t, http.StatusOK, got.status, got.text)
	assert.Equal(t, map[string]any{"id": "111111111111", "name": "shop"}, got.body["account"])
	assert.Equal(t, "apu", got.body["role"])
	assert.Equal(t, "the role's longest lifetime", got.body["cap"])
	assert.Contains(t, got.body["secretAccessKey"], "CANARY")
	assert.NotContains(t, got.body, "consoleUrl", "the role has no console")

	got = w.as("ada", "POST", "credentials", `{"account":"111111111111","role":"ReadOnly","console":true}`)
	assert.Equal(t, portaltest.Link, got.body["consoleUrl"])
	assert.Equal(t, "rro", got.body["role"])
	assert.NotContains(t, got.body, "cap")

	got = w.as("ada", "POST", "credentials", `{"account":"shop","role":"apu","durationSeconds":7200,"exact":true}`)
	assert.Equal(t, http.StatusForbidden, got.status)
	assert.Equal(t, "too_short", got.body["code"])
	assert.Equal(t, []string{"issued", "issued", "too_short"}, w.watcher.results)
}

func TestRefusalsSayWhatAndWhereToLook(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		body, code string
		status     int
		page       any
	}{
		"hidden account":    {`{"account":"secret","role":"rro"}`, "no_account", 404, "https://gw.example.com/accounts"},
		"two accounts":      {`{"account":"twin","role":"rro"}`, "ambiguous_account", 409, "https://gw.example.com/accounts"},
		"unknown role":      {`{"account":"shop","role":"none"}`, "no_role", 404, "https://gw.example.com/profile"},
		"a deny rule":       {`{"account":"333333333333","role":"apu"}`, "not_allowed", 403, "https://gw.example.com/profile"},
		"no role":           {`{"account":"shop"}`, "bad_request", 400, nil},
		"no account":        {`{"role":"rro"}`, "bad_request", 400, nil},
		"too short":         {`{"account":"shop","role":"rro","durationSeconds":899}`, "bad_request", 400, nil},
		"too long":          {`{"account":"shop","role":"rro","durationSeconds":43201}`, "bad_request", 400, nil},
		"huge number":       {`{"account":"shop","role":"rro","durationSeconds":1e300}`, "bad_request", 400, nil},
		"long name":         {`{"account":"` + strings.Repeat("x", 300) + `","role":"rro"}`, "bad_request", 400, nil},
		"unknown field":     {`{"account":"shop","role":"rro","CANARY":1}`, "bad_request", 400, nil},
		"field twice":       {`{"account":"shop","account":"secret","role":"rro"}`, "bad_request", 400, nil},
		"field in capitals": {`{"Account":"shop","role":"rro"}`, "bad_request", 400, nil},
		"two objects":       {`{"account":"shop","role":"rro"}{}`, "bad_request", 400, nil},
		"a list":            {`[]`, "bad_request", 400, nil},
		"wrong type":        {`{"account":{"CANARY":1},"role":"rro"}`, "bad_request", 400, nil},
		"no JSON":           {`account=CANARY`, "bad_request", 400, nil},
		"not UTF-8":         {"{\"account\":\"\xff\",\"role\":\"rro\"}", "bad_request", 400, nil},
		"64 KiB":            {`{"account":"` + strings.Repeat("x", 64<<10) + `"}`, "bad_request", 400, nil},
		"empty":             {` `, "bad_request", 400, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.as("ada", "POST", "credentials", tt.body)
			assert.Equal(t, tt.status, got.status, got.text)
			assert.Equal(t, tt.code, got.body["code"])
			assert.Equal(t, tt.page, got.body["url"])
			assert.NotEmpty(t, got.body["detail"])
			assert.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
		})
	}
	got := w.as("ada", "POST", "credentials", `{"account":"333333333333","role":"apu"}`)
	assert.Equal(t, map[string]any{"policy": 1.0, "rule": "no-changes"}, got.body["decision"])
	assert.Empty(t, w.Events(audit.IssueIssued))
}

func TestATokenIsTakenFromTheHeaderOnly(t *testing.T) {
	w := newWorld(t)
	token := w.Token(store.CLIToken, "ada")
	for name, change := range map[string]func(*http.Request){
		"no token": func(*http.Request) {},
		"cookie":   func(r *http.Request) { r.Header.Set("Cookie", "__Host-chaim="+token) },
		"query":    func(r *http.Request) { r.URL.RawQuery = "access_token=" + token },
		"basic":    func(r *http.Request) { r.SetBasicAuth("ada", token) },
		"twice":    func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + token, "Bearer " + token} },
		"empty":    func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") },
	} {
		t.Run(name, func(t *testing.T) {
			got := w.send("GET", "me", "", "", change)
			assert.Equal(t, http.StatusUnauthorized, got.status)
			assert.Equal(t, "no_token", got.body["code"])
			assert.Equal(t, `Bearer realm="chaim-gateway"`, got.header.Get("WWW-Authenticate"))
			assert.NotContains(t, got.text, token)
		})
	}
	got := w.send("GET", "me", token, "", func(r *http.Request) { r.URL.RawQuery = "access_token=" + token })
	assert.Equal(t, http.StatusBadRequest, got.status)
	assert.NotContains(t, got.text, token)
	assert.Zero(t, w.watcher.failed)
}

func TestWrongTokensAreCountedAndSlowedDown(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		got := w.send("GET", "me", w.Token(store.WebToken, "ada"), "")
		assert.Equal(t, http.StatusUnauthorized, got.status, "the token of a browser is none of the API")
		assert.Equal(t, "bad_token", got.body["code"])
		assert.Equal(t, "https://gw.example.com/login", got.body["url"])
		assert.Equal(t, `Bearer realm="chaim-gateway", error="invalid_token"`, got.header.Get("WWW-Authenticate"))
	}
	got := w.send("GET", "me", "chm1_CANARY", "")
	assert.Equal(t, http.StatusTooManyRequests, got.status)
	assert.Equal(t, "2", got.header.Get("Retry-After"))
	assert.Equal(t, http.StatusOK, w.as("ada", "GET", "me", "").status, "a right token is never delayed")
}

func TestTheHeaderHostIsNotBelieved(t *testing.T) {
	w := newWorld(t)
	got := w.send("GET", "me", "chm1_x", "", func(r *http.Request) { r.Host = "evil.example" })
	assert.NotContains(t, got.text, "evil")
}

func TestTheAPIShowsWhatIsThere(t *testing.T) {
	w := newWorld(t)
	me := w.as("ada", "GET", "me", "")
	assert.Equal(t, "ada", me.body["user"])
	assert.Equal(t, false, me.body["admin"])

	page := w.as("ada", "GET", "accounts?limit=2", "")
	assert.EqualValues(t, 3, page.body["total"])
	next := w.as("ada", "GET", "accounts?limit=2&cursor="+page.body["next"].(string), "")
	assert.Len(t, next.body["accounts"], 1)
	assert.NotContains(t, next.body, "next")
	assert.Len(t, w.as("ada", "GET", "accounts?q=shop&tag=team%3Dpayments&ou=root", "").body["accounts"], 1)
	assert.Len(t, w.as("ada", "GET", "accounts/111111111111/roles", "").body["roles"], 2)
	assert.Equal(t, http.StatusNotFound, w.as("ada", "GET", "accounts/222222222222/roles", "").status)

	lent := w.as("ada", "POST", "credentials", `{"account":"shop","role":"rro"}`)
	keys := w.as("ada", "GET", "keys", "")
	assert.Len(t, keys.body["keys"], 1)
	assert.NotContains(t, keys.text, "CANARY")
	assert.Len(t, w.as("ada", "GET", "issues/"+lent.body["issue"].(string), "").body["events"], 2)
	assert.Equal(t, http.StatusNotFound, w.as("bob", "GET", "issues/"+lent.body["issue"].(string), "").status)

	why := w.as("ada", "GET", "explain?account=333333333333&role=apu", "")
	assert.Equal(t, "no-changes", why.body["deny"])
	assert.Len(t, w.as("root", "GET", "who-can?account=shop&role=rro", "").body["rights"], 1)
	log := w.as("root", "GET", "audit?actor=ada&type=issue.issued&since=2026-01-01T00:00:00Z&limit=1", "")
	assert.Len(t, log.body["events"], 1)
	for _, path := range []string{"who-can?account=shop", "audit", "keys?user=root", "explain?user=root&account=shop&role=rro"} {
		assert.Equal(t, http.StatusForbidden, w.as("ada", "GET", path, "").status, path)
	}
}

func TestWrongParametersAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"accounts?limit=0", "accounts?limit=x", "accounts?serach=x", "accounts?q=a&q=b", "accounts?cursor=CANARY", "accounts?q=%zz",
		"accounts?q=" + strings.Repeat("x", 300), "accounts?q=%ff", "audit?since=yesterday", "explain?account=shop", "who-can",
	} {
		got := w.as("root", "GET", path, "")
		assert.Equal(t, http.StatusBadRequest, got.status, path)
		assert.Equal(t, "bad_request", got.body["code"], path)
	}
}

func TestConsoleLinksAreForOwnKeysOrForARole(t *testing.T) {
	w := newWorld(t)
	lent := w.as("ada", "POST", "credentials", `{"account":"shop","role":"rro"}`).body
	keys := fmt.Sprintf(`{"accessKeyId":%q,"secretAccessKey":%q,"sessionToken":%q}`, lent["accessKeyId"], lent["secretAccessKey"], lent["sessionToken"])
	assert.Equal(t, portaltest.Link, w.as("ada", "POST", "console-links", keys).body["consoleUrl"])
	got := w.as("bob", "POST", "console-links", keys)
	assert.Equal(t, "not_ours", got.body["code"])
	assert.Equal(t, 1, w.watcher.failed, "guesses of keys count")

	got = w.as("ada", "POST", "console-links", `{"account":"shop","role":"rro"}`)
	assert.Equal(t, portaltest.Link, got.body["consoleUrl"])
	assert.NotEmpty(t, got.body["issue"])
	assert.Len(t, w.Events(audit.ConsoleAllowed), 2)
	for _, body := range []string{`{}`, `{"account":"shop"}`, keys[:len(keys)-1] + `,"account":"shop","role":"rro"}`} {
		assert.Equal(t, http.StatusBadRequest, w.as("ada", "POST", "console-links", body).status)
	}
}

func TestTokensAreMadeOnceAndRevoked(t *testing.T) {
	w := newWorld(t)
	made := w.as("ada", "POST", "tokens", `{"label":"nightly","lifetimeSeconds":3600}`)
	require.Equal(t, http.StatusCreated, made.status, made.text)
	text := made.body["token"].(string)
	assert.Equal(t, "init-ada-"+text, made.body["initString"])
	assert.Equal(t, "ada", w.send("GET", "me", text, "").body["user"])
	list := w.as("ada", "GET", "tokens", "")
	assert.Len(t, list.body["tokens"], 2)
	assert.NotContains(t, list.text, text[32:])
	assert.Equal(t, http.StatusForbidden, w.send("POST", "tokens", text, `{"lifetimeSeconds":3600}`).status, "a token makes no other")
	assert.Equal(t, http.StatusBadRequest, w.as("ada", "POST", "tokens", `{"label":"x"}`).status)

	id := made.body["id"].(string)
	assert.Equal(t, http.StatusNotFound, w.as("bob", "DELETE", "tokens/"+id, "").status)
	assert.Equal(t, http.StatusNoContent, w.as("ada", "DELETE", "tokens/"+id, "").status)
	assert.Equal(t, http.StatusUnauthorized, w.send("GET", "me", text, "").status)
	assert.Len(t, w.as("ada", "GET", "sign-ins", "").body["signIns"], 3)
	own := w.as("ada", "GET", "me", "").body["token"].(map[string]any)["id"].(string)
	assert.Equal(t, http.StatusNoContent, w.as("ada", "DELETE", "sign-ins/"+own, "").status)
	assert.Equal(t, http.StatusUnauthorized, w.as("ada", "GET", "me", "").status)
}

func TestTheContractHasEachRouteAndNoOther(t *testing.T) {
	var inContract []string
	for path, item := range contract(t).Paths.Map() {
		for method := range item.Operations() {
			inContract = append(inContract, method+" "+strings.TrimPrefix(path, "/"))
		}
	}
	slices.Sort(inContract)
	assert.Equal(t, inContract, api.Routes())
}

func TestTheContractIsServedToAll(t *testing.T) {
	w := newWorld(t)
	recorder := httptest.NewRecorder()
	w.api.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/openapi.yaml", nil))
	assert.Equal(t, http.StatusOK, recorder.Code)
	assert.Contains(t, recorder.Body.String(), "openapi: 3.0.3")
	for _, r := range [][2]string{{"GET", "nothing"}, {"POST", "me"}, {"PUT", "credentials"}} {
		assert.Equal(t, http.StatusNotFound, w.as("ada", r[0], r[1], "").status)
	}
}

func FuzzBodies(f *testing.F) {
	f.Add(`{"account":"shop","role":"rro"}`)
	f.Add(`{"account":"shop","account":1}`)
	f.Add(`{"account":`)
	f.Fuzz(func(t *testing.T, body string) {
		known, err := api.CheckBody(body)
		if err == nil {
			assert.Subset(t, []string{"account", "role", "durationSeconds", "exact", "console"}, known)
		}
	})
}
