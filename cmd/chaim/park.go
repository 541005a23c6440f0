package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
)

func (a *app) parkCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "park PROFILE... [flags]",
		GroupID: groupProfiles,
		Short:   "Put profiles aside, without their keys",
		Long: `park takes profiles out of the credentials file, and keeps what they were for in the file chaim-parked beside it,
without the keys. 'chaim unpark' brings them back. A profile that fails stays as it was, and does not stop the others.`,
		Example:           "  chaim park sredev\n  chaim list --json | jq -r '.[].name' | xargs -r chaim park",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.forEach(cmd.Context(), args, "parking", func(c *chaim.Client, name string) error {
				if err := c.ParkAccount(cmd.Context(), name); err != nil {
					return suggestProfile(err, name, heldNames(cmd.Context(), c))
				}
				a.say("profile %q is parked%s", name, keysInDefault(cmd.Context(), c, name))
				return nil
			})
		},
	}
}

func (a *app) unparkCommand() *cobra.Command {
	var insecure, asJSON bool
	cmd := &cobra.Command{
		Use:     "unpark PROFILE... [flags]",
		GroupID: groupProfiles,
		Short:   "Bring parked profiles back, with new keys",
		Long: `unpark gets new keys for profiles that are parked, and puts them into the credentials file, as 'chaim account' does,
some at a time. It prints when each expires. Those that fail stay parked, and do not stop the others.`,
		Example:           "  chaim unpark sredev\n  chaim listpark | xargs -r chaim unpark",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeParked,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withClient(chaim.Options{AllowInsecure: insecure}, func(c *chaim.Client) error {
				return a.renew(cmd.Context(), c, args, asJSON, func(ctx context.Context, name string) (chaim.AwsCreds, error) {
					creds, err := c.UnparkAccount(ctx, name)
					if errors.Is(err, fs.ErrNotExist) {
						err = errtext.Chain(fmt.Sprintf("chaim: there is no parked profile %q", name), err)
					}
					return creds, suggestProfile(err, name, parkedNames(ctx, c))
				})
			})
		},
	}
	addInsecureFlag(cmd, &insecure)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) deleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "delete PROFILE... [flags]",
		Aliases: []string{"rm"},
		GroupID: groupProfiles,
		Short:   "Remove profiles",
		Long: `delete removes profiles from the credentials file, and parked ones from chaim-parked. Sections that chaim did not write
are refused, and so are profiles of programs that may still run. One that fails, also because it is not there, does not
stop the others.`,
		Example:           "  chaim delete sredev\n  chaim rm sredev work",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeDeletable,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.forEach(cmd.Context(), args, "deleting", func(c *chaim.Client, name string) error {
				return a.delete(cmd.Context(), c, name)
			})
		},
	}
}

func (a *app) delete(ctx context.Context, c *chaim.Client, name string) error {
	p, err := find(ctx, c, name)
	if err != nil {
		return err
	}
	before, _ := c.DefaultAccount(ctx)
	parked := parkedNames(ctx, c)
	wasParked := slices.Contains(parked(), name)
	if err := c.DeleteAccount(ctx, name); err != nil {
		return err
	}
	after, _ := c.DefaultAccount(ctx)
	switch {
	case p.Account != "" && wasParked:
		a.say("profile %q is deleted, but not what is parked under that name for another account: delete that by the same command%s", name, keysInDefault(ctx, c, name))
		return nil
	case p.Account != "":
		a.say("profile %q is deleted%s", name, keysInDefault(ctx, c, name))
		return nil
	case wasParked:
		a.say("the parked profile %q is deleted%s", name, keysInDefault(ctx, c, name))
		return nil
	case before == name && after != name: // the profile itself had gone before
		a.say("the default account %q is deleted", name)
		return nil
	}
	none := errtext.Chain(fmt.Sprintf("chaim: there is no profile %q", name), fs.ErrNotExist)
	return suggestProfile(none, name, func() []string { return append(heldNames(ctx, c)(), parked()...) })
}

// keysInDefault says where keys have stayed in [default] for a profile that is gone.
func keysInDefault(ctx context.Context, c *chaim.Client, name string) string {
	section, err := c.DefaultSection(ctx)
	if err != nil || cmp.Or(section.Value("alias"), section.Value("section")) != name || section.Value("aws_access_key_id") == "" {
		return ""
	}
	return ", but the keys in [default], which names it, are not chaim's and stay: remove them by hand if they are of that account"
}

// heldNames returns a function that lists the profiles that are held, none where they cannot be read.
func heldNames(ctx context.Context, c *chaim.Client) func() []string {
	return func() (names []string) {
		profiles, _ := c.MyAccountList(ctx)
		for _, p := range profiles {
			names = append(names, p.Name)
		}
		return names
	}
}

// parkedNames is heldNames for what is parked.
func parkedNames(ctx context.Context, c *chaim.Client) func() []string {
	return func() []string {
		names, _ := c.ListParkAccounts(ctx)
		return names
	}
}

// forEach calls fn, which is doing something, for each profile once, one after the other, also after failures.
func (a *app) forEach(ctx context.Context, names []string, doing string, fn func(c *chaim.Client, name string) error) error {
	return a.withFiles(func(c *chaim.Client) error {
		var errs []error
		for _, name := range distinct(names) {
			err := context.Cause(ctx)
			if err == nil {
				err = fn(c, name)
			}
			if err != nil {
				errs = append(errs, errtext.Wrap(err, "%s profile %q", doing, name))
			}
		}
		return failures(ctx, errs)
	})
}
