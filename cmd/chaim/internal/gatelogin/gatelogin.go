// Package gatelogin signs a person in to a chaim gateway, and out of it.
package gatelogin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/center"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/gatewayauth"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/settingsfile"
)

// find asks the server at a URL whether it is a gateway, and calls fn with it.
func find(ctx context.Context, a *cli.App, url string, fn func(*gatewayauth.Server) error) error {
	client, done, err := awssts.HTTPClient(nil, profiles.AWSFiles{})
	if err != nil {
		return err
	}
	defer done()
	server, err := gatewayauth.Find(ctx, url, client, a.Log)
	if err != nil {
		return err
	}
	return fn(server)
}

// SignIn signs in to the gateway at a URL, and stores its settings in the section [default] of the credentials file. The error
// wraps a [*gatewayauth.NotGatewayError] if the server at the URL is none.
func SignIn(ctx context.Context, a *cli.App, way center.Way, url string) error {
	return find(ctx, a, url, func(server *gatewayauth.Server) error { return signIn(ctx, a, way, server) })
}

func signIn(ctx context.Context, a *cli.App, way center.Way, server *gatewayauth.Server) error {
	keep := func(err error) error { return errtext.Wrap(err, "the session at %s cannot be kept", server.URL) }
	if err := settingsfile.CheckWrite(ctx); err != nil { // before a person does anything
		return keep(err)
	}
	host, _ := os.Hostname()
	show, end := way.Begin(ctx, a)
	defer end()
	session, err := server.Login(ctx, gatewayauth.Login{
		Program: "chaim/" + cmp.Or(a.Version, "devel"), Host: cmp.Or(host, "unknown"),
		Port: way.Port, Device: way.Device, IsForeign: center.IsForeign(a),
		Show: func(p gatewayauth.Page) {
			if p.Check != "" {
				fmt.Fprintf(a.Err, "The page must show the code %s. If it shows another one, another program asks: press Deny.\n\n", p.Check)
			}
			show(p.URL, p.Code)
		},
	})
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the session has begun
	err = Store(ctx, a, chaim.Settings{
		Endpoint: server.URL, Protocol: gateway.V1, Username: session.User, UserToken: session.Token, TokenExpires: session.Expires,
	})
	if err != nil {
		return server.Abandon(ctx, session, keep(err))
	}
	a.Say("signed in to %s as %s; the session ends %s", server.URL, session.User, humantime.Until(session.Expires, time.Now()))
	tellEnvironment(a)
	return nil
}

// Store stores settings as [chaim.Settings.Store] does. Then it ends the session that they replace, if 'chaim login' made it:
// nobody else has its token. If that fails, Store only says that the session lives on.
func Store(ctx context.Context, a *cli.App, s chaim.Settings) error {
	replaced, err := settingsfile.Replace(ctx, "", gateway.Settings(s))
	if err != nil {
		return err
	}
	for _, before := range replaced {
		if before.Protocol == gateway.V1 {
			endReplaced(context.WithoutCancel(ctx), a, chaim.Settings(before), s)
		}
	}
	return nil
}

func endReplaced(ctx context.Context, a *cli.App, before, now chaim.Settings) {
	if !gateway.IsSameURL(before.Endpoint, now.Endpoint) || before.Username != now.Username {
		forgetNames(ctx, a, before)
	}
	isOver := before.TokenExpires.Before(time.Now()) // or not known, which it always is after a sign-in
	if before.UserToken == "" || isOver {
		return
	}
	ctx, stop := context.WithTimeoutCause(ctx, replacedTime, fmt.Errorf("no answer within %s", replacedTime))
	defer stop()
	err := find(ctx, a, before.Endpoint, func(server *gatewayauth.Server) error { return server.RevokeLogin(ctx, before.UserToken) })
	if err != nil {
		a.Say("the session of %s at %s, which is replaced, %s: %s",
			keys.Printable(before.Username), keys.Printable(before.Endpoint), gatewayauth.LivesOn(before.Endpoint, before.TokenExpires), errtext.Unprefixed(err))
	}
}

// replacedTime is how long it may take to end a session that another one replaces.
const replacedTime = 20 * time.Second

