package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/remote"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// aboutNames ends the help of each command that takes an account.
const aboutNames = `

Where a profile is kept under exactly the name ACCOUNT and no role is given, the keys are for the account, role, region
and lifetime of that profile, but for what flags say, and a line on stderr tells. AWS_REGION and AWS_DEFAULT_REGION come
before its region, unless the profile itself is renewed. With a role, ACCOUNT is the account. A name that stands for two
accounts in this way is refused. The ARN of a role stands for ACCOUNT and ROLE.`

// named finds what the name on a command line stands for, and completes the request by it. A kept profile of exactly that
// name tells what flags leave open, unless a role is given. The profile of a scope, which may end at any time, counts only
// where no account has its name. What stands for two accounts is refused, unless the profile to keep has an alias. held is
// empty where the name is the account's alone. Where nothing is to be kept, keep is nil: the region of the environment then
// comes before that of the profile.
func (a *app) named(ctx context.Context, r *request, name string, keep *keeping) (account string, held chaim.Profile, err error) {
	held, err = a.heldProfile(ctx, name)
	if err != nil || held.Account == "" {
		return name, chaim.Profile{}, err
	}
	isKept, isOther := !held.Live && !held.Dead, false
	if held.Account != name {
		if isOther, err = a.isOtherAccount(ctx, r, name, held.Account); err != nil {
			return "", chaim.Profile{}, err
		}
	}
	switch isSameName := held.Account == name; {
	case isOther && isKept && r.role == "" && (keep == nil || keep.alias == ""):
		return "", chaim.Profile{}, usageError{fmt.Sprintf("%q is an account, and the name of a profile for account %q: "+
			"give a role to get that of account %q, name account %q for the other, or delete the profile", name, held.Account, name, held.Account)}
	case isOther, isSameName && !isKept, isSameName && r.role != "":
		return name, chaim.Profile{}, nil
	case r.role != "":
		a.say("keys for account %q, as profile %q holds them", held.Account, name)
		return held.Account, held, nil
	}
	r.role = cmp.Or(held.Role, defaultRole)
	r.duration = cmp.Or(r.duration, duration(held.Duration))
	if keep != nil || !hasRegionVariable() {
		r.region = cmp.Or(r.region, held.Region)
	}
	place := ""
	if r.region != "" {
		place = " in " + printable(r.region)
	}
	a.say("keys for account %q as role %q%s, as profile %q holds them", held.Account, r.role, place, name)
	return held.Account, held, nil
}

// hasRegionVariable reports whether the environment has a region, which comes before that of a profile.
func hasRegionVariable() bool {
	return os.Getenv("AWS_REGION") != "" || os.Getenv("AWS_DEFAULT_REGION") != ""
}

// heldProfile returns the profile of a name, or an empty one.
func (a *app) heldProfile(ctx context.Context, name string) (held chaim.Profile, err error) {
	path, err := sharedfile.CredentialsPath("")
	if err != nil || (sharedfile.File{Path: path}).CanStore() != nil {
		return chaim.Profile{}, nil // without a place for the file there is no profile
	}
	// Without a profile of its own, it only reads the file, and nothing beside it.
	err = a.quiet().withClient(chaim.Options{Source: noSource, NoProfile: true}, func(c *chaim.Client) error {
		held, err = find(ctx, c, name)
		return err
	})
	if held.Dead {
		return chaim.Profile{}, err
	}
	return held, err
}

// quiet is a for looking at files of which the next client logs what there is to say.
func (a *app) quiet() *app {
	quiet := *a
	quiet.log = slog.New(slog.DiscardHandler)
	return &quiet
}

// isOtherAccount reports whether a name is that of an account, or its id, and not of the one that is held under it.
func (a *app) isOtherAccount(ctx context.Context, r *request, name, held string) (isOther bool, err error) {
	isOther = remote.IsAccountID(name) // without a gateway only ids are accounts
	err = a.quiet().withClient(chaim.Options{AllowInsecure: r.insecure}, func(c *chaim.Client) error {
		accounts, err := c.RequestList(ctx)
		if err == nil {
			isOther = isKnown(accounts, name) && !isSame(accounts, name, held)
		}
		return err
	})
	if errors.Is(err, chaim.ErrNotConfigured) { // also where its token was not passed on
		err = nil
	}
	return isOther, err
}

// isKnown reports whether a text is the name or id of one of the accounts.
func isKnown(accounts []chaim.Account, text string) bool { return isSame(accounts, text, text) }

// isSame reports whether two texts are names or ids of one and the same account.
func isSame(accounts []chaim.Account, one, other string) bool {
	return slices.ContainsFunc(accounts, func(known chaim.Account) bool {
		names := []string{known.ID, known.Name}
		return slices.Contains(names, one) && slices.Contains(names, other)
	})
}

// inMemory returns the options of a client for what the arguments name, which keeps keys in memory only and does not renew
// them.
func (a *app) inMemory(cmd *cobra.Command, r *request, args []string) (chaim.Options, error) {
	name, err := r.takeArgs(cmd, args)
	if err != nil {
		return chaim.Options{}, err
	}
	account, _, err := a.named(cmd.Context(), r, name, nil)
	if err != nil {
		return chaim.Options{}, err
	}
	opts := r.options(account)
	opts.NoProfile, opts.NoRenew = true, true
	return opts, nil
}
