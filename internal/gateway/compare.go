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

// This file compares a reply with its request. A difference is an error: the user's work would reach another account, or run
// with other rights or for longer than the user allowed.

// check refuses keys that are surely not the requested ones.
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

// isFor reports whether a reply names the requested account: by its id if both ids are known, or else by its name.
func isFor(r keys.Request, got keys.Grant) bool {
	if id := r.ID(); id != "" && got.AccountID != "" {
		return id == got.AccountID
	}
	return strings.EqualFold(got.Account, r.Account)
}

// checkName is for a reply with another account name than the request. A gateway may use names of its own, so checkName
// accepts the reply if the gateway's list shows that both names belong to one account.
func (g *Gateway) checkName(ctx context.Context, r keys.Request, got keys.Grant) error {
	isOdd := strings.ContainsFunc(got.Account, func(r rune) bool { return !unicode.IsPrint(r) })
	if got.Account == "" || isOdd && got.AccountID != "" {
		return nil
	}
	listed := got.Account // the name for which the list must have the known id
	id := r.ID()
	if id == "" {
		listed, id = r.Account, got.AccountID
	}
	ids, err := g.idsOf(ctx, func(name string) bool { return strings.EqualFold(name, listed) })
	switch {
	case err != nil:
		return err
	case len(ids) == 1 && ids[0] == id:
		return nil
	}
	return finalReply(fmt.Sprintf("reply has keys for account %s (%s), not for %s; ask by the id",
		quoteName(got.Account), quoteName(got.AccountID), quoteName(r.Account)))
}

// checkRole refuses keys of another role than the requested one, if the reply names a role. Both may be a name, an ARN or an
// alias. A gateway defines its own aliases, so any role may belong to an alias, except that the four aliases which all
// gateways share stand for four different roles.
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

// commonName returns the name of a role in lower case, or for an alias the full name. Compare it with EqualFold.
func commonName(role string) string {
	return partition.RoleName(strings.ToLower(roleName(role)))
}

// roleName returns the role's name without its path, from a name or from the ARN of a role or a session.
func roleName(role string) string {
	parts := strings.Split(role[strings.LastIndexByte(role, ':')+1:], "/")
	if parts[0] == "assumed-role" && len(parts) == 3 {
		return parts[1]
	}
	return parts[len(parts)-1]
}
