package gatewayapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chaim-go/chaim/internal/keys"
)

const (
	pageSize  = 200 // accounts of a page that are asked for; the gateway may give fewer
	smallPage = 20  // where accounts with many tags make a page too large

	// An organisation has 10,000 accounts unless AWS allows it more.
	maxAccounts = 20_000
	maxPages    = maxAccounts / smallPage
	maxListTime = 10 * time.Minute
)

// account is an account that the user may use.
type account struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Roles []role `json:"roles"`
}

// role is a role in an account: its name in the policy, and in AWS.
type role struct {
	Alias string `json:"alias"`
	AWS   string `json:"aws"`
}

// Accounts asks for the accounts that the user may use. An account without a 12-digit id is an error.
func (c *Client) Accounts(ctx context.Context) ([]keys.Account, error) {
	all, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	accounts := make([]keys.Account, 0, len(all))
	for _, a := range all {
		accounts = append(accounts, keys.Account{ID: a.ID, Name: a.Name})
	}
	return accounts, nil
}

// AllRoles asks for the names of the roles that the user may use, by the id of the account.
func (c *Client) AllRoles(ctx context.Context) (map[string][]string, error) {
	all, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	roles := map[string][]string{}
	for _, a := range all {
		roles[a.ID] = aliases(a.Roles)
	}
	return roles, nil
}

// list asks for all accounts of the user, page by page.
func (c *Client) list(ctx context.Context) ([]account, error) {
	var all []account
	seen, rows, began := map[string]bool{}, 0, time.Now()
	cursor, size := "", pageSize
	for range maxPages {
		if time.Since(began) > maxListTime {
			return nil, finalReply(fmt.Sprintf("the list of accounts has not ended after %s", maxListTime))
		}
		query := url.Values{"limit": {strconv.Itoa(size)}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		var page struct {
			Accounts []account `json:"accounts"`
			Next     string    `json:"next"`
		}
		_, err := c.call(ctx, question{method: http.MethodGet, path: "accounts?" + query.Encode()}, &page)
		switch {
		case errors.Is(err, errTooLarge) && size > smallPage:
			size = smallPage
			continue
		case err != nil:
			return nil, err
		}
		if rows += len(page.Accounts); rows > maxAccounts {
			return nil, finalReply(fmt.Sprintf("the list of accounts has more than %d rows", maxAccounts))
		}
		for i, a := range page.Accounts {
			if !keys.IsAccountID(a.ID) {
				return nil, badReply(fmt.Sprintf("account %d of a page in the list has no 12-digit id", i+1))
			}
			if !seen[a.ID] { // the list may change between two pages
				seen[a.ID] = true
				all = append(all, a)
			}
		}
		if page.Next == "" {
			return all, nil
		}
		if page.Next == cursor {
			return nil, badReply("the list of accounts repeats a page")
		}
		cursor = page.Next
	}
	return nil, finalReply(fmt.Sprintf("the list of accounts has more than %d pages", maxPages))
}

// Roles asks for the names that the policy gives to the roles of the user in an account.
func (c *Client) Roles(ctx context.Context, id string) ([]string, error) {
	roles, err := c.roles(ctx, id)
	return aliases(roles), err
}

func aliases(roles []role) (names []string) {
	for _, r := range roles {
		names = append(names, r.Alias)
	}
	return names
}

func (c *Client) roles(ctx context.Context, id string) ([]role, error) {
	if !keys.IsAccountID(id) {
		return nil, fmt.Errorf("chaim: account id %s is not 12 digits", keys.QuoteShort(id))
	}
	var reply struct {
		Roles []role `json:"roles"`
	}
	_, err := c.call(ctx, question{method: http.MethodGet, path: "accounts/" + id + "/roles", names: []string{id}}, &reply)
	return reply.Roles, err
}
