package web

import (
	"errors"
	"net/http"

	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// deviceData is the content of the page for a program that shows a code.
type deviceData struct {
	Code    string
	Asks    *oauth.Device // nil until the code is typed
	Problem string        // why the code does not work
	Done    string        // "allow" or "deny" after the decision
}

// device asks for the code. The code never comes with the address, so that a link from a stranger cannot hold it.
func (p *Pages) device(v visit) error {
	if !p.site.Device {
		return p.noDevice(v)
	}
	return p.showDevice(v, deviceData{Done: v.query("done")})
}

func (p *Pages) showDevice(v visit, data deviceData) error {
	return p.show(v, "device", page{Title: "Sign in a program by its code", Data: data})
}

func (p *Pages) noDevice(v visit) error {
	p.Message(v.w, v.r, http.StatusForbidden, "Codes are switched off",
		"This gateway lets no program sign in by a code. Use 'chaim login' without --device.")
	return nil
}

// decideDevice shows who asks when the code is typed, and decides when the user has seen that.
func (p *Pages) decideDevice(v visit) error {
	if !p.site.Device {
		return p.noDevice(v)
	}
	who, err := p.deps.Authenticator.Authenticate(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	code, decided := v.form("code"), v.form(decision)
	if decided == "" {
		asks, err := p.deps.OAuth.FindDevice(v.ctx(), who, code)
		if err != nil {
			return p.badCode(v, code, err)
		}
		return p.showDevice(v, deviceData{Code: code, Asks: &asks})
	}
	if decided != "allow" {
		decided = "deny"
	}
	if err := p.deps.OAuth.DecideDevice(v.ctx(), who, code, decided == "allow"); err != nil {
		return p.badCode(v, code, err)
	}
	return v.see(with("/device", "done", decided))
}

// badCode asks for the code again. Errors that are not about the code are those of every page.
func (p *Pages) badCode(v visit, code string, err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
		return p.showDevice(v, deviceData{Code: code, Problem: "No program waits with this code. Codes work for 10 minutes and once."})
	}
	return err
}
