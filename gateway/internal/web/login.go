package web

import (
	"net/http"

	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/session"
)

// loginData is the content of the sign-in page.
type loginData struct {
	Next string // where to go after the sign-in; a path of our own
	User string // who is signed in already; empty for no user
}

// login offers the sign-in. It never redirects, so a cookie that the portal refuses makes no loop.
func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	data := loginData{Next: localPath(r.URL.Query().Get("next"))}
	if caller, isSignedIn := p.deps.Sessions.Caller(w, r); isSignedIn {
		if me, err := p.deps.Portal.Me(r.Context(), caller); err == nil {
			data.User = me.Name
		}
	}
	p.render(w, r, http.StatusOK, "login", page{Title: "Sign in", Data: data})
}

// linkData is the content of the page of a one-time link.
type linkData struct{ User, Code string }

// link shows whom a one-time link signs in. The link is used by the button only, so that mail programs that fetch it do not
// use it up.
func (p *Pages) link(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("code")
	user, err := p.deps.Sessions.PreviewLink(r.Context(), code)
	if session.IsLinkRefused(err) {
		p.Message(w, r, http.StatusNotFound, "This link does not work", err.Error())
		return
	}
	if err != nil {
		p.fail(w, r, portal.Me{}, err)
		return
	}
	p.render(w, r, http.StatusOK, "link", page{Title: "Sign in", Data: linkData{user, code}})
}
