package manage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/credcache"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// renewal gets new keys for a profile.
type renewal = func(ctx context.Context, c *chaim.Client, name string) (chaim.AwsCreds, error)

func renew(ctx context.Context, c *chaim.Client, name string) (chaim.AwsCreds, error) {
	creds, err := c.RenewSection(ctx, name)
	return creds, suggest(ctx, c, name, err, true, false)
}

func unpark(ctx context.Context, c *chaim.Client, name string) (chaim.AwsCreds, error) {
	creds, err := c.UnparkAccount(ctx, name)
	if errors.Is(err, fs.ErrNotExist) && !slices.Contains(request.Names(ctx, c, false, true), name) {
		err = errtext.Chain(fmt.Sprintf("chaim: there is no parked profile %q", name), err)
	}
	return creds, suggest(ctx, c, name, err, false, true)
}

// renewCommand completes a command that gets new keys for profiles: those that are named, or all that no program renews.
func renewCommand(a *cli.App, get renewal, cmd *cobra.Command) *cobra.Command {
	r, asJSON := &request.Request{App: a}, false
	cmd.GroupID = cli.GroupProfiles
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.Client(chaim.Options{AllowInsecure: r.Insecure}, func(c *chaim.Client) (err error) {
			if len(names) == 0 {
				if names, err = renewable(cmd.Context(), a, c); err != nil {
					return err
				}
				if len(names) == 0 && !asJSON {
					a.Say("no profiles are held that could be renewed")
				}
			}
			return renewAll(cmd.Context(), a, c, cli.Distinct(names), asJSON, lent(r, get))
		})
	}
	cli.AddInsecureFlag(cmd, &r.Insecure)
	cli.AddJSONFlag(cmd, &asJSON)
	return cli.Describe(cmd)
}

// lent is get with a client whose broker gives the keys of the profile.
func lent(r *request.Request, get renewal) renewal {
	return func(ctx context.Context, c *chaim.Client, name string) (creds chaim.AwsCreds, err error) {
		err = r.Lender(c, name, func(c *chaim.Client) error {
			creds, err = get(ctx, c, name)
			return err
		})
		return creds, err
	}
}

// renewable returns the names of the profiles that no program renews.
func renewable(ctx context.Context, a *cli.App, c *chaim.Client) (names []string, err error) {
	profiles, err := c.MyAccountList(ctx)
	for _, p := range profiles {
		if p.Live {
			a.Say("profile %s is left out: the program that it is lent to renews it", keys.Printable(p.Name))
			continue
		}
		names = append(names, p.Name)
	}
	return names, err
}

// atOnce is how many profiles get keys at the same time.
const atOnce = 8

// renewed is what became of a profile, and its JSON.
type renewed struct {
	profileInfo
	Error *string `json:"error"` // null after success
}

// renewAll gets new keys for profiles, several at a time, and prints the results in the order of names.
func renewAll(ctx context.Context, a *cli.App, c *chaim.Client, names []string, asJSON bool, get renewal) error {
	results := make([]renewed, len(names))
	errs := forEach(ctx, names, atOnce, func(i int, name string) error {
		creds, err := get(ctx, c, name)
		results[i].Name, results[i].Expires = name, &creds.Expires
		return err
	})
	for i, name := range names {
		if errs[i] != nil {
			text := cli.Plainly(errs[i].Error())
			results[i].Error = &text
		}
		if asJSON {
			p, err := request.Find(context.WithoutCancel(ctx), c, name)
			if err != nil {
				return errors.Join(err, cli.Failures(ctx, errs))
			}
			results[i].profileInfo = infoOf(p)
		}
	}
	row := func(r renewed) []term.Cell {
		if r.Error != nil {
			return nil
		}
		return term.Row(keys.Printable(r.Name), humantime.Until(*r.Expires, time.Now()))
	}
	return errors.Join(tell(a, results, asJSON, row), cli.Failures(ctx, errs))
}

// change changes a profile, and says so.
type change = func(ctx context.Context, a *cli.App, c *chaim.Client, name string) error

