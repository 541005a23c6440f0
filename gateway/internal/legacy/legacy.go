// Package legacy answers the requests of chaim's clients in the form that the original gateway had: a form is posted, and the
// answer is the repr of a Python dict inside JSON. The clients are the Go client of this project, the Python module chaim and
// the Python command cca.
package legacy

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// Issuer decides requests and gets the keys. Its refusals are an [*issue.Refusal].
type Issuer interface {
	Keys(ctx context.Context, who issue.Caller, what issue.Ask) (issue.Grant, error)
	// Accounts returns the accounts that the caller may use, by name.
	Accounts(ctx context.Context, who issue.Caller) ([]issue.Account, error)
	// ConsoleURL returns "" if the keys are right but AWS makes no link for them.
	ConsoleURL(ctx context.Context, userName string, keys aws.Credentials, who issue.Caller) (string, error)
}

// Watcher is told how requests end, and holds back those who guess. Its methods must not block.
type Watcher interface {
	// Asked counts an answered request for keys. result is "issued", "error" or an [issue.Code]. client is the program's own
	// words, and so any text.
	Asked(result, client string)
	// TokenFailed counts a wrong token or wrong keys from an address. If there were too many, it returns how long the address
	// should pause. The caller is then told so, and not what was wrong.
	TokenFailed(from netip.Addr) (pause time.Duration)
	// Pause returns how long an address with too many failures should pause. It is for requests that have no token.
	Pause(from netip.Addr) time.Duration
}

// Handler answers the requests. All its fields must be set. It reads whole bodies, so limit them: a body that exceeds the
// limit of an [http.MaxBytesReader] is refused. Any number of goroutines may use it.
type Handler struct {
	Issuer  Issuer
	Watcher Watcher
	Address func(*http.Request) (addr netip.Addr, isProven bool) // the caller's address, for issue.Caller
	Log     *slog.Logger
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := h.answer(r)
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if a.pause > 0 {
		header.Set("Retry-After", httpx.RetryAfter(a.pause))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body()) // the client may have left
	switch {
	case a.err != nil: // the caller is not told what failed
		h.logFor(w).Error("a request failed", "error", a.err)
	case a.result != "":
		h.logFor(w).Info("a request was refused", "result", a.result)
	}
}

// logFor returns a log with the id that the server gave to the request.
func (h *Handler) logFor(w http.ResponseWriter) *slog.Logger {
	return h.Log.With("request", w.Header().Get("X-Request-Id"))
}

// resource is what a path stands for.
type resource int

const (
	unknownResource resource = iota
	keysResource             // keys, the list of accounts, or a console link
	linkResource             // a console link
)

// pathRule matches the root, a stage of the API Gateway that may be in front, and "gui" below each. The stage may be any: the
// gateway has one only.
var pathRule = lazyregexp.New(`^/(?:[A-Za-z0-9_$-]+/?|(?:[A-Za-z0-9_$-]+/)?gui)?$`)

const maxPath = 256

func resourceOf(r *http.Request) resource {
	path := r.URL.EscapedPath()
	switch {
	case r.Method != http.MethodPost || len(path) > maxPath || !pathRule().MatchString(path):
		return unknownResource
	case path == "/gui" || strings.HasSuffix(path, "/gui"):
		return linkResource
	}
	return keysResource
}

// answer answers one request.
func (h *Handler) answer(r *http.Request) answer {
	where := resourceOf(r)
	if where == unknownResource {
		return message(http.StatusForbidden, "Missing Authentication Token") // API Gateway says so for a wrong path
	}
	f, problem := readForm(r)
	if problem != nil {
		return *problem
	}
	// The Python clients reach a gateway of one's own with "#" at the end of its address. The path "gui" is then missing.
	if where == linkResource || f.get("accesskey") != "" && f.get("text") == "" {
		return h.link(r, f)
	}
	what, err := parseText(f.get("text"))
	switch {
	case err != nil:
		return refused(doStart + "BadCommandStr: " + err.Error())
	case what.isList:
		return h.list(r, f)
	}
	return h.keys(r, f, what.Ask)
}

// caller describes who asks.
func (h *Handler) caller(r *http.Request, f form, user string) issue.Caller {
	c := issue.Caller{Token: f.get("token"), User: user, Agent: f.agent(r)}
	c.IP, c.IsProven = h.Address(r)
	return c
}

func (h *Handler) keys(r *http.Request, f form, what issue.Ask) answer {
	what.WantsURL = f.isPython()
	who := h.caller(r, f, f.get("user_name"))
	grant, err := h.Issuer.Keys(r.Context(), who, what)
	if err != nil {
		a := h.refuse(err, who, what, doStart, f)
		h.Watcher.Asked(a.result, who.Agent)
		return a
	}
	h.Watcher.Asked(issued, who.Agent)
	return accepted(keysText(grant, time.Now()))
}

func (h *Handler) list(r *http.Request, f form) answer {
	who := h.caller(r, f, f.get("user_name"))
	accounts, err := h.Issuer.Accounts(r.Context(), who)
	if err != nil {
		return h.refuse(err, who, issue.Ask{}, doStart, f)
	}
	return accepted(listText(accounts))
}

func (h *Handler) link(r *http.Request, f form) answer {
	keys := aws.Credentials{AccessKeyID: f.get("accesskey"), SecretAccessKey: f.get("secret"), SessionToken: f.get("session")}
	user := f.get("username")
	for _, field := range []string{"accesskey", "secret", "session", "username"} {
		if f.get(field) == "" {
			return refused(startGUI + "BadCommandStr: the field " + field + " is missing")
		}
	}
	who := h.caller(r, f, user)
	if pause := h.Watcher.Pause(who.IP); pause > 0 { // each guess would ask the database and AWS
		return again(http.StatusTooManyRequests, pause)
	}
	link, err := h.Issuer.ConsoleURL(r.Context(), user, keys, who)
	if err != nil {
		return h.refuse(err, who, issue.Ask{}, startGUI, f)
	}
	return accepted(linkText(link))
}
