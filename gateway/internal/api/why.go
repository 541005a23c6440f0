package api

import (
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/portal"
)

type explanation struct {
	Allowed bool     `json:"allowed"`
	Reason  string   `json:"reason"`
	Grant   string   `json:"grant,omitempty"`
	Deny    string   `json:"deny,omitempty"`
	Max     int64    `json:"maxSeconds"`
	Policy  int64    `json:"policy"`
	Text    []string `json:"text"`
}

func (a *API) explain(c call) (answer, error) {
	if c.query.Get("account") == "" || c.query.Get("role") == "" {
		return answer{}, malformed("the parameters account and role are needed")
	}
	x, err := a.deps.Portal.Explain(c.ctx(), c.caller, c.query.Get("user"), c.query.Get("account"), c.query.Get("role"))
	d := x.Decision
	return answer{body: explanation{
		d.Allow, string(d.Reason), d.Grant, d.Deny, int64(d.Max / time.Second), d.Version, strings.Split(strings.TrimRight(x.String(), "\n"), "\n"),
	}}, err
}

type right struct {
	User    string      `json:"user"`
	Account accountName `json:"account"`
	Role    string      `json:"role"`
	Grant   string      `json:"grant"`
	Max     int64       `json:"maxSeconds"`
	Cap     string      `json:"cap"`
}

func (a *API) whoCan(c call) (answer, error) {
	if c.query.Get("account") == "" {
		return answer{}, malformed("the parameter account is needed")
	}
	all, err := a.deps.Portal.WhoCan(c.ctx(), c.caller, c.query.Get("account"), c.query.Get("role"))
	list := make([]right, 0, len(all))
	for _, r := range all {
		list = append(list, right{r.User, accountName{r.AccountID, r.AccountName}, r.Role, r.Grant, int64(r.Max / time.Second), r.Cap})
	}
	return answer{body: map[string]any{"rights": list}}, err
}

// event is an event of the log. A redacted one has its position only.
type event struct {
	Position string            `json:"position"`
	At       *time.Time        `json:"at,omitempty"`
	Type     audit.Type        `json:"type,omitempty"`
	Actor    *actor            `json:"actor,omitempty"`
	Subject  string            `json:"subject,omitempty"`
	Target   *target           `json:"target,omitempty"`
	Issue    string            `json:"issue,omitempty"`
	Details  map[string]string `json:"details,omitempty"`
}

type actor struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Token string `json:"token,omitempty"`
	IP    string `json:"ip,omitempty"`
	Agent string `json:"agent,omitempty"`
}

// target is the account and the role that an event is about.
type target struct {
	Account string `json:"account"`
	Role    string `json:"role,omitempty"`
}

func eventsOf(entries []portal.AuditEntry) []event {
	list := make([]event, 0, len(entries))
	for _, entry := range entries {
		e := entry.Event
		one := event{Position: entry.Position.String(), Type: e.Type, Subject: e.Subject, Issue: e.Issue, Details: e.Details}
		if e.Type != "" {
			at := e.At.UTC()
			one.At, one.Actor = &at, &actor{e.Actor.Kind, e.Actor.Name, e.Actor.Token, e.Actor.IP, e.Actor.Agent}
		}
		if e.Account != "" || e.Role != "" {
			one.Target = &target{e.Account, e.Role}
		}
		list = append(list, one)
	}
	return list
}

func (a *API) issue(c call) (answer, error) {
	entries, err := a.deps.Portal.Issue(c.ctx(), c.caller, c.r.PathValue("id"))
	return answer{body: map[string]any{"events": eventsOf(entries)}}, err
}

type auditPage struct {
	Events []event `json:"events"`
	Next   string  `json:"next,omitempty"`
}

func (a *API) audit(c call) (answer, error) {
	q := portal.AuditQuery{
		Actor: c.query.Get("actor"), Subject: c.query.Get("subject"), Account: c.query.Get("account"), Issue: c.query.Get("issue"), Type: c.kind(),
	}
	var err error
	if q.Limit, err = c.limit(); err != nil {
		return answer{}, err
	}
	if q.Since, err = c.time("since"); err != nil {
		return answer{}, err
	}
	if q.Until, err = c.time("until"); err != nil {
		return answer{}, err
	}
	q.Cursor = c.query.Get("cursor")
	page, err := a.deps.Portal.Audit(c.ctx(), c.caller, q)
	return answer{body: auditPage{eventsOf(page.Entries), page.Next}}, err
}
