package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/internal/httpx"
)

// The codes that only this package has.
const (
	noToken  issue.Code = "no_token" // no token came with the request
	internal issue.Code = "internal" // the gateway has failed; its log says why
)

// problem is a refusal, in the form of RFC 9457.
type problem struct {
	Type     string     `json:"type"`
	Title    string     `json:"title"`
	Status   int        `json:"status"`
	Detail   string     `json:"detail"`
	Code     issue.Code `json:"code"`
	Decision *decision  `json:"decision,omitempty"`
	URL      string     `json:"url,omitempty"` // a page of the gateway that helps
}

// decision says what refused a request.
type decision struct {
	Policy int64  `json:"policy"`
	Rule   string `json:"rule,omitempty"`
}

// answers say how each refusal is told, and which page helps. A client tries again after 429 and 5xx, so no other refusal has
// these.
var answers = map[issue.Code]struct {
	status int
	page   string
}{
	noToken:                {http.StatusUnauthorized, "/login"},
	issue.BadToken:         {http.StatusUnauthorized, "/login"},
	issue.ExpiredToken:     {http.StatusUnauthorized, "/login"},
	issue.DisabledUser:     {http.StatusForbidden, ""},
	issue.NoAccount:        {http.StatusNotFound, "/accounts"},
	issue.AmbiguousAccount: {http.StatusConflict, "/accounts"},
	issue.NoRole:           {http.StatusNotFound, "/profile"},
	issue.NotAllowed:       {http.StatusForbidden, "/profile"},
	issue.TooShort:         {http.StatusForbidden, "/profile"},
	issue.IsFrozen:         {http.StatusForbidden, ""},
	issue.RefusedBySTS:     {http.StatusUnprocessableEntity, ""},
	issue.NotOurs:          {http.StatusForbidden, "/keys"},
	issue.NoRow:            {http.StatusNotFound, ""},
	issue.Malformed:        {http.StatusBadRequest, ""},
	issue.TooMany:          {http.StatusConflict, "/profile"},
	issue.Busy:             {http.StatusTooManyRequests, ""},
	issue.Unavailable:      {http.StatusServiceUnavailable, ""},
	internal:               {http.StatusInternalServerError, ""},
}

// refuse answers a request that is refused, or that has failed. What failed goes to the log only.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, c call, err error) {
	refusal := a.refusalOf(w, c, err)
	if refusal.Code == issue.BadToken || refusal.Code == issue.NotOurs {
		if pause := a.deps.Watcher.TokenFailed(c.caller.IP); pause > 0 {
			refusal = &issue.Refusal{Code: issue.Busy, Text: "too many wrong tokens or keys came from this address: try again later", RetryAfter: pause}
		}
	}
	how, isKnown := answers[refusal.Code]
	if !isKnown {
		how = answers[issue.NotAllowed]
	}
	p := problem{
		Type: "about:blank", Title: http.StatusText(how.status), Status: how.status, Code: refusal.Code,
		Detail: httpx.Redaction{Limit: maxCause, Secrets: c.secrets()}.Of(refusal.Text),
	}
	if how.page != "" {
		p.URL = strings.TrimSuffix(a.deps.URL.String(), "/") + how.page
	}
	if refusal.Policy > 0 {
		p.Decision = &decision{refusal.Policy, refusal.Rule}
	}
	if how.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge(refusal.Code))
	}
	if how.status == http.StatusTooManyRequests || how.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", httpx.RetryAfter(max(refusal.RetryAfter, time.Second)))
	}
	write(w, how.status, "application/problem+json", p)
}

// refusalOf returns why a request is refused.
func (a *API) refusalOf(w http.ResponseWriter, c call, err error) *issue.Refusal {
	refusal, isRefusal := errors.AsType[*issue.Refusal](err)
	switch {
	case isRefusal:
		return refusal
	case errors.Is(err, errNoToken):
		return &issue.Refusal{Code: noToken, Text: err.Error()}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &issue.Refusal{Code: issue.Unavailable, Text: "the request was broken off: try again"}
	}
	text := httpx.Redaction{Limit: maxCause, Secrets: c.secrets(), IsQuoted: true}.Of(err.Error())
	a.deps.Log.Error("a request failed", "request", w.Header().Get("X-Request-Id"), "error", text)
	return &issue.Refusal{Code: internal, Text: "the gateway could not do this; its log has the reason"}
}

// secrets returns the secrets of a request.
func (c call) secrets() []string {
	if c.input == nil {
		return []string{c.caller.Token}
	}
	return append([]string{c.caller.Token}, c.input.secrets...)
}

// challenge says how to authenticate, in the form of RFC 6750.
func challenge(code issue.Code) string {
	const realm = `Bearer realm="chaim-gateway"`
	if code == noToken {
		return realm
	}
	return realm + `, error="invalid_token"`
}
