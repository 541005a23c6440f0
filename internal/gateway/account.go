package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

// gatewayVerbs are names that a gateway takes for something else than an account.
var gatewayVerbs = []string{"list", "help", "version", "initshow", "roles", "count", "whoskey"}

// canAskByName reports whether a gateway that is asked for an account by this name gives what is asked for. The original one
// splits at commas, drops role and duration after a name with a space, puts the name between apostrophes into SQL, takes a
// number for an id, and letters beyond ASCII for others that look like them.
func canAskByName(name string) bool {
	_, err := strconv.ParseFloat(strings.ReplaceAll(name, "_", ""), 64)
	isNumber := !errors.Is(err, strconv.ErrSyntax)
	isOdd := strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(",'\"`\\", r) })
	return !isNumber && !isOdd && !strings.HasPrefix(name, "-") && !slices.Contains(gatewayVerbs, name)
}

// namedAccounts are the ids of the accounts of that name in the gateway's list.
func (g *Gateway) namedAccounts(ctx context.Context, isNamed func(name string) bool) (ids []string, err error) {
	accounts, err := g.Accounts(ctx)
	for _, a := range accounts {
		if isNamed(a.Name) && !slices.Contains(ids, a.ID) {
			ids = append(ids, a.ID)
		}
	}
	return ids, err
}

// findAccount returns the id of the only account of a name.
func (g *Gateway) findAccount(ctx context.Context, name string) (string, error) {
	ids, err := g.namedAccounts(ctx, func(other string) bool { return other == name })
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", &httpx.Refusal{StatusCode: http.StatusOK, Kind: "DataNotFound", Message: "Account not found: " + quoteName(name) + " is not in the gateway's list", Final: true}
	case len(ids) > 1:
		return "", finalReply(fmt.Sprintf("%d accounts have the name %s: %s; ask by the id", len(ids), quoteName(name), strings.Join(ids, ", ")))
	case !keys.IsAccountID(ids[0]):
		return "", finalReply(fmt.Sprintf("account %s has no 12-digit id in the gateway's list", quoteName(name)))
	}
	return ids[0], nil
}

// quoteName is a name in an error.
func quoteName(name string) string {
	if len(name) > 128 {
		name = name[:128] + "..."
	}
	return strconv.QuoteToASCII(name)
}

// finalReply is a reply that will not be another one the next time.
func finalReply(message string) *httpx.Refusal {
	return &httpx.Refusal{StatusCode: http.StatusOK, Message: message, Final: true}
}
