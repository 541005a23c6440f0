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

// gatewayVerbs are commands of a gateway, so it does not take them for the names of accounts.
var gatewayVerbs = []string{"list", "help", "version", "initshow", "roles", "count", "whoskey"}

// canAskByName reports whether every gateway reads this account name correctly. The original one splits it at commas, drops
// role and duration after a name with a space, puts the name between apostrophes into SQL, takes a number for an id, and
// confuses letters beyond ASCII with similar ones.
func canAskByName(name string) bool {
	_, err := strconv.ParseFloat(strings.ReplaceAll(name, "_", ""), 64)
	isNumber := !errors.Is(err, strconv.ErrSyntax)
	isOdd := strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(",'\"`\\", r) })
	return !isNumber && !isOdd && !strings.HasPrefix(name, "-") && !slices.Contains(gatewayVerbs, name)
}

// idsOf returns the ids of the accounts in the gateway's list whose name matches.
func (g *Gateway) idsOf(ctx context.Context, matches func(name string) bool) (ids []string, err error) {
	accounts, err := g.Accounts(ctx)
	for _, a := range accounts {
		if matches(a.Name) && !slices.Contains(ids, a.ID) {
			ids = append(ids, a.ID)
		}
	}
	return ids, err
}

// findAccount returns the id of the account with this name. There must be exactly one.
func (g *Gateway) findAccount(ctx context.Context, name string) (string, error) {
	ids, err := g.idsOf(ctx, func(other string) bool { return other == name })
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

// quoteName quotes a name for an error. It keeps more of a long name than keys.QuoteShort.
func quoteName(name string) string {
	if len(name) > 128 {
		name = name[:128] + "..."
	}
	return strconv.QuoteToASCII(name)
}

// finalReply is the error of a reply that another attempt cannot change.
func finalReply(message string) *httpx.Refusal {
	return &httpx.Refusal{StatusCode: http.StatusOK, Message: message, Final: true}
}

// ErrNoRoles means that a gateway cannot list roles.
var ErrNoRoles = errors.New("chaim: this gateway lists no roles: its settings have no protocol v1")
