package portal

import (
	"cmp"
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/gateway/policy"
)

const (
	maxFacets = 50  // of tags, and of OUs
	maxSearch = 256 // bytes of a search
)

// searchIndex has the texts in which accounts are searched, by the id of the account.
type searchIndex struct {
	engine *policy.Engine
	texts  map[string]string
}

// indexOf returns the index of a policy. It is made once for each.
func (p *Portal) indexOf(e *policy.Engine) *searchIndex {
	if x := p.search.Load(); x != nil && x.engine == e {
		return x
	}
	x := &searchIndex{e, make(map[string]string, len(e.AllAccounts()))}
	for _, a := range e.AllAccounts() {
		parts := []string{a.Name, a.ID, a.OU}
		for _, key := range slices.Sorted(maps.Keys(a.Tags)) {
			parts = append(parts, key+"="+a.Tags[key])
		}
		x.texts[a.ID] = strings.ToLower(strings.Join(parts, "\n"))
	}
	p.search.Store(x)
	return x
}

// Accounts returns a page of the accounts that the caller may use now, by name and then by id. A cursor stays right if accounts
// come and go meanwhile.
func (p *Portal) Accounts(ctx context.Context, c issue.Caller, q AccountQuery) (AccountPage, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err != nil {
		return AccountPage{}, err
	}
	after, err := parsePlace(who, q.Cursor)
	switch {
	case err != nil:
		return AccountPage{}, err
	case len(q.Search)+len(q.Tag)+len(q.OU) > maxSearch:
		return AccountPage{}, refusal(issue.Malformed, who, "the search is longer than %d bytes", maxSearch)
	case who.Engine() == nil:
		return AccountPage{}, nil
	}
	e := who.Engine()
	wanted := q.matcher(p.indexOf(e))
	page, found := AccountPage{}, facetCounts{map[[2]string]int{}, map[string]int{}}
	for account, roles := range e.Accounts(who.Person(who.User), c.Place(), time.Now()) {
		if !wanted(account) {
			continue
		}
		page.Total++
		found.add(account)
		switch {
		case !placeOf(account).isAfter(after):
		case len(page.Accounts) < limit(q.Limit):
			page.Accounts = append(page.Accounts, accountOf(who, c, account, roles))
		case page.Next == "":
			last := page.Accounts[len(page.Accounts)-1]
			page.Next = place{last.Name, last.ID}.String()
		}
	}
	page.Facets = found.facets()
	return page, nil
}

// Account returns one account that the caller may use now, by its id or its name, and the roles there.
func (p *Portal) Account(ctx context.Context, c issue.Caller, nameOrID string) (Account, error) {
	who, err := p.deps.Issuer.Authenticate(ctx, c)
	if err != nil {
		return Account{}, err
	}
	if e := who.Engine(); e != nil {
		person := who.Person(who.User)
		for account, roles := range e.Accounts(person, c.Place(), time.Now()) {
			if account.ID == nameOrID || strings.EqualFold(account.Name, nameOrID) {
				return accountOf(who, c, account, roles), nil
			}
		}
	}
	return Account{}, refusal(issue.NoAccount, who, "there is no such account that %s may use now", who.User.Name)
}

// matcher returns whether an account is wanted.
func (q AccountQuery) matcher(x *searchIndex) func(policy.Account) bool {
	words := strings.Fields(strings.ToLower(q.Search))
	key, value, hasValue := strings.Cut(q.Tag, "=")
	ou := strings.ToLower(strings.Trim(q.OU, "/"))
	return func(a policy.Account) bool {
		for _, word := range words {
			if !strings.Contains(x.texts[a.ID], word) {
				return false
			}
		}
		if q.Tag != "" {
			if has, isThere := a.Tags[key]; !isThere || hasValue && has != value {
				return false
			}
		}
		of := strings.ToLower(a.OU)
		return ou == "" || of == ou || strings.HasPrefix(of, ou+"/")
	}
}

func accountOf(who issue.Who, c issue.Caller, a policy.Account, roles []policy.Role) Account {
	found := Account{ID: a.ID, Name: a.Name, OU: a.OU, Tags: a.Tags}
	q := policy.Query{Person: who.Person(who.User), Account: a.ID, At: time.Now(), Addr: c.Place()}
	for _, role := range roles {
		q.Role = role.Alias
		found.Roles = append(found.Roles, Role{role.Alias, role.AWS, who.Engine().Decide(q).Max, role.Console})
	}
	return found
}

// facetCounts counts tags and OUs.
type facetCounts struct {
	tags map[[2]string]int // by key and value
	ous  map[string]int
}

func (f facetCounts) add(a policy.Account) {
	for key, value := range a.Tags {
		f.tags[[2]string{key, value}]++
	}
	if a.OU != "" {
		f.ous[a.OU]++
	}
}

// facets returns the tags and OUs that most accounts have, by their texts.
func (f facetCounts) facets() (found Facets) {
	for tag, n := range f.tags {
		found.Tags = append(found.Tags, Facet{tag[0] + "=" + tag[1], n})
	}
	for ou, n := range f.ous {
		found.OUs = append(found.OUs, Facet{ou, n})
	}
	return Facets{most(found.Tags), most(found.OUs)}
}

func most(list []Facet) []Facet {
	slices.SortFunc(list, func(a, b Facet) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
	list = slices.Clip(list[:min(len(list), maxFacets)])
	slices.SortFunc(list, func(a, b Facet) int { return cmp.Compare(a.Value, b.Value) })
	return list
}

// place is the place of an account in a list by name and id. The zero place is before all.
type place struct{ name, id string }

func placeOf(a policy.Account) place { return place{a.Name, a.ID} }

func (p place) isAfter(other place) bool {
	return cmp.Or(cmp.Compare(p.name, other.name), cmp.Compare(p.id, other.id)) > 0
}

// String returns the place as a cursor.
func (p place) String() string { return base64.RawURLEncoding.EncodeToString([]byte(p.id + p.name)) }

func parsePlace(who issue.Who, cursor string) (place, error) {
	if cursor == "" {
		return place{}, nil
	}
	const idSize = 12
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(text) < idSize || !policy.IsAccountID(string(text[:idSize])) {
		return place{}, badCursor(who)
	}
	return place{string(text[idSize:]), string(text[:idSize])}, nil
}

func badCursor(who issue.Who) error {
	return refusal(issue.Malformed, who, "the cursor is not one that this gateway gave for this list: begin at the first page")
}
