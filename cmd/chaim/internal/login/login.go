// Package login has the commands that sign in to IAM Identity Center and out of it.
package login

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/browse"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/credcache"
	"github.com/chaim-go/chaim/cmd/chaim/internal/loopback"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Commands returns the commands.
func Commands(a *cli.App) []*cobra.Command {
	return []*cobra.Command{loginCommand(a), logoutCommand(a)}
}

// flags say where to sign in, and how.
type flags struct {
	startURL, region string
	insecure         bool
	device, noOpen   bool
	port             int
}

// center returns the center that the arguments name.
func (f *flags) center(a *cli.App, args []string) (*idcenter.Center, error) {
	c := idcenter.Center{StartURL: f.startURL, Region: f.region, Files: profiles.AWSFiles{}, Insecure: f.insecure, Log: a.Log}
	c.Session = append(args, os.Getenv(idcenter.SessionVariable))[0]
	if len(args) == 0 && f.startURL != "" {
		c.Session = ""
	}
	return idcenter.Find(c, func(session, startURL string) (idcenter.SignIn, error) { return profiles.OpenSignIn(session, startURL) })
}

// add gives cmd the flags that name a center.
func (f *flags) add(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.startURL, "start-url", "", "`URL` of the access portal, for one that is not in the AWS config file")
	set.StringVarP(&f.region, "region", "R", "", "AWS `REGION` of that Identity Center")
	set.BoolVar(&f.insecure, "insecure", false, "accept an Identity Center that is plain http and not on this machine")
	cmd.MarkFlagsRequiredTogether("start-url", "region")
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
		files, _ := profiles.AWSFiles{}.Profiles()
		for name := range files.Sessions {
			names = append(names, name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func loginCommand(a *cli.App) *cobra.Command {
	f := &flags{}
	cmd := cli.Describe(&cobra.Command{
		Use: "login [SESSION] [flags]", SuggestFor: []string{"signin"}, GroupID: cli.GroupSetUp, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.port < 0 || f.port > 65535 {
				return cli.Usagef("--port is 1 to 65535, not %d", f.port)
			}
			c, err := f.center(a, args)
			if err != nil {
				return err
			}
			return f.signIn(cmd.Context(), a, c)
		},
	})
	f.add(cmd)
	set := cmd.Flags()
	set.BoolVar(&f.device, "device", false, "show a code that you type into a browser anywhere")
	set.IntVar(&f.port, "port", 0, "wait for the browser at port `N` of this machine, as for 'ssh -L N:127.0.0.1:N' (default any)")
	set.BoolVar(&f.noOpen, "no-browser", false, "print the address, and open no browser")
	cmd.MarkFlagsMutuallyExclusive("device", "port")
	return cmd
}

// signIn signs in, and says to how many accounts.
func (f *flags) signIn(ctx context.Context, a *cli.App, c *idcenter.Center) error {
	isChosen := f.device || f.port != 0 || f.noOpen
	if why := noBrowser(); !isChosen && why != "" {
		a.Say("no browser of this machine can be reached (%s), so you get a code to type into one anywhere; --port N is for 'ssh -L'", why)
		f.device = true
	}
	a.Waits.Close() // a person is waited for
	opening, stop := context.WithCancel(ctx)
	var browser sync.WaitGroup
	defer browser.Wait()
	defer stop()
	token, err := c.Login(ctx, idcenter.Login{
		Port: f.port, Device: f.device, IsForeign: loopback.IsForeign,
		Show: func(page, code string) {
			if code != "" {
				fmt.Fprintf(a.Err, "Open this page in a browser:\n\n  %s\n\nand type the code %s there. Go on only if you began this sign-in.\n", page, code)
				return
			}
			fmt.Fprintf(a.Err, "Sign in on this page:\n\n  %s\n\n", page)
			if f.noOpen || f.port != 0 {
				return
			}
			browser.Go(func() {
				if err := browse.Open(opening, a, page, "the address is above"); err != nil && opening.Err() == nil {
					a.Say("%s", errtext.Unprefixed(err))
				}
			})
		},
	})
	if err != nil {
		return err
	}
	forget(ctx, a, c)
	lasts := "the sign-in ends " + humantime.Until(token.Expires, time.Now())
	if token.Refresh != "" {
		lasts = "it is renewed while the Identity Center allows that"
	}
	accounts, err := c.Accounts(ctx)
	if err != nil {
		return errtext.Wrap(err, "signed in to %s, but", c.StartURL)
	}
	a.Say("signed in to %s, where you have %d accounts; %s", keys.Printable(c.StartURL), len(accounts), lasts)
	remember(ctx, a, c, accounts)
	return nil
}

// rolesTime bounds the wait for the roles after the sign-in. A later command lists those that are still missing.
const rolesTime = 2 * time.Second

// remember keeps the names of the accounts and of the roles in them, for completions.
func remember(ctx context.Context, a *cli.App, c *idcenter.Center, accounts []chaim.Account) {
	source := names.OfCenter(c)
	err := source.Store(accounts)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, rolesTime)
		defer cancel()
		err = source.Refresh(ctx)
	}
	if err != nil {
		a.Log.Debug("chaim: not all roles are known", "error", err)
	}
}

// forget removes the keys that credential-process has cached, and the names of c: they may be those of another person.
func forget(ctx context.Context, a *cli.App, c *idcenter.Center) {
	if err := names.OfCenter(c).Forget(); err != nil {
		a.Log.Warn("chaim: the names of accounts are not removed", "error", err)
	}
	cache, err := credcache.Open(a.Log)
	if err == nil {
		_, err = cache.Clear(ctx)
	}
	if err != nil && !errors.Is(err, sharedfile.ErrNoStore) {
		a.Log.Warn("chaim: cached keys are not removed", "error", err)
	}
}

// noBrowser says why no browser on this machine can be used. It is empty if one may be there.
func noBrowser() string {
	if os.Getenv("BROWSER") != "" {
		return ""
	}
	for _, variable := range []string{"SSH_CONNECTION", "SSH_TTY"} {
		if os.Getenv(variable) != "" {
			return variable + " is set"
		}
	}
	if _, err := os.Stat("/.dockerenv"); err == nil {
		return "this is a container"
	}
	isDesktop := os.Getenv("DISPLAY")+os.Getenv("WAYLAND_DISPLAY")+os.Getenv("WSL_DISTRO_NAME") != ""
	if runtime.GOOS == "linux" && !isDesktop {
		return "DISPLAY is not set"
	}
	return ""
}

func logoutCommand(a *cli.App) *cobra.Command {
	f := &flags{}
	cmd := cli.Describe(&cobra.Command{
		Use: "logout [SESSION] [flags]", SuggestFor: []string{"signout"}, GroupID: cli.GroupSetUp, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.center(a, args)
			if err != nil {
				return err
			}
			wasSignedIn, err := c.Logout(cmd.Context())
			forget(cmd.Context(), a, c)
			switch {
			case err != nil:
				return err
			case !wasSignedIn:
				a.Say("there was no sign-in to %s", keys.Printable(c.StartURL))
			default:
				a.Say("signed out of %s; keys that were lent stay valid until they expire", keys.Printable(c.StartURL))
			}
			return nil
		},
	})
	f.add(cmd)
	return cmd
}
