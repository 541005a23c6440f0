package request

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Resolve finds the account that a name on the command line stands for. If a kept profile has the name and no role is given,
// the profile completes the request. A live profile counts only if no account has the name. A name that stands for two
// accounts is refused, unless the profile to keep has an alias. held is empty if the name is only that of an account.
//
// The account may also be a profile of the AWS config file, if neither the gateway nor the Identity Center has an account of
// that name.
func (r *Request) Resolve(ctx context.Context, name string) (account string, held chaim.Profile, err error) {
	if err := r.sts.check(ctx); err != nil {
		return "", held, err
	}
	account = name
	hasDuration := r.Duration != 0 // a kept profile may fill it in
	if r.Source.Profile == "" {
		account, held, err = r.resolve(ctx, name)
	}
	if isAccount := held.Account != "" && !held.FromConfig; err == nil && !isAccount {
		account = r.exactProfile(ctx, account)
		err = r.Source.find(ctx, r, account)
	}
	switch flag := r.sts.given(); {
	case err != nil:
		return account, held, err
	case r.Source.IsProfile && flag != "":
		return account, held, cli.Usagef("%s is for AWS STS, but %q is a profile of the AWS config file: set it there", flag, account)
	case r.Source.IsProfile:
		if r.Source.isFixed && !hasDuration {
			r.Duration = 0
		}
		return account, held, nil
	}
	return account, held, r.completeFor(ctx, account, hasDuration)
}

// completeFor refuses flags that the broker of an account does not take, and completes the request for that broker.
func (r *Request) completeFor(ctx context.Context, account string, hasDuration bool) error {
	g := r.giver(ctx)
	if flag := r.sts.given(); flag != "" {
		return g.refuseFlag(flag)
	}
	switch {
	case g.isCenter && hasDuration:
		return g.refuseDuration(r.Duration)
	case g.isCenter:
		r.Duration = 0
	}
	switch {
	case g.isCenter && r.Role == "" && !hasDefaultRole():
		return r.pickRole(ctx, chaim.Account{ID: r.AccountID, Name: account})
	case g.listsAccounts():
		return nil
	}
	r.Source.isSTS = (keys.IsAccountID(account) || arn.IsARN(r.Role)) && r.codeProfile() != ""
	return nil
}

// resolve is Resolve without profiles of the AWS config file.
func (r *Request) resolve(ctx context.Context, name string) (account string, held chaim.Profile, err error) {
	held, isAccount, isSame, err := r.profileFor(ctx, name)
	if err != nil || held.Account == "" {
		return name, chaim.Profile{}, err
	}
	isKept := !held.Live
	switch isOther := isAccount && !isSame; {
	case isOther && isKept && r.Role == "" && !r.Kept.HasAlias:
		return "", chaim.Profile{}, cli.Usagef("%q is an account, and the name of a profile for account %q: "+
			"give a role to get that of account %q, name account %q for the other, or delete the profile", name, held.Account, name, held.Account)
	case isOther, isAccount && !isKept, isAccount && r.Role != "" && (held.AccountID == "" || held.AccountID == name):
		return name, chaim.Profile{}, nil
	}
	r.complete(held)
	return held.Account, held, nil
}

// complete takes over what the profile tells and the command line does not, and says so.
func (r *Request) complete(held chaim.Profile) {
	r.AccountID = held.AccountID
	if held.FromConfig {
		r.Source.Profile = held.Account
	}
	whose := fmt.Sprintf("%q", held.Account)
	if held.AccountID != "" && held.AccountID != held.Account {
		whose += " (" + held.AccountID + ")"
	}
	if r.Role != "" {
		r.App.Say("keys for account %s, as profile %q holds them", whose, held.Name)
		return
	}
	r.Role = cmp.Or(held.Role, defaultRole())
	r.Duration = cmp.Or(r.Duration, Duration(held.Duration))
	if hasRegion := os.Getenv("AWS_REGION")+os.Getenv("AWS_DEFAULT_REGION") != ""; r.Kept.IsKept || !hasRegion {
		r.Region = cmp.Or(r.Region, held.Region)
	}
	place := ""
	if r.Region != "" {
		place = " in " + keys.Printable(r.Region)
	}
	r.App.Say("keys for account %s as role %q%s, as profile %q holds them", whose, r.Role, place, held.Name)
}