// forgetNames removes the names that the gateway of settings has listed: they may be those of another person.
func forgetNames(ctx context.Context, a *cli.App, s chaim.Settings) {
	err := a.Quiet().Client(chaim.Options{Settings: &s, NoProfile: true, ReadOnly: true}, func(c *chaim.Client) error {
		source, isLister := names.Of(ctx, c)
		if !isLister {
			return nil
		}
		return source.Forget()
	})
	if err != nil {
		a.Log.Warn("chaim: the names of accounts are not removed", "error", err)
	}
}

// tellEnvironment says that variables hide the settings of the file.
func tellEnvironment(a *cli.App) {
	if names := cli.GatewayVariables(); len(names) > 0 {
		a.Say("%s is set, so the settings of the environment are used and not those of the credentials file", names[0])
	}
}

// SignOut ends the stored session at the gateway of that URL, and removes its token from the credentials file, also if the
// gateway does not answer. If ctx ends first, the token stays: nothing else could end the session.
func SignOut(ctx context.Context, a *cli.App, url string) error {
	stored, err := cli.StoredSettings()
	switch {
	case err != nil:
		return err
	case stored.Protocol != gateway.V1 || !gateway.IsSameURL(stored.Endpoint, url): // another chaim has written meanwhile
		return fmt.Errorf("chaim: the credentials file has no session at %s any more, so nothing was ended", keys.Printable(url))
	case stored.UserToken == "":
		a.Say("there was no session at %s", keys.Printable(stored.Endpoint))
		return nil
	}
	path, _ := awsenv.CredentialsPath("")
	endErr := find(ctx, a, stored.Endpoint, func(server *gatewayauth.Server) error { return server.Revoke(ctx, stored.UserToken) })
	if endErr != nil && ctx.Err() != nil {
		return errtext.Wrap(endErr, "the session at %s may live on, so its token is still in %+q: run 'chaim logout' again", keys.Printable(stored.Endpoint), path)
	}
	ctx = context.WithoutCancel(ctx)
	center.ForgetKeys(ctx, a)
	forgetNames(ctx, a, stored)
	err = settingsfile.RemoveToken(ctx, stored.UserToken)
	lives := gatewayauth.LivesOn(stored.Endpoint, stored.TokenExpires)
	switch {
	case err != nil && endErr != nil:
		return errors.Join(errtext.Wrap(err, "removing the user token"), errtext.Wrap(endErr, "the session at %s %s", stored.Endpoint, lives))
	case err != nil:
		return errtext.Wrap(err, "the session at %s has ended, but removing its user token failed", stored.Endpoint)
	case endErr != nil:
		return errtext.Wrap(endErr, "the user token is removed from %+q, but the session at %s %s", path, stored.Endpoint, lives)
	}
	a.Say("signed out of %s; keys that were lent stay valid until they expire", stored.Endpoint)
	tellEnvironment(a)
	return nil
}

// Offer offers to sign in again if a command failed because the session at the stored gateway has ended. isSignedIn says that
// the command may go on. Otherwise the error is that of the command, or that of the sign-in.
func Offer(ctx context.Context, a *cli.App, failed error) (isSignedIn bool, err error) {
	over := gateway.AsSignedOut(failed)
	hasRun := errors.As(failed, new(proc.Exit)) || cli.AreSeveral(failed) && !term.IsTerminal(a.Out) // or a program reads results
	if over == nil || hasRun || ctx.Err() != nil || !a.CanPick() || len(cli.GatewayVariables()) > 0 {
		return false, failed
	}
	url := strings.TrimRight(over.Endpoint, "/")
	if stored, err := cli.StoredSettings(); err != nil || stored.Protocol != gateway.V1 || !gateway.IsSameURL(stored.Endpoint, url) {
		return false, failed
	}
	a.Waits.Close()
	isYes, err := a.AskYes(ctx, "You are not signed in to "+keys.Printable(url)+". Sign in now?")
	if err != nil || !isYes {
		return false, failed
	}
	if err := SignIn(ctx, a, center.Way{}, url); err != nil {
		return false, err
	}
	return true, nil
}
