package web

import (
	"encoding/hex"
	"net/http"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/portal"
)

// accessData is the content of the page that says who may do what.
type accessData struct {
	Why     why
	Cursor  string
	Holders []portal.Right    // who may use the account
	Rights  portal.RightsPage // what the user may do
}

// access answers three questions: who can use an account, what a user may do, and why a user may use a role or not.
func (p *Pages) access(v visit) error {
	if !v.me.IsAdmin {
		return adminsOnly()
	}
	data := accessData{Why: why{User: v.query("user"), Account: v.query("account"), Role: v.query("role")}, Cursor: v.query("cursor")}
	var err error
	switch w := &data.Why; {
	case w.User != "" && w.Account != "":
		err = p.explain(v, w)
	case w.User != "":
		data.Rights, err = p.deps.Portal.Access(v.ctx(), v.caller, w.User, portal.Page{Cursor: data.Cursor, Limit: pageSize})
	case w.Account != "":
		data.Holders, err = p.deps.Portal.WhoCan(v.ctx(), v.caller, w.Account, w.Role)
	}
	if err != nil {
		return err
	}
	return p.show(v, "access", page{Title: "Access", Section: "/access", Data: data})
}

func adminsOnly() error {
	return &issue.Refusal{Code: issue.NotAllowed, Text: "only admins of the gateway may see this page"}
}

// auditData is the content of the page of the log.
type auditData struct {
	Query        portal.AuditQuery
	Since, Until string // as typed
	Page         portal.AuditPage
	Chain        portal.ChainState
	Hash         string
}

func (p *Pages) audit(v visit) error {
	if !v.me.IsAdmin {
		return adminsOnly()
	}
	data := auditData{Since: v.query("since"), Until: v.query("until")}
	q := &data.Query
	q.Actor, q.Subject, q.Account, q.Issue = v.query("actor"), v.query("subject"), v.query("account"), v.query("issue")
	q.Type, q.Cursor, q.Limit = audit.Type(v.query("type")), v.query("cursor"), pageSize
	var isSince, isUntil bool
	q.Since, isSince = typedTime(data.Since)
	q.Until, isUntil = typedTime(data.Until)
	if !isSince || !isUntil {
		p.Message(v.w, v.r, http.StatusBadRequest, "This is not a time", "Go back and write times in UTC like 2026-12-01T14:00.")
		return nil
	}
	var err error
	if data.Page, err = p.deps.Portal.Audit(v.ctx(), v.caller, *q); err != nil {
		return err
	}
	if data.Chain, err = p.deps.Portal.ChainState(v.ctx(), v.caller); err != nil {
		return err
	}
	data.Hash = hex.EncodeToString(data.Chain.Hash[:])
	return p.show(v, "audit", page{Title: "Audit", Section: "/audit", Data: data})
}

// typedTime reads a time of a form, in UTC. An empty one is the zero time.
func typedTime(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// issueData is the content of the page of one issue.
type issueData struct {
	ID      string
	Entries []portal.AuditEntry
}

func (p *Pages) issue(v visit) error {
	id := v.r.PathValue("id")
	entries, err := p.deps.Portal.Issue(v.ctx(), v.caller, id)
	if err != nil {
		return err
	}
	return p.show(v, "issue", page{Title: "Issue", Section: "/keys", Data: issueData{id, entries}})
}
