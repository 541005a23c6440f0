package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// keeping says how keys become a profile that stays.
type keeping struct {
	request
	alias     string
	terrible  bool
	isDefault bool
	asJSON    bool
}

func (a *app) accountCommand() *cobra.Command {
	var k keeping
	cmd := &cobra.Command{
		Use:        "account ACCOUNT [ROLE] [flags]",
		SuggestFor: []string{"assume", "switch", "use"},
		Aliases:    []string{"get"},
		GroupID:    groupProfiles,
		Short:      "Keep credentials of an account as a profile until they expire",
		Long: `account gets keys for the account and role, and keeps them as a profile of the shared credentials file. Nothing
renews them but 'chaim renew'. It prints the name of the profile, and on stderr when the keys expire.

The profile has the name of the account, where each run of characters that are not letters, digits or one of _./%@:+-
becomes a hyphen, or the name given by --alias. It replaces a kept profile of that name. One that holds keys of another
account, which have not expired, is replaced only where --alias names it. Where the profile is the default account, it
stays so.` + aboutNames,
		Example: `  chaim account sredev
  chaim account "Connected Homes" mpu -d 8h
  chaim account sredev -a work -D
  profile=$(chaim account sredev) && AWS_PROFILE=$profile aws s3 ls`,
		ValidArgsFunction: a.completeAccountAndRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			account, err := k.takeArgs(cmd, args)
			if err != nil {
				return err
			}
			return a.keep(cmd.Context(), k, account)
		},
	}
	k.addFlags(a, cmd)
	f := cmd.Flags()
	f.StringVarP(&k.alias, "alias", "a", "", "`NAME` of the profile (default that of the account)")
	f.BoolVarP(&k.isDefault, "default", "D", false, "also make it the default account, for programs that name no profile")
	f.BoolVarP(&k.terrible, "terrible", "T", false, "also write aws_security_token, for old Ansible and Terraform")
	addJSONFlag(cmd, &k.asJSON)
	_ = cmd.RegisterFlagCompletionFunc("alias", cobra.NoFileCompletions)
	return cmd
}

// outsideProfile is what a profile's name cannot have.
var outsideProfile = lazyregexp.New(`[^A-Za-z0-9_./%@:+-]+`)

// profileOf is the name of the profile for an account. Several accounts may have the same.
func profileOf(account string) string { return outsideProfile().ReplaceAllString(account, "-") }

// keep gets keys and leaves them in a profile.
func (a *app) keep(ctx context.Context, k keeping, account string) error {
	account, held, err := a.named(ctx, &k.request, account, &k)
	if err != nil {
		return err
	}
	opts := k.options(account)
	name := profileOf(account)
	if profileOf(held.Name) == held.Name { // other tools give names that chaim does not
		name = cmp.Or(held.Name, name)
	}
	opts.TempName, opts.Terrible, opts.Default = cmp.Or(k.alias, name), k.terrible, k.isDefault
	opts.Keep, opts.NoReplace, opts.NoRenew = true, k.alias == "", true
	return a.withClient(opts, func(c *chaim.Client) error {
		parked, _ := c.ListParkAccounts(ctx) // for what is said only
		creds, err := requestKeys(ctx, c, account)
		switch {
		case errors.Is(err, chaim.ErrInUse) && strings.HasSuffix(err.Error(), "choose another profile name"):
			return fmt.Errorf("%w (--alias NAME)", err)
		case err != nil:
			return err
		}
		a.say("profile %q: expires %s", c.Profile(), humantime.Until(creds.Expires, time.Now()))
		p, err := find(ctx, c, c.Profile())
		if p.Default {
			a.say("profile %q is the default account: programs that name no profile use it", p.Name)
		}
		if slices.Contains(parked, c.Profile()) {
			a.tellOfParked(ctx, c)
		}
		switch {
		case !k.asJSON:
			_, err = fmt.Fprintln(a.out, c.Profile())
			return err
		case err != nil:
			return err
		}
		return writeJSON(a.out, describe(p))
	})
}

// tellOfParked says what has become of the profile that was parked under the name of the client's.
func (a *app) tellOfParked(ctx context.Context, c *chaim.Client) {
	parked, err := c.ListParkAccounts(ctx)
	switch {
	case err != nil:
	case slices.Contains(parked, c.Profile()):
		a.say("another account is parked as %q, and cannot be unparked while this profile is held", c.Profile())
	default:
		a.say("the parked profile %q is replaced: it no longer counts as parked", c.Profile())
	}
}

// find returns a profile that is held, with only its name where it is not.
func find(ctx context.Context, c *chaim.Client, name string) (chaim.Profile, error) {
	profiles, err := c.MyAccountList(ctx)
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return chaim.Profile{Name: name}, err
}

// profileInfo is what the commands print of a profile for programs.
type profileInfo struct {
	Name    string     `json:"name"`
	Account string     `json:"account"`
	Role    string     `json:"role"`
	Region  string     `json:"region"`
	Expires *time.Time `json:"expires"` // in UTC; null where that is unknown
}

func describe(p chaim.Profile) profileInfo {
	info := profileInfo{p.Name, p.Account, p.Role, p.Region, nil}
	if !p.Expires.IsZero() {
		end := p.Expires.UTC()
		info.Expires = &end
	}
	return info
}
