package container

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/loopback"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// What the ECS agent allows a task by default.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html (ECS_TASK_METADATA_RPS_LIMIT)
const (
	perSecond = 40
	burst     = 60
)

// failure is the answer to a request that gets no keys.
type failure struct {
	result  string // for the log
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

// All refusals look the same.
var (
	refused     = &failure{"refused", 403, "AccessDenied", "chaim serves these keys to the program they are for, and to no other"}
	throttled   = &failure{"throttled", 429, "TooManyRequests", "chaim has been asked for keys too often"}
	unavailable = &failure{"unavailable", 503, "CredentialsUnavailable", "chaim has no valid keys, and its log says why"}
)

// handler answers requests for keys.
type handler struct {
	Config
	hosts       [2]string
	path, token string // the secrets that a request must have
	isForeign   func(peer, here netip.AddrPort) bool
	requests    limiter // of clients with the token
	lines       limiter // of the log, which refused requests of other users must not make too long
	unlogged    atomic.Int64
}

func newHandler(cfg Config, port int) *handler {
	h := &handler{
		Config:    cfg,
		hosts:     [2]string{fmt.Sprint("127.0.0.1:", port), fmt.Sprint("localhost:", port)},
		path:      "/" + rand.Text(),
		token:     rand.Text() + rand.Text(), // 260 bits
		isForeign: loopback.IsForeign,
	}
	h.requests.Limiter, h.lines.Limiter = rate.NewLimiter(perSecond, burst), rate.NewLimiter(perSecond, burst)
	return h
}

// limiter lets exactly so many pass. A [rate.Limiter] lets more pass if several goroutines give it times out of order.
type limiter struct {
	mu sync.Mutex
	*rate.Limiter
}

// Allow reports whether one more may pass now.
func (l *limiter) Allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Limiter.Allow()
}

// ServeHTTP answers from memory.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	body := json.NewEncoder(w) // its error means that the client has gone
	failed, why := h.refusal(r)
	if failed == nil {
		document, err := h.document(r.Context())
		if err == nil {
			h.note(r, slog.LevelInfo, "served", "")
			_ = body.Encode(document)
			return
		}
		failed, why = unavailable, errtext.Unprefixed(err)
	}
	if h.lines.Allow() {
		h.note(r, slog.LevelWarn, failed.result, why)
	} else {
		h.unlogged.Add(1)
	}
	w.Header().Set("Connection", "close") // a client without keys is not to keep it
	w.WriteHeader(failed.status)
	_ = body.Encode(failed)
}

// relayed finds headers that browsers and proxies add to a request, and SDKs never do.
var relayed = lazyregexp.New(`^(Origin|Referer|Forwarded|Via|Sec-Fetch-.*|X-Forwarded-.*)$`)

// refusal returns how a request fails, or nil, and why, for the log. It quotes nothing of the request.
func (h *handler) refusal(r *http.Request) (failed *failure, why string) {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	here, _ := netip.ParseAddrPort(h.hosts[0])
	switch {
	case r.Host != h.hosts[0] && r.Host != h.hosts[1]:
		return refused, "host" // of a name that resolves to this machine, in a browser
	case slices.ContainsFunc(slices.Collect(maps.Keys(r.Header)), relayed().MatchString):
		return refused, "header"
	case r.Method != http.MethodGet:
		return refused, "method"
	case !isSecret(r.RequestURI, h.path): // as it was sent: no SDK adds a query, or a host in front
		return refused, "path"
	case !isSecret(strings.Join(r.Header.Values("Authorization"), ","), h.token):
		return refused, "token"
	case !h.requests.Allow():
		return throttled, ""
	case !h.AnyUser && h.isForeign(peer, here): // last, as the system takes long to tell if it has many connections
		return refused, "user"
	}
	return nil, ""
}

// isSecret takes the same time for all guesses of the right length, which is no secret.
func isSecret(guess, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(guess), []byte(secret)) == 1
}

// document returns what SDKs read: the keys of the source, if they are valid and have an expiry.
func (h *handler) document(ctx context.Context) (document map[string]string, err error) {
	defer func() {
		if recover() != nil { // net/http would log the value, which may be a secret
			err = errors.New("chaim: the source of the keys panicked")
		}
	}()
	state := h.Source.State() // before Creds, which then are these keys or newer ones
	keys, err := h.Source.Creds().Retrieve(ctx)
	switch {
	case err != nil:
		return nil, err
	case state == chaim.StateExpired:
		return nil, chaim.ErrExpired
	case !keys.CanExpire:
		return nil, errors.New("chaim: the keys have no expiration")
	}
	document = map[string]string{
		"AccessKeyId": keys.AccessKeyID, "SecretAccessKey": keys.SecretAccessKey, "Token": keys.SessionToken,
		"Expiration": keys.Expires.UTC().Format(time.RFC3339),
	}
	if keys.AccountID != "" {
		document["AccountId"] = keys.AccountID
	}
	return document, nil
}

// note logs a request, and how many failed before without a line.
func (h *handler) note(r *http.Request, level slog.Level, result, why string) {
	attrs := []any{"account", h.Name, "result", result, "peer", r.RemoteAddr}
	if why != "" {
		attrs = append(attrs, "why", why)
	}
	if n := h.unlogged.Swap(0); n > 0 {
		attrs = append(attrs, "unlogged", n)
	}
	h.Log.Log(context.Background(), level, "chaim: request for keys", attrs...)
}
