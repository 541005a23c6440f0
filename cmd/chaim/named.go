package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// aboutNames ends the help of each command that takes an account.
const aboutNames = `

Where a profile is kept under the name ACCOUNT, or under the one that 'chaim account ACCOUNT' gives it, and no role is
given, the keys are for the account, role, region and lifetime of that profile, but for what flags say, and a line on stderr
tells. The account is asked for by its id, where the profile has one. AWS_REGION and AWS_DEFAULT_REGION come before the
region of the profile, unless the profile itself is renewed. With a role, ACCOUNT is the account. A name that stands for two
accounts in this way is refused. The ARN of a role stands for ACCOUNT and ROLE.`

// named finds what the name on a command line stands for, and completes the request by it. A kept profile of that name tells
// what flags leave open, unless a role is given, and the account by its id. The profile of a scope, which may end at any time,
// counts only where no account has its name. What stands for two accounts is refused, unless the profile to keep has an alias.
// held is empty where the name is the account's alone. Where nothing is to be kept, keep is nil: the region of the environment
// then comes before that of the profile.
func (a *app) named(ctx context.Context, r *request, name string, keep *keeping) (account string, held chaim.Profile, err error) {
	held, isAccount, isSame, err := a.heldFor(ctx, r, name)
	if err != nil || held.Account == "" {
		return name, chaim.Profile{}, err
	}
	isKept := !held.Live
	switch isOther := isAccount && !isSame; {
	case isOther && isKept && r.role == "" && (keep == nil || keep.alias == ""):
		return "", chaim.Profile{}, usageError{fmt.Sprintf("%q is an account, and the name of a profile for account %q: "+
			"give a role to get that of account %q, name account %q for the other, or delete the profile", name, held.Account, name, held.Account)}
	case isOther, isAccount && !isKept, isAccount && r.role != "" && (held.AccountID == "" || held.AccountID == name):
		return name, chaim.Profile{}, nil
	}
	r.accountID = held.AccountID
	whose := fmt.Sprintf("%q", held.Account)
	if held.AccountID != "" && held.AccountID != held.Account {
		whose += " (" + held.AccountID + ")"
	}
	if r.role != "" {
		a.say("keys for account %s, as profile %q holds them", whose, held.Name)
		return held.Account, held, nil
	}
	r.role = cmp.Or(held.Role, defaultRole)
	r.duration = cmp.Or(r.duration, duration(held.Duration))
	if keep != nil || !hasRegionVariable() {
		r.region = cmp.Or(r.region, held.Region)
	}
	place := ""
	if r.region != "" {
		place = " in " + keys.Printable(r.region)
	}
	a.say("keys for account %s as role %q%s, as profile %q holds them", whose, r.role, place, held.Name)
	return held.Account, held, nil
}

// hasRegionVariable reports whether the environment has a region, which comes before that of a profile.
func hasRegionVariable() bool {
	return os.Getenv("AWS_REGION") != "" || os.Getenv("AWS_DEFAULT_REGION") != ""
}

// heldFor returns the profile that a name on a command line may stand for: of that name or, where there is none and no role is
// given, the one in which 'chaim account' keeps that account. It tells too whether the name is that of an account, and
// whether of the same.
func (a *app) heldFor(ctx context.Context, r *request, name string) (held chaim.Profile, isAccount, isSame bool, err error) {
	held, err = a.heldProfile(ctx, name)
	switch {
	case err != nil:
	case held.Account == name, held.AccountID == name && held.Account != "":
		return held, true, true, nil // at no cost
	case held.Account != "":
		isAccount, isSame, err = a.compare(ctx, r, name, held)
	case profileOf(name) != name && r.role == "":
		held, err = a.heldProfile(ctx, profileOf(name))
		if err == nil && held.Account != "" && !held.Live {
			isAccount, isSame, err = a.compare(ctx, r, name, held)
		}
		if !isSame {
			held = chaim.Profile{}
		}
	}
	return held, isAccount, isSame, err
}

// heldProfile returns the profile of a name, or an empty one. A file that cannot be read has none, as keys that are lent
// without a profile need no file, and says so when it is written.
func (a *app) heldProfile(ctx context.Context, name string) (held chaim.Profile, err error) {
	path, err := awsenv.CredentialsPath("")
	if err != nil || (sharedfile.File{Path: path}).CanStore() != nil {
		return chaim.Profile{}, nil // without a place for the file there is no profile
	}
	// Without a profile of its own, it only reads the file, and nothing beside it.
	err = a.quiet().withClient(chaim.Options{Source: noSource, NoProfile: true}, func(c *chaim.Client) error {
		held, err = find(ctx, c, name)
		return err
	})
	if err != nil && ctx.Err() == nil {
		a.say("no profile is looked for: %s", errtext.Unprefixed(err))
		return chaim.Profile{}, nil
	}
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

// compare asks the gateway whether a name is that of an account, or its id, and whether of the one that a profile is held for.
// The list of accounts tells that by their ids, as names may change and several accounts have the same.
func (a *app) compare(ctx context.Context, r *request, name string, held chaim.Profile) (isAccount, isSame bool, err error) {
	isAccount, isSame = keys.IsAccountID(name), name == held.Account // without a gateway only ids are accounts
	err = a.quiet().withClient(chaim.Options{NoProfile: true, AllowInsecure: r.insecure}, func(c *chaim.Client) error {
		accounts, err := c.RequestList(ctx)
		if err != nil {
			return err
		}
		isAccount, isSame = false, false
		for _, known := range accounts {
			if known.ID == name || known.Name == name {
				isAccount = true
				isSame = isSame || known.ID == held.AccountID || held.AccountID == "" && known.Name == held.Account
			}
		}
		return nil
	})
	if errors.Is(err, chaim.ErrNotConfigured) { // also where its token was not passed on
		err = nil
	}
	return isAccount, isSame, err
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
