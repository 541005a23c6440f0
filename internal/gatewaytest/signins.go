package gatewaytest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Live returns how many tokens are valid.
func (g *Gateway) Live() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, end := range g.tokens {
		if time.Now().Before(end) {
			n++
		}
	}
	return n
}

// EndReplays makes the double end all sessions when a code that has made one comes again, as chaim-gateway ends that one. It
// sets Instead.
func (g *Gateway) EndReplays() {
	var mu sync.Mutex
	seen := map[string]int{} // the number of tokens before the code came
	g.answerInstead(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/oauth/token" {
			return false
		}
		body, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		asked, _ := url.ParseQuery(string(body))
		r.Body = io.NopCloser(bytes.NewReader(body)) // for the double
		code := asked.Get("code") + asked.Get("device_code")
		g.mu.Lock()
		made := len(g.tokens)
		g.mu.Unlock()
		mu.Lock()
		before, isKnown := seen[code]
		if !isKnown {
			seen[code] = made
		}
		mu.Unlock()
		if !isKnown || made == before {
			return false
		}
		g.EndAll(false)
		writeJSON(w, http.StatusBadRequest, "application/json", map[string]any{"error": "invalid_grant", "error_description": "the code came twice"})
		return true
	})
}

// answerInstead sets Instead. Programs may be asking already.
func (g *Gateway) answerInstead(do func(http.ResponseWriter, *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Instead = do
}

// TellKinds returns a function that makes a new token as if by hand, as for an init string, and not by a sign-in. It sets
// Instead.
func (g *Gateway) TellKinds() (newByHand func(lifetime time.Duration) string) {
	var mu sync.Mutex
	byHand := map[string]bool{}
	g.answerInstead(func(w http.ResponseWriter, r *http.Request) bool {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		mu.Lock()
		is := byHand[token]
		mu.Unlock()
		if r.URL.Path != "/api/v1/me" || !is || !g.IsValid(token) {
			return false
		}
		writeJSON(w, http.StatusOK, "application/json", map[string]any{"user": User, "token": map[string]any{"kind": "user"}})
		return true
	})
	return func(lifetime time.Duration) string {
		token := g.NewToken(lifetime)
		mu.Lock()
		defer mu.Unlock()
		byHand[token] = true
		return token
	}
}
