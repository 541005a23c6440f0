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
	"github.com/chaim-go/chaim/cmd/chaim/internal/loopback"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/gatewayauth"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
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
	if err := change(ctx, nil); err != nil { // before a person does anything
		return keep(err)
	}
	host, _ := os.Hostname()
	show, end := way.Begin(ctx, a)
	defer end()
	session, err := server.Login(ctx, gatewayauth.Login{
		Program: "chaim/" + cmp.Or(a.Version, "devel"), Host: cmp.Or(host, "unknown"),
		Port: way.Port, Device: way.Device, IsForeign: loopback.IsForeign,
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
	settings := chaim.Settings{
		Endpoint: server.URL, Protocol: gateway.V1, Username: session.User, UserToken: session.Token, TokenExpires: session.Expires,
	}
	if err := settings.Store(ctx, ""); err != nil {
		err = keep(err)
		if endErr := server.Revoke(keys.WithSingleAttempt(ctx, true), session.Token); endErr != nil {
			return errtext.Chain(fmt.Sprintf("%v; the new session lives on, because ending it failed: %s", err, errtext.Unprefixed(endErr)), err, endErr)
		}
		return errtext.Chain(fmt.Sprintf("%v; so the new session was ended again", err), err)
	}
	a.Say("signed in to %s as %s; the session ends %s", server.URL, session.User, humantime.Until(session.Expires, time.Now()))
	tellEnvironment(a)
	return nil
}

// tellEnvironment says that variables hide the settings of the file.
func tellEnvironment(a *cli.App) {
	if names := cli.GatewayVariables(); len(names) > 0 {
		a.Say("%s is set, so the settings of the environment are used and not those of the credentials file", names[0])
	}
}

// change edits the section [default]: it removes keys of the settings. Without isGone it only checks that it could.
func change(ctx context.Context, isGone func(stored map[string]string) func(key string) bool) error {
	book, err := profiles.OpenIn("", nil)
	if err != nil {
		return err
	}
	if isGone == nil {
		isGone = func(map[string]string) func(string) bool { return func(string) bool { return false } }
	}
	return book.StoreSettings(ctx, nil, isGone)
}

// SignOut ends the session of the stored settings, and removes its token from the credentials file, also if the gateway does
// not answer.
func SignOut(ctx context.Context, a *cli.App) error {
	stored := cli.StoredSettings()
	if stored.UserToken == "" {
		a.Say("there was no session at %s", keys.Printable(stored.Endpoint))
		return nil
	}
	endErr := find(ctx, a, stored.Endpoint, func(server *gatewayauth.Server) error { return server.Revoke(ctx, stored.UserToken) })
	ctx = context.WithoutCancel(ctx)
	center.ForgetKeys(ctx, a)
	err := change(ctx, func(now map[string]string) func(key string) bool {
		isSame := now["usertoken"] == stored.UserToken // another chaim may have signed in meanwhile
		return func(key string) bool { return isSame && (key == "usertoken" || key == "tokenexpires") }
	})
	switch path, _ := awsenv.CredentialsPath(""); {
	case err != nil:
		return errors.Join(errtext.Wrap(err, "removing the user token"), endErr)
	case endErr != nil:
		ends := "until it ends"
		if !stored.TokenExpires.IsZero() {
			ends = "and ends " + humantime.Until(stored.TokenExpires, time.Now())
		}
		return errtext.Wrap(endErr, "the user token is removed from %+q, but the session at %s lives on %s", path, stored.Endpoint, ends)
	}
	a.Say("signed out of %s; keys that were lent stay valid until they expire", stored.Endpoint)
	tellEnvironment(a)
	return nil
}

// Offer offers to sign in again if a command failed because the session at the stored gateway has ended. isSignedIn says that
// the command may go on. Otherwise the error is that of the command, or that of the sign-in.
func Offer(ctx context.Context, a *cli.App, failed error) (isSignedIn bool, err error) {
	over := gateway.AsSignedOut(failed)
	hasRun := errors.As(failed, new(proc.Exit)) // a part of the work may be done
	if over == nil || hasRun || ctx.Err() != nil || !a.CanPick() || len(cli.GatewayVariables()) > 0 {
		return false, failed
	}
	url := strings.TrimRight(over.Endpoint, "/")
	if stored := cli.StoredSettings(); stored.Protocol != gateway.V1 || strings.TrimRight(stored.Endpoint, "/") != url {
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
