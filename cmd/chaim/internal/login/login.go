// Package login has the commands that sign in to IAM Identity Center and out of it.
package login

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/cmd/chaim/internal/center"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// Commands returns the commands.
func Commands(a *cli.App) []*cobra.Command {
	return []*cobra.Command{loginCommand(a), logoutCommand(a)}
}

// describe makes a command with the arguments and flags that name an Identity Center.
func describe(cmd *cobra.Command, place *center.Place, run func(cmd *cobra.Command) error) *cobra.Command {
	cmd.GroupID, cmd.Args = cli.GroupSetUp, cobra.MaximumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			place.Session = args[0]
		}
		err := run(cmd)
		if errors.Is(err, idcenter.ErrSeveral) {
			names := sessions()
			return cli.Usagef("the AWS config file has several sessions: %s: give one, as in 'chaim %s %s'", strings.Join(names, ", "), cmd.Name(), names[0])
		}
		return err
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return sessions(), cobra.ShellCompDirectiveNoFileComp
	}
	cmd = cli.Describe(cmd)
	set := cmd.Flags()
	set.StringVar(&place.StartURL, "start-url", "", "`URL` of the access portal, for one that is not in the AWS config file")
	set.StringVarP(&place.Region, "region", "R", "", "AWS `REGION` of that Identity Center")
	set.BoolVar(&place.Insecure, "insecure", false, "accept an Identity Center that is plain http and not on this machine")
	return cmd
}

// sessions returns the names of the sessions of the AWS config file, and of the profiles that have a start URL of their own.
func sessions() []string {
	files, _ := profiles.AWSFiles{}.Profiles()
	names := slices.Sorted(maps.Keys(files.Sessions))
	for _, s := range center.Legacy(files) {
		names = append(names, s.Profile)
	}
	return names
}

func loginCommand(a *cli.App) *cobra.Command {
	var place center.Place
	var way center.Way
	cmd := describe(&cobra.Command{Use: "login [SESSION] [flags]", SuggestFor: []string{"signin"}}, &place, func(cmd *cobra.Command) error {
		if way.Port < 0 || way.Port > 65535 {
			return cli.Usagef("--port is 1 to 65535, not %d", way.Port)
		}
		return way.SignIn(cmd.Context(), a, place)
	})
	set := cmd.Flags()
	set.BoolVar(&way.Device, "device", false, "show a code that you type into a browser anywhere")
	set.IntVar(&way.Port, "port", 0, "wait for the browser at port `N` of this machine, as for 'ssh -L N:127.0.0.1:N' (default any)")
	set.BoolVar(&way.NoBrowser, "no-browser", false, "print the address, and open no browser")
	cmd.MarkFlagsMutuallyExclusive("device", "port")
	return cmd
}

func logoutCommand(a *cli.App) *cobra.Command {
	var place center.Place
	return describe(&cobra.Command{Use: "logout [SESSION] [flags]", SuggestFor: []string{"signout"}}, &place, func(cmd *cobra.Command) error {
		c, err := place.Find(a)
		if err != nil {
			return err
		}
		wasSignedIn, err := c.Logout(cmd.Context())
		center.ForgetNames(a, c.Center)
		center.ForgetKeys(cmd.Context(), a)
		switch {
		case err != nil:
			return err
		case !wasSignedIn:
			a.Say("there was no sign-in to %s", keys.Printable(c.StartURL))
		default:
			a.Say("signed out of %s; keys that were lent stay valid until they expire", keys.Printable(c.StartURL))
		}
		return nil
	})
}
