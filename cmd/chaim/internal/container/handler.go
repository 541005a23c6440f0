package container

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/time/rate"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/loopback"
	"github.com/chaim-go/chaim/internal/errtext"
)

// What the ECS agent allows a task by default.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html (ECS_TASK_METADATA_RPS_LIMIT)
const (
	perSecond = 40
	burst     = 60
)

// Results of a request, for the log.
const (
	served      = "served"
	refused     = "refused"
	throttled   = "throttled"
	unavailable = "unavailable"
)

// handler answers requests for keys.
type handler struct {
	source      Source
	name        string
	log         *slog.Logger
	hosts       [2]string
	isForeign   func(peer, here netip.AddrPort) bool
	path, token digest

	requests *limiter // of clients with the token
	// Any user of the machine can have requests refused, which must not fill the disk with the log.
	lines    *limiter
	unlogged atomic.Int64
}

// limiter lets exactly so many pass: a [rate.Limiter] that is asked with times out of order, as by goroutines that were held up
// between the clock and the call, counts some time twice.
type limiter struct {
	mu sync.Mutex
	*rate.Limiter
}

func newLimiter() *limiter { return &limiter{Limiter: rate.NewLimiter(perSecond, burst)} }

// Allow reports whether one more may pass now.
func (l *limiter) Allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.AllowN(time.Now(), 1)
}

// newHandler makes the handler of a server on that port, and what a request must know.
func newHandler(cfg Config, port string) (h *handler, path, token string) {
	path, token = "/"+rand.Text(), newToken()
	isForeign := loopback.IsForeign
	if cfg.AnyUser {
		isForeign = func(_, _ netip.AddrPort) bool { return false }
	}
	return &handler{
		source:    cfg.Source,
		name:      cfg.Name,
		log:       cfg.Log,
		hosts:     [2]string{"127.0.0.1:" + port, "localhost:" + port},
		isForeign: isForeign,
		path:      digestOf(path),
		token:     digestOf(token),
		requests:  newLimiter(),
		lines:     newLimiter(),
	}, path, token
}

// newToken returns 256 random bits.
func newToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// digest is all that is kept of a secret that requests must name.
type digest [sha256.Size]byte

func digestOf(s string) digest { return sha256.Sum256([]byte(s)) }

// matches takes as long for a good guess as for a bad one.
func (d digest) matches(guess string) bool {
	g := digestOf(guess)
	return subtle.ConstantTimeCompare(d[:], g[:]) == 1
}

// ServeHTTP answers from memory, and the same whatever a request is refused for.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	why := h.refusal(r)
	switch {
	case why != "":
	case !h.requests.Allow():
		h.note(r.RemoteAddr, throttled, "")
		fail(w, http.StatusTooManyRequests, "TooManyRequests", "chaim has been asked for keys too often")
		return
	case h.isForeign(endsOf(r)): // last, as the system takes long to tell where it has many connections
		why = "user"
	}
	if why != "" {
		h.note(r.RemoteAddr, refused, why)
		fail(w, http.StatusForbidden, "AccessDenied", "chaim serves these keys to the program they are for, and to no other")
		return
	}
	keys, err := h.keys(r.Context())
	if err != nil {
		h.note(r.RemoteAddr, unavailable, errtext.Unprefixed(err))
		fail(w, http.StatusServiceUnavailable, "CredentialsUnavailable", "chaim has no valid keys, and its log says why")
		return
	}
	h.note(r.RemoteAddr, served, "")
	answer(w, http.StatusOK, document{
		AccessKeyID:     keys.AccessKeyID,
		SecretAccessKey: keys.SecretAccessKey,
		Token:           keys.SessionToken,
		Expiration:      keys.Expires.UTC().Format(time.RFC3339),
		AccountID:       keys.AccountID,
	})
}

// refusal says what is wrong with a request, or nothing. It quotes nothing of it.
func (h *handler) refusal(r *http.Request) string {
	switch {
	case r.Host != h.hosts[0] && r.Host != h.hosts[1]:
		return "host" // of a name that resolves to this machine, in a browser
	case isRelayed(r.Header):
		return "header"
	case r.Method != http.MethodGet:
		return "method"
	case !h.path.matches(r.RequestURI): // as it was sent: no SDK adds a query, or a host in front
		return "path"
	case !h.token.matches(strings.Join(r.Header.Values("Authorization"), ",")):
		return "token"
	}
	return ""
}

// endsOf are the two ends of a request's connection.
func endsOf(r *http.Request) (peer, here netip.AddrPort) {
	peer, _ = netip.ParseAddrPort(r.RemoteAddr)
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		here, _ = netip.ParseAddrPort(local.String())
	}
	return peer, here
}

// isRelayed finds what browsers and proxies add to a request, and SDKs never do.
func isRelayed(header http.Header) bool {
	for name := range header {
		switch name {
		case "Origin", "Referer", "Forwarded", "Via":
			return true
		}
		if strings.HasPrefix(name, "Sec-Fetch-") || strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}

// keys are those of the source, if they are valid and tell until when.
func (h *handler) keys(ctx context.Context) (keys aws.Credentials, err error) {
	defer func() {
		if recover() != nil { // net/http would log the value, whatever that holds
			err = errors.New("chaim: the source of the keys panicked")
		}
	}()
	state := h.source.State() // before Creds, which then are these keys or newer ones
	keys, err = h.source.Creds().Retrieve(ctx)
	switch {
	case err != nil:
	case state == chaim.StateExpired:
		err = chaim.ErrExpired
	case !keys.CanExpire:
		err = errors.New("chaim: the keys have no expiration")
	}
	return keys, err
}

// document is what SDKs read.
type document struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      string
	AccountID       string `json:"AccountId,omitempty"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// fail also ends the connection, so that a client that gets nothing does not keep it.
func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Connection", "close")
	answer(w, status, failure{code, message})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

// note writes a request down. Beyond a measure those that got nothing are only counted, in the next line.
func (h *handler) note(peer, result, why string) {
	level := slog.LevelInfo
	if result != served {
		level = slog.LevelWarn
		if !h.lines.Allow() {
			h.unlogged.Add(1)
			return
		}
	}
	attrs := append(make([]slog.Attr, 0, 5),
		slog.String("account", h.name), slog.String("result", result), slog.String("peer", peer))
	if why != "" {
		attrs = append(attrs, slog.String("why", why))
	}
	if n := h.unlogged.Swap(0); n > 0 {
		attrs = append(attrs, slog.Int64("unlogged", n))
	}
	h.log.LogAttrs(context.Background(), level, "chaim: request for keys", attrs...)
}

// noteUnlogged writes down how many requests have no line.
func (h *handler) noteUnlogged() {
	if n := h.unlogged.Swap(0); n > 0 {
		h.log.Warn("chaim: requests for keys", "account", h.name, "unlogged", n)
	}
}
