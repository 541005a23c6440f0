package gateway

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/awsprofile"
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
	if err := checkRole(r, strings.TrimSpace(got.Role), cmp.Or(id, r.ID())); err != nil {
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

// aliasSize is the length of every alias of an original gateway.
const aliasSize = 3

// formsRole is RoleOf for a gateway that takes forms. It reads a name of that length as an alias, and its reply does not say
// for which role, so the ARN of such a role is refused.
func formsRole(r keys.Request) (Role, error) {
	role, err := RoleOf(r)
	if err == nil && role.HasARN() && len(role.Name) == aliasSize {
		return Role{}, fmt.Errorf("chaim: role %s cannot be asked for by its ARN: this gateway takes %s for an alias, which may stand for another role; ask by the alias that means your role", keys.QuoteShort(r.Role), keys.QuoteShort(role.Name))
	}
	return role, err
}

// checkRole refuses keys of another role than the requested one, if the reply names a role: by a name, an alias, or the ARN
// of the role or of a session. A gateway defines its own aliases, so any role may belong to an alias, except that the four
// aliases which all gateways share stand for four different roles. A requested ARN is that role only.
func checkRole(r keys.Request, got, accountID string) error {
	asked, err := RoleOf(r)
	switch {
	case err != nil:
		return err
	case asked.HasARN() && asked.ARN.AccountID != accountID: // the request may have the name of its account only
		return finalReply(fmt.Sprintf("reply has keys for account %s, but role %s is of another; ask by the account's id", quoteName(accountID), quoteName(r.Role)))
	case got == "":
		return nil
	}
	name, err := nameIn(got, accountID, r.Region)
	if err != nil {
		return err
	}
	wanted, common := commonName(asked.Name), commonName(name)
	isAlias := !asked.HasARN() && len(asked.Name) == aliasSize
	switch {
	case strings.EqualFold(name, asked.Name), !asked.HasARN() && strings.EqualFold(common, wanted):
		return nil
	case isAlias && !(partition.IsCommonRole(wanted) && partition.IsCommonRole(common)):
		return nil
	}
	return finalReply(fmt.Sprintf("reply has keys of role %s, not of %s", quoteName(got), quoteName(r.Role)))
}

// nameIn returns the name of the role in a reply. It refuses an ARN that is not that of a role or its session, or is one of
// another account or partition.
func nameIn(got, accountID, region string) (string, error) {
	if !strings.Contains(got, ":") {
		return got, nil
	}
	text := got
	session, err := arn.Parse(got)
	if parts := strings.Split(session.Resource, "/"); err == nil && session.Service == "sts" && parts[0] == "assumed-role" && len(parts) == 3 {
		session.Service, session.Resource = "iam", "role/"+parts[1]
		text = session.String()
	}
	role, err := awsprofile.ParseAWSRole(text)
	switch {
	case err != nil:
		return "", finalReply(fmt.Sprintf("reply has keys of %s, which is no role", quoteName(got)))
	case accountID != "" && role.AccountID != accountID:
		return "", finalReply(fmt.Sprintf("reply has keys of role %s, which is not one of account %s", quoteName(got), accountID))
	}
	if region != "" {
		if err := partition.Check(role, region); err != nil {
			return "", finalReply("reply has keys that cannot be used: " + errtext.Unprefixed(err))
		}
	}
	return awsprofile.RoleName(role.Resource), nil
}

// commonName returns the name of a role in lower case, without its path, or for an alias the full name. Compare it with
// EqualFold.
func commonName(role string) string {
	return partition.RoleName(strings.ToLower(awsprofile.RoleName(role)))
}
