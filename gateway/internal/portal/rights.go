package portal

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
)

// Explain says why a user may use a role in an account now, or not, as if the request came from the caller's address. An empty
// name means the caller; others are for admins. An explanation names rules and groups, so a caller who is no admin gets one
// only for accounts that the caller could use at some time.
func (p *Portal) Explain(ctx context.Context, c issue.Caller, user, account, role string) (policy.Explanation, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err != nil {
		return policy.Explanation{}, err
	}
	u, err := p.about(who, user)
	if err != nil {
		return policy.Explanation{}, err
	}
	a, r, err := p.find(who, account, role)
	if err != nil {
		return policy.Explanation{}, err
	}
	q := policy.Query{Person: who.Person(u), Account: a.ID, Role: r.Alias, At: time.Now(), Addr: c.Place()}
	x := who.Engine().Explain(q)
	if !p.IsAdmin(who) {
		x.Grants = ownGrants(x.Grants)
	}
	return x, nil
}

// ownGrants leaves out the grants that are for other people: their texts name groups and accounts that the caller need not know.
func ownGrants(all []policy.Near) (own []policy.Near) {
	for _, n := range all {
		isOwn := true
		for _, m := range n.Missing {
			isOwn = isOwn && m.Lack != policy.LacksPerson && m.Lack != policy.LacksAccount
		}
		if isOwn {
			own = append(own, n)
		}
	}
	return own
}

// find finds an account and a role. An account that the caller could never use is known to admins only.
func (p *Portal) find(who issue.Who, account, role string) (policy.Account, policy.Role, error) {
	e := who.Engine()
	if e == nil {
		return policy.Account{}, policy.Role{}, noPolicy(who)
	}
	mayKnow := func(id string) bool { return p.IsAdmin(who) || e.CouldUse(who.Person(who.User), id) }
	a, err := e.Account(account)
	var ambiguous *policy.AmbiguousError
	if errors.As(err, &ambiguous) {
		var ids []string
		for _, id := range ambiguous.IDs {
			if mayKnow(id) {
				ids = append(ids, id)
			}
		}
		if len(ids) > 1 {
			return a, policy.Role{}, refusal(issue.AmbiguousAccount, who, "the accounts %s have this name: use an id", strings.Join(ids, ", "))
		}
		if len(ids) == 1 {
			a, err = e.Account(ids[0])
		}
	}
	if err != nil || !mayKnow(a.ID) {
		return a, policy.Role{}, refusal(issue.NoAccount, who, "this account is not known")
	}
	r := policy.Role{}
	if role != "" {
		if r, err = e.Role(role); err != nil {
			return a, r, refusal(issue.NoRole, who, "this role is not known")
		}
	}
	return a, r, nil
}

// Rights returns a page of what the caller may do now, and by which grants, by account and role.
func (p *Portal) Rights(ctx context.Context, c issue.Caller, page Page) (RightsPage, error) {
	return p.rights(ctx, c, "", page)
}

// Access returns a page of what a user may do now from the caller's address. It is for admins.
func (p *Portal) Access(ctx context.Context, c issue.Caller, user string, page Page) (RightsPage, error) {
	if _, err := p.admin(ctx, c); err != nil {
		return RightsPage{}, err
	}
	return p.rights(ctx, c, user, page)
}

func (p *Portal) rights(ctx context.Context, c issue.Caller, user string, page Page) (RightsPage, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err != nil {
		return RightsPage{}, err
	}
	u, err := p.about(who, user)
	if err != nil {
		return RightsPage{}, err
	}
	after, err := parseRightPlace(who, page.Cursor)
	if err != nil || who.Engine() == nil || u.Disabled {
		return RightsPage{}, err
	}
	found, now := RightsPage{Version: who.Engine().Version()}, time.Now()
	q := policy.Query{Person: who.Person(u), At: now, Addr: c.Place()}
	for a, roles := range who.Engine().Accounts(q.Person, q.Addr, now) {
		found.Total += len(roles)
		for _, role := range roles {
			here := rightPlace{placeOf(a), role.Alias}
			if !here.isAfter(after, roles) || found.Next != "" {
				continue
			}
			if len(found.Rights) == limit(page.Limit) {
				last := found.Rights[len(found.Rights)-1]
				found.Next = rightPlace{place{last.AccountName, last.AccountID}, last.Role}.String()
				continue
			}
			q.Account, q.Role = a.ID, role.Alias
			d := who.Engine().Decide(q)
			found.Rights = append(found.Rights, Right{u.Name, a.ID, a.Name, role.Alias, d.Grant, d.Max, d.Caps.String()})
		}
	}
	return found, nil
}

// WhoCan returns which users may use an account now from the caller's address, by user and then by role. An empty role means
// all roles. It is for admins.
func (p *Portal) WhoCan(ctx context.Context, c issue.Caller, account, role string) ([]Right, error) {
	who, err := p.admin(ctx, c)
	if err != nil {
		return nil, err
	}
	a, r, err := p.find(who, account, role)
	if err != nil {
		return nil, err
	}
	e, now := who.Engine(), time.Now()
	var members []policy.Member
	users := map[string]store.User{}
	for _, u := range who.View().Users {
		if !u.Disabled {
			members, users[u.Name] = append(members, policy.Member{Name: u.Name, Groups: u.Groups}), u
		}
	}
	var found []Right
	for _, access := range e.WhoCan(a.ID, r.Alias, members, now) {
		q := policy.Query{Person: who.Person(users[access.Person]), Account: a.ID, Role: access.Role, At: now, Addr: c.Place()}
		if d := e.Decide(q); d.Allow {
			found = append(found, Right{access.Person, a.ID, a.Name, access.Role, d.Grant, d.Max, d.Caps.String()})
		}
	}
	return found, nil
}

// rightPlace is the place of a role in an account, in a list by account. Roles are in the order of the policy.
type rightPlace struct {
	place
	role string
}

// isAfter reports whether a place comes after another one. roles are those of its account, in their order. If the policy does not
// have the role of the other place any more, all roles of that account come after it: they are rather shown twice than never.
func (p rightPlace) isAfter(other rightPlace, roles []policy.Role) bool {
	if p.place != other.place {
		return p.place.isAfter(other.place)
	}
	index := func(alias string) int {
		return slices.IndexFunc(roles, func(r policy.Role) bool { return r.Alias == alias })
	}
	return index(p.role) > index(other.role)
}

// String returns the place as a cursor.
func (p rightPlace) String() string {
	return p.place.String() + "." + base64.RawURLEncoding.EncodeToString([]byte(p.role))
}

func parseRightPlace(who issue.Who, cursor string) (p rightPlace, err error) {
	if cursor == "" {
		return rightPlace{}, nil
	}
	account, role, isPair := strings.Cut(cursor, ".")
	alias, decodeErr := base64.RawURLEncoding.Strict().DecodeString(role)
	if p.place, err = parsePlace(who, account); err != nil || !isPair || decodeErr != nil || account == "" {
		return rightPlace{}, badCursor(who)
	}
	p.role = string(alias)
	return p, nil
}
