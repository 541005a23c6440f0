package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/portal"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// resultOf is the result of a request for keys, for metrics.
func resultOf(err error) string {
	refusal, isRefusal := errors.AsType[*issue.Refusal](err)
	switch {
	case err == nil:
		return "issued"
	case isRefusal:
		return string(refusal.Code)
	}
	return "error"
}

type me struct {
	User           string   `json:"user"`
	Groups         []string `json:"groups"`
	Admin          bool     `json:"admin"`
	SourceIdentity string   `json:"sourceIdentity"`
	Token          myToken  `json:"token"`
}

type myToken struct {
	ID      string     `json:"id"`
	Kind    store.Kind `json:"kind"`
	Label   string     `json:"label"`
	Expires time.Time  `json:"expires"`
}

func (a *API) me(c call) (answer, error) {
	m, err := a.deps.Portal.Me(c.ctx(), c.caller)
	t := m.Token
	return answer{body: me{m.Name, orEmpty(m.Groups), m.IsAdmin, m.SourceIdentity, myToken{t.ID, t.Kind, t.Label, t.Expires.UTC()}}}, err
}

// orEmpty makes an empty list of nil, which JSON would write as null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

type account struct {
	ID    string            `json:"id"`
	Name  string            `json:"name"`
	OU    string            `json:"ou"`
	Tags  map[string]string `json:"tags"`
	Roles []role            `json:"roles"`
}

type role struct {
	Alias   string `json:"alias"`
	AWS     string `json:"aws"`
	Max     int64  `json:"maxSeconds"`
	Console bool   `json:"console"`
}

type accountPage struct {
	Accounts []account `json:"accounts"`
	Next     string    `json:"next,omitempty"`
	Total    int       `json:"total"`
}

func newAccount(from portal.Account) account {
	a := account{from.ID, from.Name, from.OU, from.Tags, []role{}}
	if a.Tags == nil {
		a.Tags = map[string]string{}
	}
	for _, r := range from.Roles {
		a.Roles = append(a.Roles, role{r.Alias, r.AWS, int64(r.Max / time.Second), r.Console})
	}
	return a
}

func (a *API) accounts(c call) (answer, error) {
	n, err := c.limit()
	if err != nil {
		return answer{}, err
	}
	page, err := a.deps.Portal.Accounts(c.ctx(), c.caller, portal.AccountQuery{
		Search: c.query.Get("q"), Tag: c.query.Get("tag"), OU: c.query.Get("ou"), Cursor: c.query.Get("cursor"), Limit: n,
	})
	found := accountPage{Accounts: make([]account, 0, len(page.Accounts)), Next: page.Next, Total: page.Total}
	for _, one := range page.Accounts {
		found.Accounts = append(found.Accounts, newAccount(one))
	}
	return answer{body: found}, err
}

func (a *API) roles(c call) (answer, error) {
	found, err := a.deps.Portal.Account(c.ctx(), c.caller, c.r.PathValue("id"))
	return answer{body: map[string]any{"roles": newAccount(found).Roles}}, err
}

type signIn struct {
	ID      string     `json:"id"`
	Kind    store.Kind `json:"kind"`
	Label   string     `json:"label"`
	Created time.Time  `json:"created"`
	Expires time.Time  `json:"expires"`
	This    bool       `json:"this"`
}

// signInsOf returns the sign-ins of the caller that are of a kind; empty means all.
func (a *API) signInsOf(c call, kind store.Kind) ([]signIn, error) {
	all, err := a.deps.Portal.SignIns(c.ctx(), c.caller)
	list := []signIn{}
	for _, s := range all {
		if kind == "" || s.Kind == kind {
			list = append(list, signIn{s.TokenID, s.Kind, s.Label, s.Created.UTC(), s.Expires.UTC(), s.IsThis})
		}
	}
	return list, err
}

func (a *API) signIns(c call) (answer, error) {
	list, err := a.signInsOf(c, "")
	return answer{body: map[string]any{"signIns": list}}, err
}

func (a *API) tokens(c call) (answer, error) {
	list, err := a.signInsOf(c, store.UserToken)
	return answer{body: map[string]any{"tokens": list}}, err
}

func (a *API) endSignIn(c call) (answer, error) {
	return answer{}, a.deps.Portal.EndSignIn(c.ctx(), c.caller, c.r.PathValue("id"))
}

type tokenAsk struct {
	Label   string `json:"label"`
	Seconds *int64 `json:"lifetimeSeconds"`
}

// newToken is a token that was just made. It prints without its secrets.
type newToken struct {
	ID         string    `json:"id"`
	Token      string    `json:"token"`
	Label      string    `json:"label"`
	Expires    time.Time `json:"expires"`
	InitString string    `json:"initString"`
}

// Format prints the id only.
func (t newToken) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "token %q", t.ID) }

func (a *API) createToken(c call) (answer, error) {
	var body tokenAsk
	if err := c.read(&body); err != nil {
		return answer{}, err
	}
	const longest = 10 * 365 * 24 * time.Hour // the portal has a limit of its own
	lifetime, err := seconds(body.Seconds, "lifetimeSeconds", time.Minute, longest)
	switch {
	case err != nil:
		return answer{}, err
	case lifetime == 0:
		return answer{}, malformed("the field lifetimeSeconds is needed")
	}
	text, row, initString, err := a.deps.Portal.CreateToken(c.ctx(), c.caller, strings.TrimSpace(body.Label), lifetime)
	return answer{http.StatusCreated, newToken{row.ID, text.Reveal(), row.Label, row.Expires.UTC(), initString.Reveal()}}, err
}
