// Package login has the commands that sign in to a gateway or to IAM Identity Center, and out of it.
package login

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/cmd/chaim/internal/center"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/gatelogin"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// Commands returns the commands.
func Commands(a *cli.App) []*cobra.Command {
	return []*cobra.Command{loginCommand(a), logoutCommand(a)}
}

// describe makes a command with the arguments and flags that name a gateway or an Identity Center.
func describe(a *cli.App, cmd *cobra.Command, place *center.Place, run func(ctx context.Context, t target) error) *cobra.Command {
	cmd.GroupID, cmd.Args = cli.GroupSetUp, cobra.MaximumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := choose(cmd.Context(), a, cmd.Name(), args, *place)
		if err == nil {
			err = run(cmd.Context(), t)
		}
		if errors.Is(err, idcenter.ErrSeveral) {
			names := sessions()
			return cli.Usagef("the AWS config file has several sessions: %s: give one, as in 'chaim %s %s'", strings.Join(names, ", "), cmd.Name(), names[0])
		}
		return err
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		names := sessions()
		if url, err := storedGateway(); err == nil && url != "" {
			names = append(names, url)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
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
	cmd := describe(a, &cobra.Command{Use: "login [SESSION | URL] [flags]", SuggestFor: []string{"signin"}}, &place, func(ctx context.Context, t target) error {
		switch {
		case way.Port < 0 || way.Port > 65535:
			return cli.Usagef("--port is 1 to 65535, not %d", way.Port)
		case t.gateway == "":
			return way.SignIn(ctx, a, t.place)
		}
		err := gatelogin.SignIn(ctx, a, way, t.gateway)
		if !isNoGateway(err) {
			return err
		}
		if place, isPortal := t.asPortal(); isPortal {
			return way.SignIn(ctx, a, place)
		}
		return errtext.Chain(err.Error()+"; if it is the start URL of an Identity Center, give its --region", err)
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
	return describe(a, &cobra.Command{Use: "logout [SESSION | URL] [flags]", SuggestFor: []string{"signout"}}, &place, func(ctx context.Context, t target) error {
		if t.gateway == "" {
			return signOut(ctx, a, t.place)
		}
		stored, err := cli.StoredSettings()
		place, isPortal := t.asPortal()
		switch isHere := gateway.IsSameURL(t.gateway, stored.Endpoint); {
		case err != nil: // the session may be there
			return err
		case isHere && stored.Protocol == gateway.V1:
			return gatelogin.SignOut(ctx, a, t.gateway)
		case isHere && stored.UserToken != "":
			return cli.Usage(tokenStays(stored))
		case isPortal:
			return signOut(ctx, a, place)
		default:
			return cli.Usagef("the credentials file has no session at %s%s", keys.Printable(t.gateway), butOne(stored))
		}
	})
}

// signOut signs out of an Identity Center.
func signOut(ctx context.Context, a *cli.App, place center.Place) error {
	c, err := place.Find(a)
	if err != nil {
		return err
	}
	wasSignedIn, err := c.Logout(ctx)
	center.ForgetNames(a, c.Center)
	center.ForgetKeys(ctx, a)
	switch {
	case err != nil:
		return err
	case !wasSignedIn:
		a.Say("there was no sign-in to %s", keys.Printable(c.StartURL))
	default:
		a.Say("signed out of %s; keys that were lent stay valid until they expire", keys.Printable(c.StartURL))
	}
	return nil
}
