// Package oauth is the gateway's authorization server for the command chaim: the authorization code flow with PKCE for a browser
// on the same machine (RFC 8252), and the device flow for one elsewhere (RFC 8628). The command gets one token, which is not
// refreshed.
package oauth

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/internal/keys"
)

const (
	// clientID is the only client. It is public: a program on a person's machine keeps no secret.
	clientID = "chaim-cli"

	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	codeGrant   = "authorization_code"

	codeLife   = 60 * time.Second
	deviceLife = 10 * time.Minute
	// interval is how long a program waits between two polls. One that comes sooner waits as much longer each time.
	interval = 5 * time.Second

	maxState = 512
	maxName  = 64 // characters of what a program says about itself

	// attempts is how often a change is decided if people change all the time.
	attempts = 8
	// answerTimeout bounds the work on a request.
	answerTimeout = 10 * time.Second
	// endTimeout bounds the wait until the token of a stolen code has ended.
	endTimeout = 5 * time.Second
)

// Database is what a Server reads of the database, and the sign-ins of devices that strangers begin.
type Database interface {
	Flow(ctx context.Context, digest []byte) (store.Flow, error)
	FlowByUserCode(ctx context.Context, digest []byte) (store.Flow, error)
	BeginDevice(ctx context.Context, f store.Flow) error
	PollDevice(ctx context.Context, digest []byte, now, since time.Time) (store.Flow, error)
	TokensOf(ctx context.Context, user string, now time.Time) ([]store.Token, error)
}

// People knows who has a token, and all people as they are now.
type People interface {
	Authenticate(ctx context.Context, c issue.Caller) (issue.Who, error)
	View(ctx context.Context) (*store.View, error)
}

// Deps are the parts that a Server works with. All must be set.
type Deps struct {
	People   People
	Database Database
	Journal  issue.Journal
	Ring     *token.File
	Settings Settings
	Web      Web
}

// Settings say which logins there are.
type Settings struct {
	URL           *url.URL      // of the gateway, which is also its name as an issuer
	Lifetime      time.Duration // of a login
	Device        bool          // the device flow is allowed
	TokensPerUser int           // active ones; the oldest login ends for a new one
}

// Web is what a Server needs of the server around it.
type Web struct {
	Address func(*http.Request) (addr netip.Addr, isProven bool) // of the caller
	Count   func(kind, result string)                            // of a step of a login, for metrics
	// Failed counts a wrong token, and returns how long the sender should pause.
	Failed func(from netip.Addr) time.Duration
	Log    *slog.Logger
}

// Server is the authorization server. Any number of goroutines may use it. Make it with [New].
type Server struct {
	Deps
	begun   begun
	guesses guesses
}

// New returns a Server.
func New(d Deps) *Server {
	return &Server{Deps: d}
}

// Mount adds the endpoints for programs.
func (s *Server) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	mux.HandleFunc("POST /oauth/token", inTime(s.token))
	mux.HandleFunc("POST /oauth/device_authorization", inTime(s.device))
	mux.HandleFunc("POST /oauth/revoke", inTime(s.revoke))
}

// inTime bounds the work on a request: a database that hangs must not hold its connection.
func inTime(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithTimeout(r.Context(), answerTimeout)
		defer stop()
		next(w, r.WithContext(ctx))
	}
}

func (s *Server) issuer() string { return strings.TrimSuffix(s.Settings.URL.String(), "/") }

// metadata describes the server: RFC 8414.
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	base := s.issuer()
	about := map[string]any{
		"issuer": base, "authorization_endpoint": base + "/oauth/authorize", "token_endpoint": base + "/oauth/token",
		"revocation_endpoint": base + "/oauth/revoke", "response_types_supported": []string{"code"}, "grant_types_supported": []string{codeGrant},
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		"revocation_endpoint_auth_methods_supported": []string{"none"}, "authorization_response_iss_parameter_supported": true,
	}
	if s.Settings.Device {
		about["device_authorization_endpoint"] = base + "/oauth/device_authorization"
		about["grant_types_supported"] = []string{codeGrant, deviceGrant}
	}
	write(w, http.StatusOK, about)
}

func write(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the program may have left
}

// refuse answers with an error of OAuth. The description is one of this package's own texts.
func refuse(w http.ResponseWriter, status int, code, description string) {
	answer := map[string]string{"error": code}
	if description != "" {
		answer["error_description"] = description
	}
	write(w, status, answer)
}

// unavailable answers if the database cannot be used.
func (s *Server) unavailable(w http.ResponseWriter, doing string, err error) {
	s.Web.Log.Error("a login could not be worked on", "doing", doing, "error", err)
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "the gateway cannot work on this at the moment: try again")
}

// named returns a word of a program about itself, fit for pages and the log.
func named(text, other string) string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, ""))
	isOdd := strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) })
	if runes := []rune(text); text == "" || isOdd || len(runes) > maxName {
		return other
	}
	return keys.Printable(text)
}

// read returns the form of a request of the client. Without it, the answer is written.
func (s *Server) read(w http.ResponseWriter, r *http.Request, names ...string) (url.Values, bool) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the form cannot be read")
		return nil, false
	}
	for _, name := range append(slices.Clone(names), "client_id") {
		if len(r.PostForm[name]) > 1 {
			refuse(w, http.StatusBadRequest, "invalid_request", name+" is there twice")
			return nil, false
		}
	}
	if r.PostForm.Get("client_id") != clientID {
		refuse(w, http.StatusUnauthorized, "invalid_client", "the client_id is not one of this gateway")
		return nil, false
	}
	return r.PostForm, true
}
