package legacy

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/internal/httpx"
)

// The beginnings of refusals are the original's, but for " error" in startGUI: our client looks for the name of the error
// after such words.
const (
	doStart  = "doStart: Error "
	building = "CredentialsGenerationFail: buildCredentials error: "
	startGUI = "start cli gui error: "
)

// The results of requests that were not refused.
const (
	issued = "issued"
	failed = "error"
)

const maxCause = 500 // characters of an error in the log

// refuse returns the answer for an error of the issuer. start begins the text.
func (h *Handler) refuse(err error, who issue.Caller, what issue.Ask, start string, f form) answer {
	refusal, isRefusal := errors.AsType[*issue.Refusal](err)
	switch {
	case isRefusal:
		a := h.refusal(refusal, who, what, start)
		a.result = string(refusal.Code)
		return a
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		a := again(http.StatusServiceUnavailable, 0)
		a.result = failed
		return a
	}
	a := message(http.StatusInternalServerError, "Internal server error")
	a.err = errors.New(httpx.Redaction{Limit: maxCause, Secrets: f.secrets(), IsQuoted: true}.Of(err.Error()))
	a.result = failed
	return a
}

func (h *Handler) refusal(r *issue.Refusal, who issue.Caller, what issue.Ask, start string) answer {
	switch r.Code {
	case issue.Unavailable:
		return again(http.StatusServiceUnavailable, r.RetryAfter)
	case issue.Busy:
		return again(http.StatusTooManyRequests, r.RetryAfter)
	case issue.BadToken, issue.NotOurs:
		if pause := h.Watcher.TokenFailed(who.IP); pause > 0 {
			return again(http.StatusTooManyRequests, pause)
		}
	}
	if start == startGUI {
		return refused(start + linkWords(r, who))
	}
	if r.Code != issue.NoRole { // the original looks for the role before it builds anything
		start += building
	}
	return refused(start + words(r, who, what))
}

// words says in the original's words why a request was refused.
func words(r *issue.Refusal, who issue.Caller, what issue.Ask) string {
	name := r.User
	if name == "" {
		name = who.User
	}
	denied := fmt.Sprintf("DataNotFound: Permission not granted to %s in %s for %s", name, what.Account, what.Role)
	switch r.Code {
	case issue.BadToken:
		return "IncorrectCredentials: Invalid token"
	case issue.ExpiredToken:
		return "IncorrectCredentials: usertoken has expired"
	case issue.DisabledUser:
		return "IncorrectCredentials: " + name + " is not an active user."
	case issue.NoAccount:
		return "DataNotFound: Account not found: " + what.Account
	case issue.AmbiguousAccount:
		return "DataNotFound: Account not found: " + what.Account + " is not unique, use its id"
	case issue.NoRole:
		return "DataNotFound: Role not recognised: " + what.Role
	case issue.NotAllowed:
		return denied + inBrackets(r.Rule)
	case issue.TooShort:
		return denied + inBrackets(r.Text)
	case issue.IsFrozen:
		return "IssuingStopped: " + r.Text
	case issue.RefusedBySTS:
		return "DataNotFound: startSTS error: " + r.Text
	}
	return "NotIssued: " + r.Text
}

// linkWords says why a console link was refused.
func linkWords(r *issue.Refusal, who issue.Caller) string {
	switch r.Code {
	case issue.BadToken, issue.ExpiredToken, issue.DisabledUser, issue.IsFrozen:
		return words(r, who, issue.Ask{})
	case issue.NotAllowed: // our client looks for these words
		return "UrlGenerationFail: Permission not granted to " + who.User + inBrackets(r.Text)
	}
	return "UrlGenerationFail: " + r.Text
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
