package web

import (
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/portal"
)

// pageSize is the number of rows on a page of accounts, rights or events.
const pageSize = 100

// accountsData is the content of the page of accounts.
type accountsData struct {
	Query portal.AccountQuery
	Page  portal.AccountPage
}

// IsFiltered reports whether the page shows a part of what the user may use.
func (d accountsData) IsFiltered() bool { return d.Query.Search+d.Query.Tag+d.Query.OU != "" }

func (p *Pages) accounts(v visit) error {
	q := portal.AccountQuery{Search: v.query("q"), Tag: v.query("tag"), OU: v.query("ou"), Cursor: v.query("cursor"), Limit: pageSize}
	found, err := p.deps.Portal.Accounts(v.ctx(), v.caller, q)
	if err != nil {
		return err
	}
	return p.show(v, "accounts", page{Title: "Accounts", Section: "/accounts", Data: accountsData{q, found}})
}

// consoleData is the content of the page that leads to the AWS console.
type consoleData struct{ URL, Account, Role, Issue string }

// console makes a link to the AWS console. The answer is a page and no redirect: Chromium lets a form lead to no other site.
func (p *Pages) console(v visit) error {
	ask := issue.Ask{Account: v.form("account"), Role: v.form("role"), WantsURL: true}
	url, id, err := p.deps.Portal.Console(v.ctx(), v.caller, ask)
	if err != nil {
		return err
	}
	return p.show(v, "console", page{Title: "Opening the AWS console", Data: consoleData{url, ask.Account, ask.Role, id}})
}
