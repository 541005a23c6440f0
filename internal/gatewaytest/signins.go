package gatewaytest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
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
	g.Instead = func(w http.ResponseWriter, r *http.Request) bool {
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
	}
}
