package gatewaytest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/chaim-go/chaim/internal/checkcode"
)

// Lifetime is that of the tokens of a sign-in.
const Lifetime = 12 * time.Hour

// login is a code that waits for its verifier.
type login struct{ challenge, redirect string }

// device is a sign-in by a code that a person types.
type device struct{ polls int }

// Logins are the sign-ins under way.
type Logins struct {
	// Metadata, if set, changes the metadata of the authorization server.
	Metadata func(map[string]any)
	// Redirect, if set, changes the parameters that the browser brings back.
	Redirect func(url.Values)
	// States are the refusals of a device's sign-in, poll by poll. The last one stays; "" allows it.
	States []string

	mu       sync.Mutex
	noDevice bool
	codes    map[string]login
	pending  map[string]*device
	asked    url.Values // the parameters of the last authorization
}

// Logins returns what a test may change of the sign-ins, before the first request.
func (g *Gateway) Logins() *Logins { return &g.logins }

// ForbidDevice ends sign-ins by a code that a person types. Unlike the fields it may come between requests.
func (l *Logins) ForbidDevice() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noDevice = true
}

// Asked returns the parameters of the last sign-in.
func (l *Logins) Asked() url.Values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.asked)
}

func (g *Gateway) serveLogin(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /.well-known/oauth-authorization-server":
		g.metadata(w)
	case "GET /oauth/authorize": // a page with a button
		_, _ = fmt.Fprintf(w, "the check code is %s", checkcode.Of(r.URL.Query().Get("code_challenge")))
	case "POST /oauth/authorize":
		g.authorize(w, r)
	case "POST /oauth/device_authorization":
		g.beginDevice(w, r)
	case "POST /oauth/token":
		g.token(w, form(r))
	case "POST /oauth/revoke":
		g.mu.Lock()
		g.tokens[form(r).Get("token")] = time.Time{}
		g.mu.Unlock()
	default:
		http.NotFound(w, r)
	}
}

func (g *Gateway) metadata(w http.ResponseWriter) {
	base := g.URL()
	answer := map[string]any{
		"issuer": base, "authorization_endpoint": base + "/oauth/authorize", "token_endpoint": base + "/oauth/token",
		"revocation_endpoint": base + "/oauth/revoke", "device_authorization_endpoint": base + "/oauth/device_authorization",
		"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
	}
	g.logins.mu.Lock()
	if g.logins.noDevice {
		delete(answer, "device_authorization_endpoint")
	}
	g.logins.mu.Unlock()
	if g.logins.Metadata != nil {
		g.logins.Metadata(answer)
	}
	writeJSON(w, http.StatusOK, "application/json", answer)
}

func (g *Gateway) authorize(w http.ResponseWriter, r *http.Request) {
	answer, asked := form(r).Get("answer"), r.URL.Query()
	back := url.Values{"state": {asked.Get("state")}, "iss": {g.URL()}}
	g.logins.mu.Lock()
	g.logins.asked = asked
	if answer == "allow" {
		code := Secret + "-code-" + rand.Text()
		g.logins.codes[code] = login{asked.Get("code_challenge"), asked.Get("redirect_uri")}
		back.Set("code", code)
	} else {
		back.Set("error", "access_denied")
	}
	g.logins.mu.Unlock()
	if g.logins.Redirect != nil {
		g.logins.Redirect(back)
	}
	w.Header().Set("Location", asked.Get("redirect_uri")+"?"+back.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

func (g *Gateway) beginDevice(w http.ResponseWriter, r *http.Request) {
	asked := form(r)
	g.logins.mu.Lock()
	defer g.logins.mu.Unlock()
	g.logins.asked = asked
	code := Secret + "-device-" + rand.Text()
	g.logins.pending[code] = &device{}
	writeJSON(w, http.StatusOK, "application/json", map[string]any{
		"device_code": code, "user_code": "BCDF-GHJK", "verification_uri": g.URL() + "/device", "expires_in": 600, "interval": 5,
	})
}

func (g *Gateway) token(w http.ResponseWriter, asked url.Values) {
	refusal := "invalid_grant"
	g.logins.mu.Lock()
	switch asked.Get("grant_type") {
	case "authorization_code":
		code := asked.Get("code")
		sum := sha256.Sum256([]byte(asked.Get("code_verifier")))
		known, isKnown := g.logins.codes[code]
		delete(g.logins.codes, code)
		isRight := known.challenge == base64.RawURLEncoding.EncodeToString(sum[:]) && known.redirect == asked.Get("redirect_uri")
		if isKnown && isRight && asked.Get("client_id") == "chaim-cli" {
			refusal = ""
		}
	case "urn:ietf:params:oauth:grant-type:device_code":
		if d := g.logins.pending[asked.Get("device_code")]; d != nil {
			refusal = g.logins.poll(d)
		}
	}
	g.logins.mu.Unlock()
	if refusal != "" {
		writeJSON(w, http.StatusBadRequest, "application/json", map[string]any{"error": refusal, "error_description": "as the test wants it"})
		return
	}
	answer := map[string]any{"access_token": g.NewToken(Lifetime), "token_type": "Bearer", "expires_in": int(Lifetime / time.Second), "username": User}
	if g.Change != nil {
		g.Change("/oauth/token", answer)
	}
	writeJSON(w, http.StatusOK, "application/json", answer)
}

// poll returns the refusal of a poll, or "" if the sign-in is allowed.
func (l *Logins) poll(d *device) string {
	states := l.States
	if len(states) == 0 {
		states = []string{"authorization_pending", ""}
	}
	state := states[min(d.polls, len(states)-1)]
	d.polls++
	return state
}