// profileFor returns the profile of that name. Without one and without a role, it returns the profile in which 'chaim
// account' keeps the account of that name. It reports too whether the name is that of an account, and whether of the
// profile's.
func (r *Request) profileFor(ctx context.Context, name string) (held chaim.Profile, isAccount, isSame bool, err error) {
	held, err = r.profile(ctx, name)
	switch {
	case err != nil:
	case !held.FromConfig && (held.Account == name || held.AccountID == name && held.Account != ""):
		return held, true, true, nil // without asking the gateway
	case held.Account != "":
		isAccount, isSame, err = r.compare(ctx, name, held)
	case cli.ProfileOf(name) != name && r.Role == "":
		held, err = r.profile(ctx, cli.ProfileOf(name))
		if err == nil && held.Account != "" && !held.Live {
			isAccount, isSame, err = r.compare(ctx, name, held)
		}
		if !isSame {
			held = chaim.Profile{}
		}
	}
	return held, isAccount, isSame, err
}

// profile returns the profile of a name, or an empty one. A file that cannot be read has none: keys that are lent without a
// profile need no file.
func (r *Request) profile(ctx context.Context, name string) (held chaim.Profile, err error) {
	path, err := awsenv.CredentialsPath("")
	if err != nil || (sharedfile.File{Path: path}).CanStore() != nil {
		return chaim.Profile{}, nil
	}
	err = r.App.Quiet().Client(chaim.Options{NoProfile: true, ReadOnly: true}, func(c *chaim.Client) error {
		held, err = Find(ctx, c, name)
		return err
	})
	if err != nil && ctx.Err() == nil {
		r.App.Say("no profile is looked for: %s", errtext.Unprefixed(err))
		return chaim.Profile{}, nil
	}
	if held.Dead {
		return chaim.Profile{}, err
	}
	return held, err
}

// compare asks the gateway whether a name is that of an account, or its id, and whether of the account of a profile. It
// compares ids: names may change, and several accounts may share one.
func (r *Request) compare(ctx context.Context, name string, held chaim.Profile) (isAccount, isSame bool, err error) {
	isAccount, isSame = keys.IsAccountID(name), name == held.Account // without a gateway only ids are accounts
	err = r.App.Quiet().Client(chaim.Options{NoProfile: true, AllowInsecure: r.Insecure}, func(c *chaim.Client) error {
		accounts, err := r.listBy(ctx, c)
		if err != nil {
			return err
		}
		isAccount, isSame = false, false
		for _, known := range accounts {
			if known.ID == name || known.Name == name {
				isAccount = true
				isSame = isSame || !held.FromConfig && (known.ID == held.AccountID || held.AccountID == "" && known.Name == held.Account)
			}
		}
		return nil
	})
	if errors.Is(err, chaim.ErrNotConfigured) || errors.Is(err, chaim.ErrSignedOut) { // or its token was not passed on
		err = nil
	}
	return isAccount, isSame, err
}

// Find returns the profile of a name, with only its name if there is none.
func Find(ctx context.Context, c *chaim.Client, name string) (chaim.Profile, error) {
	profiles, err := c.MyAccountList(ctx)
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return chaim.Profile{Name: name}, err
}

// heldBy returns the profiles that are held, without those that dead programs left.
func heldBy(ctx context.Context, c *chaim.Client) []chaim.Profile {
	profiles, _ := c.MyAccountList(ctx)
	return slices.DeleteFunc(profiles, func(p chaim.Profile) bool { return p.Dead })
}

// Names returns the names of the profiles that are held, parked, or both. They only help people, so an error means none.
func Names(ctx context.Context, c *chaim.Client, held, parked bool) (names []string) {
	if held {
		for _, p := range heldBy(ctx, c) {
			names = append(names, p.Name)
		}
	}
	if parked {
		more, _ := c.ListParkAccounts(ctx)
		names = append(names, more...)
	}
	return names
}