// changeCommand completes a command that changes profiles one after the other. doing begins its errors.
func changeCommand(a *cli.App, doing string, fn change, cmd *cobra.Command) *cobra.Command {
	cmd.GroupID = cli.GroupProfiles
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		ctx := cmd.Context()
		return a.Client(chaim.Options{}, func(c *chaim.Client) error {
			return cli.Failures(ctx, forEach(ctx, cli.Distinct(names), 1, func(_ int, name string) error {
				if err := fn(ctx, a, c, name); err != nil {
					return errtext.Wrap(err, "%s profile %q", doing, name)
				}
				return nil
			}))
		})
	}
	return cli.Describe(cmd)
}

func park(ctx context.Context, a *cli.App, c *chaim.Client, name string) error {
	if err := c.ParkAccount(ctx, name); err != nil {
		return suggest(ctx, c, name, err, true, false)
	}
	a.Say("profile %q is parked%s", name, keysInDefault(ctx, c, name))
	return nil
}

// remove deletes a profile, and says so. It fails if there is none, unlike [chaim.Client.DeleteAccount].
func remove(ctx context.Context, a *cli.App, c *chaim.Client, name string) error {
	p, err := request.Find(ctx, c, name)
	if err != nil {
		return err
	}
	isHeld, isParked := p.Account != "", slices.Contains(request.Names(ctx, c, false, true), name)
	before, _ := c.DefaultAccount(ctx)
	if err := c.DeleteAccount(ctx, name); err != nil {
		return err
	}
	after, _ := c.DefaultAccount(ctx)
	switch stay := keysInDefault(ctx, c, name); {
	case isHeld && isParked:
		a.Say("profile %q is deleted, but not what is parked under that name for another account: "+
			"delete that by the same command%s", name, stay)
	case isHeld:
		a.Say("profile %q is deleted%s", name, stay)
	case isParked:
		a.Say("the parked profile %q is deleted%s", name, stay)
	case before == name && after != name: // it had no profile any more
		a.Say("the default account %q is deleted", name)
	default:
		none := errtext.Chain(fmt.Sprintf("chaim: there is no profile %q", name), fs.ErrNotExist)
		return suggest(ctx, c, name, none, true, true)
	}
	return nil
}

// keysInDefault tells that [default] still has keys and names a profile that is gone. Otherwise it is empty.
func keysInDefault(ctx context.Context, c *chaim.Client, name string) string {
	section, err := c.DefaultSection(ctx)
	named := cmp.Or(section.Value("alias"), section.Value("section"))
	if err != nil || named != name || section.Value("aws_access_key_id") == "" {
		return ""
	}
	return ", but the keys in [default], which names it, are not chaim's and stay: " +
		"remove them by hand if they are of that account"
}

// sweptInfo is a removed thing in JSON.
type sweptInfo struct {
	Path    string `json:"path"`
	Profile string `json:"profile"` // empty for a file
}

func sweepCommand(a *cli.App) *cobra.Command {
	var asJSON, isWholeCache bool
	cmd := cli.Describe(&cobra.Command{
		Use: "sweep [flags]", Aliases: []string{"clean"}, GroupID: cli.GroupSetUp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var gone []sweptInfo
			swept, err := chaim.Sweep(cmd.Context(), "")
			for _, s := range swept {
				gone = append(gone, sweptInfo(s))
			}
			cached, cacheErr := sweepCache(cmd.Context(), a, isWholeCache)
			named, namesErr := names.Sweep()
			for _, path := range append(cached, named...) {
				gone = append(gone, sweptInfo{Path: path})
			}
			err = errors.Join(err, cacheErr, namesErr)
			if len(gone) == 0 && err == nil && !asJSON {
				a.Say("there is nothing to remove")
			}
			return errors.Join(tell(a, gone, asJSON, func(s sweptInfo) []term.Cell {
				if s.Profile != "" {
					return term.Row("profile " + keys.Printable(s.Profile) + " in " + term.Quoted(s.Path))
				}
				return term.Row("file " + term.Quoted(s.Path))
			}), err)
		},
	})
	cmd.Flags().BoolVar(&isWholeCache, "cache", false, "also remove cached keys that are still valid")
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

// sweepCache removes keys from the cache: those that have expired, or all. It returns the paths that are gone.
func sweepCache(ctx context.Context, a *cli.App, isWhole bool) (gone []string, err error) {
	cache, err := credcache.Open(a.Log)
	switch {
	case errors.Is(err, sharedfile.ErrNoStore):
		return nil, nil
	case err == nil && isWhole:
		return cache.Clear(ctx)
	case err == nil:
		return cache.Sweep(ctx)
	}
	return nil, err
}
