package web

import (
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// keysData is the content of the page of keys and sign-ins.
type keysData struct {
	User    string // whose keys
	IsMine  bool
	Keys    []portal.Lent
	SignIns []portal.SignIn // only one's own
}

func (p *Pages) keys(v visit) error {
	data := keysData{User: v.me.Name, IsMine: true}
	other := v.query("user")
	if other == v.me.Name {
		other = ""
	}
	if other != "" {
		data.User, data.IsMine = other, false
	}
	var err error
	if data.Keys, err = p.deps.Portal.Keys(v.ctx(), v.caller, other); err != nil {
		return err
	}
	if data.IsMine {
		if data.SignIns, err = p.deps.Portal.SignIns(v.ctx(), v.caller); err != nil {
			return err
		}
	}
	title := "My keys"
	if !data.IsMine {
		title = "Keys of " + data.User
	}
	return p.show(v, "keys", page{Title: title, Section: "/keys", Data: data})
}

func (p *Pages) endSignIn(v visit) error {
	if err := p.deps.Portal.EndSignIn(v.ctx(), v.caller, v.form("id")); err != nil {
		return err
	}
	return v.see("/keys#sign-ins")
}

func (p *Pages) endAll(v visit) error {
	if err := p.deps.Portal.EndAll(v.ctx(), v.caller); err != nil {
		return err
	}
	return v.see("/keys#sign-ins")
}

// tokensOf returns the tokens that were made by hand.
func tokensOf(all []portal.SignIn) (tokens []portal.SignIn) {
	for _, s := range all {
		if s.Kind == store.UserToken {
			tokens = append(tokens, s)
		}
	}
	return tokens
}
