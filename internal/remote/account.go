package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/partition"
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
		return "", &Refusal{StatusCode: http.StatusOK, Kind: "DataNotFound", Message: "Account not found: " + quoteName(name) + " is not in the gateway's list", IsFinal: true}
	case len(ids) > 1:
		return "", finalReply(fmt.Sprintf("%d accounts have the name %s: %s; ask by the id", len(ids), quoteName(name), strings.Join(ids, ", ")))
	case !IsAccountID(ids[0]):
		return "", finalReply(fmt.Sprintf("account %s has no 12-digit id in the gateway's list", quoteName(name)))
	}
	return ids[0], nil
}

// checkName refuses keys of an account that was asked for by its name and has another one, unless the gateway's list says that
// it is that account: a gateway may have names of its own. Where the id is known it decides, as names may change.
func (g *Gateway) checkName(ctx context.Context, r KeyRequest, keys GatewayKeys) error {
	id, isPlain := keys.Creds.AccountID, keys.Account != "" && !strings.ContainsFunc(keys.Account, func(r rune) bool { return !unicode.IsPrint(r) })
	if r.AccountID != "" || IsAccountID(r.Account) || !isPlain || strings.EqualFold(keys.Account, r.Account) {
		return nil
	}
	ids, err := g.namedAccounts(ctx, func(name string) bool { return strings.EqualFold(name, r.Account) })
	switch {
	case err != nil:
		return err
	case len(ids) == 1 && ids[0] == id:
		return nil
	}
	return finalReply(fmt.Sprintf("reply has keys for account %s (%s), not for %s; ask by the id", quoteName(keys.Account), quoteName(id), quoteName(r.Account)))
}

// checkRole refuses keys of another role than was asked for, where the reply names one: by its name, its ARN, or as it was
// asked for. What an alias stands for is up to the gateway, but one that all gateways have is not what another of them is.
func checkRole(asked, got, accountID string) error {
	role, err := arn.Parse(got)
	if err == nil && accountID != "" && role.AccountID != accountID {
		return finalReply(fmt.Sprintf("reply has keys of role %s, which is not one of account %s", quoteName(got), accountID))
	}
	name, wanted := roleName(got), partition.RoleName(roleName(asked))
	isAlias := len(asked) == 3
	switch {
	case got == "", strings.EqualFold(got, asked), strings.EqualFold(name, wanted):
		return nil
	case isAlias && !(partition.IsCommonRole(wanted) && partition.IsCommonRole(name)):
		return nil
	}
	return finalReply(fmt.Sprintf("reply has keys of role %s, not of %s", quoteName(got), quoteName(asked)))
}

// roleName is the name in the ARN of a role or of its session, or a name without its path.
func roleName(role string) string {
	parts := strings.Split(role[strings.LastIndexByte(role, ':')+1:], "/")
	if parts[0] == "assumed-role" && len(parts) == 3 {
		return parts[1]
	}
	return parts[len(parts)-1]
}

// quoteName is a name in an error.
func quoteName(name string) string {
	if len(name) > 128 {
		name = name[:128] + "..."
	}
	return strconv.QuoteToASCII(name)
}

// finalReply is a reply that will not be another one the next time.
func finalReply(message string) *Refusal {
	return &Refusal{StatusCode: http.StatusOK, Message: message, IsFinal: true}
}
