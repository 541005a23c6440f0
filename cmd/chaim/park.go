package main

import (
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
				err := c.ParkAccount(cmd.Context(), name)
				if err == nil {
					a.say("profile %q is parked", name)
				}
				return err
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
					return creds, meantProfile(err, name, func(profile string) bool {
						parked, _ := c.ListParkAccounts(ctx)
						return slices.Contains(parked, profile)
					})
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
		Long: `delete removes profiles from the credentials file. Sections that chaim did not write are refused, and so are profiles
of programs that may still run. One that is not there is no failure. One that fails does not stop the others.`,
		Example:           "  chaim delete sredev\n  chaim rm sredev work",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeProfiles,
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
	if err := c.DeleteAccount(ctx, name); err != nil {
		return err
	}
	if p.Account != "" {
		a.say("profile %q is deleted", name)
		return nil
	}
	parked, err := c.ListParkAccounts(ctx)
	if slices.Contains(parked, name) {
		a.say("profile %q is not held, and stays parked", name)
	} else {
		a.say("there is no profile %q", name)
	}
	return err
}

// meantProfile adds to an error with a name, which may be that of an account, the profile that there is for it.
func meantProfile(err error, name string, isThere func(profile string) bool) error {
	if profile := profileOf(name); err != nil && profile != name && isThere(profile) {
		return fmt.Errorf("%w; did you mean the profile %s?", err, profile)
	}
	return err
}

// isHeld tells of a name whether there is a profile for an account under it.
func isHeld(ctx context.Context, c *chaim.Client) func(profile string) bool {
	return func(profile string) bool {
		p, _ := find(ctx, c, profile)
		return p.Account != ""
	}
}

// forEach calls fn, which is doing something, for one profile after the other, also after failures.
func (a *app) forEach(ctx context.Context, names []string, doing string, fn func(c *chaim.Client, name string) error) error {
	return a.withFiles(func(c *chaim.Client) error {
		var errs []error
		for _, name := range names {
			err := context.Cause(ctx)
			if err == nil {
				err = meantProfile(fn(c, name), name, isHeld(ctx, c))
			}
			if err != nil {
				errs = append(errs, errtext.Wrap(err, "%s profile %q", doing, name))
			}
		}
		return failures(ctx, errs)
	})
}
