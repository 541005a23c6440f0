package web

import (
	"time"

	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

// profileData is the content of the profile.
type profileData struct {
	Tokens    []portal.SignIn
	Lifetimes []time.Duration // that a new token can have
	Rights    portal.RightsPage
	Cursor    string // of the rights
	Why       why
}

// why is a question to the policy and its answer.
type why struct {
	User, Account, Role string
	Answer              *policy.Explanation // nil if there is no question
}

func (p *Pages) profile(v visit) error {
	data := profileData{Lifetimes: lifetimes(p.site.MaxToken), Cursor: v.query("cursor")}
	data.Why = why{Account: v.query("account"), Role: v.query("role")}
	all, err := p.deps.Portal.SignIns(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	data.Tokens = tokensOf(all)
	if data.Rights, err = p.deps.Portal.Rights(v.ctx(), v.caller, portal.Page{Cursor: data.Cursor, Limit: pageSize}); err != nil {
		return err
	}
	if err = p.explain(v, &data.Why); err != nil {
		return err
	}
	return p.show(v, "profile", page{Title: "Profile", Section: "/profile", Data: data})
}

// explain answers a question that names an account and a role. Without a user it is about the user who asks.
func (p *Pages) explain(v visit, w *why) error {
	if w.Account == "" || w.Role == "" {
		return nil
	}
	x, err := p.deps.Portal.Explain(v.ctx(), v.caller, w.User, w.Account, w.Role)
	if err != nil {
		return err
	}
	w.Answer = &x
	return nil
}

// lifetimes returns what a person can choose for a new token.
func lifetimes(longest time.Duration) (list []time.Duration) {
	for _, d := range []time.Duration{time.Hour, 8 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour} {
		if d < longest {
			list = append(list, d)
		}
	}
	return append(list, longest)
}

// tokenData is the content of the page that shows a new token.
type tokenData struct {
	Text, InitString string // secret: this page is the only place where they are shown
	Row              store.Token
}

// createToken shows the token in its answer. There is no redirect, because the token is stored nowhere.
func (p *Pages) createToken(v visit) error {
	lifetime, err := time.ParseDuration(v.form("lifetime"))
	if err != nil || lifetime <= 0 {
		p.Message(v.w, v.r, 400, "This form could not be read", "Go back and choose how long the token works.")
		return nil
	}
	text, row, initString, err := p.deps.Portal.CreateToken(v.ctx(), v.caller, v.form("label"), lifetime)
	if err != nil {
		return err
	}
	return p.show(v, "token", page{Title: "Your new token", Section: "/profile", Data: tokenData{text.Reveal(), initString.Reveal(), row}})
}

func (p *Pages) revokeToken(v visit) error {
	if err := p.deps.Portal.EndSignIn(v.ctx(), v.caller, v.form("id")); err != nil {
		return err
	}
	return v.see("/profile#tokens")
}
