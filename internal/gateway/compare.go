package gateway

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// What a reply says of its keys is compared with what was asked for. A difference is an error: work would go to another
// account, or be done with other rights, or for longer, than the user has said.

// check refuses keys that are surely not those that were asked for.
func check(r keys.Request, got keys.Grant, lifetime time.Duration) error {
	id := got.AccountID
	if asked := r.ID(); asked != "" && id != "" && id != asked {
		return finalReply(fmt.Sprintf("reply has keys for another account, %s, not for %s", id, asked))
	}
	if err := checkRole(r.Role, got.Role, cmp.Or(id, r.ID()), r.Region); err != nil {
		return err
	}
	return keys.CheckLifetime(time.Until(got.Expires), lifetime)
}

// isFor reports whether a reply says that its keys are for the account that was asked for: by the id, where both are known, or
// else by the name.
func isFor(r keys.Request, got keys.Grant) bool {
	if id := r.ID(); id != "" && got.AccountID != "" {
		return id == got.AccountID
	}
	return strings.EqualFold(got.Account, r.Account)
}

// checkName refuses keys of an account that is called something else than what was asked for, unless the gateway's list says
// that it is that account: a gateway may have names of its own.
func (g *Gateway) checkName(ctx context.Context, r keys.Request, got keys.Grant) error {
	isOdd := strings.ContainsFunc(got.Account, func(r rune) bool { return !unicode.IsPrint(r) })
	if got.Account == "" || isOdd && got.AccountID != "" {
		return nil
	}
	listed := got.Account // by which name of the two the list is to confirm the id that is known
	id := r.ID()
	if id == "" {
		listed, id = r.Account, got.AccountID
	}
	ids, err := g.namedAccounts(ctx, func(name string) bool { return strings.EqualFold(name, listed) })
	switch {
	case err != nil:
		return err
	case len(ids) == 1 && ids[0] == id:
		return nil
	}
	return finalReply(fmt.Sprintf("reply has keys for account %s (%s), not for %s; ask by the id",
		quoteName(got.Account), quoteName(got.AccountID), quoteName(r.Account)))
}

// checkRole refuses keys of another role than was asked for, where the reply names one: by its name, its ARN, or an alias.
// What an alias stands for is up to the gateway, but one that all gateways have is not what another of them is.
func checkRole(asked, got, accountID, region string) error {
	got = strings.TrimSpace(got)
	role, err := arn.Parse(got)
	if err == nil && accountID != "" && role.AccountID != accountID {
		return finalReply(fmt.Sprintf("reply has keys of role %s, which is not one of account %s", quoteName(got), accountID))
	}
	if err == nil && region != "" {
		if err := partition.Check(role, region); err != nil {
			return finalReply("reply has keys that cannot be used: " + errtext.Unprefixed(err))
		}
	}
	name, wanted := commonName(got), commonName(asked)
	isAlias := len(asked) == 3
	switch {
	case got == "", strings.EqualFold(name, wanted):
		return nil
	case isAlias && !(partition.IsCommonRole(wanted) && partition.IsCommonRole(name)):
		return nil
	}
	return finalReply(fmt.Sprintf("reply has keys of role %s, not of %s", quoteName(got), quoteName(asked)))
}

// commonName is the name of a role, in whatever case and form it is given.
func commonName(role string) string {
	return partition.RoleName(strings.ToLower(roleName(role)))
}

// roleName is the name in the ARN of a role or of its session, or a name without its path.
func roleName(role string) string {
	parts := strings.Split(role[strings.LastIndexByte(role, ':')+1:], "/")
	if parts[0] == "assumed-role" && len(parts) == 3 {
		return parts[1]
	}
	return parts[len(parts)-1]
}
