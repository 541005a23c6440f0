package serving

import (
	"context"
	"net/http"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/people"
	"github.com/chaim-go/chaim/gateway/internal/api"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/idp"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/legacy"
	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/server"
	"github.com/chaim-go/chaim/gateway/internal/session"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/web"
)

// public answers the requests to the public listener: those of programs, those for pages, and all others as the original
// gateway did, whose paths may be any.
type public struct {
	programs, pages *http.ServeMux
	safePages       http.Handler // pages, behind what keeps other sites away
	legacy          http.Handler
}

func (p *public) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case has(p.programs, r):
		p.programs.ServeHTTP(w, r)
	case has(p.pages, r):
		p.safePages.ServeHTTP(w, r)
	default:
		p.legacy.ServeHTTP(w, r)
	}
}

func has(mux *http.ServeMux, r *http.Request) bool {
	_, pattern := mux.Handler(r)
	return pattern != ""
}

// public builds the handler of the public listener.
func (g *Gateway) public() *public {
	c, log := g.options.Config, g.options.Log
	watcher := server.Watcher{Metrics: g.metrics, Guesses: &g.limits.Guesses}
	p := &public{
		programs: http.NewServeMux(), pages: http.NewServeMux(),
		legacy: &legacy.Handler{Issuer: g.issuer, Watcher: watcher, Address: server.ClientAddr, Log: log},
	}
	p.safePages = server.Pages(c.Server.URL, p.pages)
	all := g.portal()
	p.programs.Handle("/api/v1/", api.New(api.Deps{Portal: all, Watcher: watcher, Address: server.ClientAddr, URL: c.Server.URL, Log: log}))
	logins := oauth.New(oauth.Deps{
		People: g.issuer, Database: g.session.DB, Journal: g.journal, Ring: g.ring,
		Settings: oauth.Settings{URL: c.Server.URL, Lifetime: c.Login.Max, Device: c.Login.Device, TokensPerUser: c.Limits.TokensPerUser},
		Web:      oauth.Web{Address: server.ClientAddr, Count: g.metrics.LoggedIn, Failed: watcher.TokenFailed, Log: log},
	})
	logins.Mount(p.programs)
	var pages *web.Pages
	sessions := session.New(session.Deps{
		Issuer: g.issuer, Store: signInStore{g.session.DB, g.issuer}, Journal: g.journal, Ring: g.ring, Provider: g.provider(), Log: log,
		Options: session.Options{
			URL: c.Server.URL, WebMax: c.Login.WebMax, IdleWeb: c.Login.IdleWeb, Address: server.ClientAddr, Counted: g.metrics.SignedIn,
			Failed: watcher.TokenFailed, Pause: watcher.Pause,
		},
		Page: func(w http.ResponseWriter, r *http.Request, status int, title, text string) {
			pages.Message(w, r, status, title, text)
		},
	})
	pages = web.New(web.Deps{
		Portal: all, Sessions: sessions, OAuth: logins, Authenticator: g.issuer, AllowForm: server.AllowForm, Log: log,
		Site: web.Site{
			URL: c.Server.URL.String(), Provider: c.OIDC.ID, Device: c.Login.Device, MaxToken: c.Legacy.MaxTokenLifetime,
		},
	})
	sessions.Mount(p.pages)
	pages.Mount(p.pages)
	return p
}

// provider is the identity provider, or nil if there is none.
func (g *Gateway) provider() *idp.Provider {
	c := g.options.Config
	if !c.OIDC.IsSet() {
		return nil
	}
	return idp.New(c.OIDC, c.Server.URL.JoinPath("auth", "callback", c.OIDC.ID).String(), idp.Options{})
}

// signInStore is the database, but people are those that the issuer has read already, if they have not changed.
type signInStore struct {
	*store.DB
	issuer *issue.Issuer
}

func (s signInStore) View(ctx context.Context) (*store.View, error) { return s.issuer.View(ctx) }

// portal is what users may see and do.
func (g *Gateway) portal() *portal.Portal {
	c := g.options.Config
	return portal.New(portal.Deps{
		Issuer: g.issuer, Store: g.session.DB, Journal: g.journal, Ring: g.ring, Log: g.options.Log,
		Options: portal.Options{
			AdminGroups: c.AdminGroups, TokensPerUser: c.Limits.TokensPerUser, MaxTokenLifetime: c.Legacy.MaxTokenLifetime,
			InitString: func(row store.Token, text string) string { return people.InitString(c, row, text) },
			Checkpoints: func() ([]audit.Checkpoint, error) {
				points, _, err := cli.Checkpoints(g.session, g.ring.Ring())
				return points, err
			},
		},
	})
}
