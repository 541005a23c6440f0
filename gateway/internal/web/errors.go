package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/session"
	"github.com/chaim-go/chaim/internal/httpx"
)

// answers say how a page tells each refusal.
var answers = map[issue.Code]struct {
	status int
	title  string
}{
	issue.DisabledUser:     {http.StatusForbidden, "You cannot use this gateway"},
	issue.NoAccount:        {http.StatusNotFound, "There is no such account for you"},
	issue.AmbiguousAccount: {http.StatusConflict, "Several accounts have this name"},
	issue.NoRole:           {http.StatusNotFound, "There is no such role"},
	issue.NotAllowed:       {http.StatusForbidden, "This is not allowed"},
	issue.TooShort:         {http.StatusForbidden, "There is not enough time left"},
	issue.IsFrozen:         {http.StatusForbidden, "An operator has stopped all issuing"},
	issue.RefusedBySTS:     {http.StatusBadGateway, "AWS refused this"},
	issue.NotOurs:          {http.StatusForbidden, "These keys are not yours"},
	issue.TooMany:          {http.StatusConflict, "You have too many tokens"},
	issue.Malformed:        {http.StatusBadRequest, "This cannot be done as it was asked"},
	issue.NoRow:            {http.StatusNotFound, "There is no such thing"},
	issue.BadLogin:         {http.StatusBadRequest, "This sign-in cannot be given"},
	issue.Unavailable:      {http.StatusServiceUnavailable, "The gateway cannot do this right now"},
	issue.Busy:             {http.StatusTooManyRequests, "Too many requests"},
}

// fail writes the page for an error. A user whose sign-in has ended goes to the sign-in.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, me portal.Me, err error) {
	if errors.Is(err, context.Canceled) {
		return // the browser has gone
	}
	refusal := refusalOf(err)
	if code := codeOf(refusal); code == issue.BadToken || code == issue.ExpiredToken {
		p.toLogin(w, r)
		return
	}
	pg := page{Title: "Something went wrong", Data: message{
		Text: "The gateway could not do this. Try again. If it fails again, tell an operator of the gateway the time.",
	}}
	status := http.StatusInternalServerError
	if me.Name != "" {
		pg.Me = &me
	}
	if answer, isKnown := answers[codeOf(refusal)]; isKnown {
		status, pg.Title, pg.Data = answer.status, answer.title, message{Text: sentence(refusal.Text)}
		if refusal.RetryAfter > 0 {
			w.Header().Set("Retry-After", httpx.RetryAfter(refusal.RetryAfter))
		}
	} else {
		p.deps.Log.Error("serving a page", "path", r.URL.Path, "error", err)
	}
	p.render(w, r, status, "message", pg)
}

// refusalOf returns the refusal that an error is, or nil.
func refusalOf(err error) (refusal *issue.Refusal) {
	errors.As(err, &refusal)
	return refusal
}

// codeOf returns the reason of a refusal, which may be nil.
func codeOf(r *issue.Refusal) issue.Code {
	if r == nil {
		return ""
	}
	return r.Code
}

// sentence gives a text a capital letter and a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	letters := []rune(text)
	letters[0] = unicode.ToUpper(letters[0])
	if last := letters[len(letters)-1]; !strings.ContainsRune(".!?:", last) {
		letters = append(letters, '.')
	}
	return string(letters)
}

// toLogin sends the browser to the sign-in, and from there back to the page that it wants. A form is not sent again, so the way
// back from a form is the first page.
func (p *Pages) toLogin(w http.ResponseWriter, r *http.Request) {
	next := "/"
	if r.Method == http.MethodGet {
		next = r.URL.RequestURI()
	}
	http.Redirect(w, r, "/login?"+url.Values{"next": {localPath(next)}}.Encode(), http.StatusSeeOther)
}

// localPath returns a path of our own as it is, and "/" for everything else.
func localPath(next string) string {
	if !session.IsLocal(next) {
		return "/"
	}
	return next
}
