package web

import (
	"maps"
	"net/url"
	"slices"

	"github.com/chaim-go/chaim/gateway/internal/oauth"
	"github.com/chaim-go/chaim/internal/checkcode"
)

// decision is the field of a form that says what the user decided. Its values are "allow" and "deny".
const decision = "decision"

// consentData is the content of the page that asks whether a program may sign in.
type consentData struct {
	Asks      oauth.Authorize
	CheckCode string
	Address   string // of the browser
	Params    []pair // of the request, for the form
}

// consent asks the user. A program never signs in without the button. A wrong request is told to the user and never redirected,
// since its address for the answer may be an attacker's.
func (p *Pages) consent(v visit) error {
	asks, err := p.deps.OAuth.CheckAuthorize(v.r.URL.Query())
	if err != nil {
		return err
	}
	if u, err := url.Parse(asks.Redirect); err == nil && p.deps.AllowForm != nil {
		p.deps.AllowForm(v.w, u.Scheme+"://"+u.Host) // browsers apply form-action to the redirect after the form too
	}
	data := consentData{Asks: asks, CheckCode: checkcode.Of(asks.Challenge), Params: flat(asks.Params())}
	if v.caller.IP.IsValid() {
		data.Address = v.caller.IP.String()
	}
	return p.show(v, "consent", page{Title: "Let a program sign in?", Data: data})
}

// decideConsent checks the request again, since the form comes from the browser. A form with two decisions is wrong.
func (p *Pages) decideConsent(v visit) error {
	asks, err := p.deps.OAuth.CheckAuthorize(v.r.PostForm)
	if err != nil {
		return err
	}
	who, err := p.deps.Authenticator.Authenticate(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	if v.form(decision) != "allow" {
		return v.see(p.deps.OAuth.Deny(v.ctx(), who, asks, v.caller.IP))
	}
	redirect, err := p.deps.OAuth.Approve(v.ctx(), who, asks, v.caller.IP)
	if err != nil {
		return err
	}
	return v.see(redirect)
}

// flat returns the fields of a form, each of which has one value.
func flat(form url.Values) (list []pair) {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		list = append(list, pair{name, form.Get(name)})
	}
	return list
}
