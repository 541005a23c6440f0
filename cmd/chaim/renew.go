package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
)

// renewals is how many profiles get keys at a time.
const renewals = 8

func (a *app) renewCommand() *cobra.Command {
	var insecure, asJSON bool
	cmd := &cobra.Command{
		Use:     "renew [PROFILE...] [flags]",
		GroupID: groupProfiles,
		Short:   "Get new keys for profiles that are held",
		Long: `renew gets new keys for the profiles, and stores them there: for those that are named, or for all that 'chaim list'
shows but those of programs that run, which are renewed by themselves. It gets some at a time, and prints when each expires.
Those that fail stay as they were, and do not stop the others; the exit code is then theirs, or 1 where they differ.`,
		Example:           "  chaim renew\n  chaim renew sredev work\n  chaim renew --json",
		ValidArgsFunction: a.completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withClient(chaim.Options{AllowInsecure: insecure}, func(c *chaim.Client) error {
				if len(args) == 0 {
					var err error
					if args, err = a.renewable(cmd.Context(), c); err != nil {
						return err
					}
					if len(args) == 0 && !asJSON {
						a.say("no profiles are held that could be renewed")
					}
				}
				return a.renew(cmd.Context(), c, args, asJSON, func(ctx context.Context, name string) (chaim.AwsCreds, error) {
					creds, err := c.RenewSection(ctx, name)
					return creds, suggestProfile(err, name, heldNames(ctx, c))
				})
			})
		},
	}
	addInsecureFlag(cmd, &insecure)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// renewable returns the names of the profiles that no program renews.
func (a *app) renewable(ctx context.Context, c *chaim.Client) (names []string, err error) {
	profiles, err := c.MyAccountList(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range profiles {
		if p.Live {
			a.say("profile %s is left out: the program that it is lent to renews it", keys.Printable(p.Name))
			continue
		}
		names = append(names, p.Name)
	}
	return names, nil
}

// distinct returns each name once, where it stands first.
func distinct(names []string) (once []string) {
	for _, name := range names {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

// renewed is what became of a profile.
type renewed struct {
	creds chaim.AwsCreds
	err   error
}

// renewedInfo is what renew and unpark print of a profile for programs.
type renewedInfo struct {
	profileInfo
	Error *string `json:"error"` // null after success
}

// renew has get bring new keys to profiles, several at a time and each once, and prints what became of them in the order
// of names.
func (a *app) renew(ctx context.Context, c *chaim.Client, names []string, asJSON bool,
	get func(context.Context, string) (chaim.AwsCreds, error),
) error {
	names = distinct(names)
	results := make([]renewed, len(names))
	var workers sync.WaitGroup
	queue := make(chan int)
	for range min(renewals, len(names)) {
		workers.Go(func() {
			for i := range queue {
				r := &results[i]
				if ctx.Err() == nil {
					r.creds, r.err = get(ctx, names[i])
				} else {
					r.err = errtext.Wrap(context.Cause(ctx), "profile %q", names[i])
				}
			}
		})
	}
	for i := range names {
		queue <- i
	}
	close(queue)
	workers.Wait()
	var errs []error
	for _, r := range results {
		if r.err != nil {
			errs = append(errs, r.err)
		}
	}
	return errors.Join(a.tellRenewed(ctx, c, names, results, asJSON), failures(ctx, errs))
}

func (a *app) tellRenewed(ctx context.Context, c *chaim.Client, names []string, results []renewed, asJSON bool) error {
	if !asJSON {
		var rows [][]cell
		for i, r := range results {
			if r.err == nil {
				rows = append(rows, []cell{{text: keys.Printable(names[i])}, {text: humantime.Until(r.creds.Expires, time.Now())}})
			}
		}
		return writeLines(a.out, drawing{}.align(rows))
	}
	infos := []renewedInfo{}
	for i, r := range results {
		p, err := find(context.WithoutCancel(ctx), c, names[i])
		if err != nil {
			return err
		}
		info := renewedInfo{profileInfo: describe(p)}
		if r.err != nil {
			text := errtext.Unprefixed(r.err)
			info.Error = &text
		}
		infos = append(infos, info)
	}
	return writeJSON(a.out, infos)
}

// failures is the error of a command that went on after errs. Its exit code is the one that they all have, or 1; that of a
// signal wins.
func failures(ctx context.Context, errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	code := exitCode(errs[0])
	for _, err := range errs {
		if exitCode(err) != code {
			code = exitFailed
		}
	}
	if ctx.Err() != nil {
		code = exitCode(context.Cause(ctx))
	}
	return errors.Join(append(errs, silentError{code})...)
}
