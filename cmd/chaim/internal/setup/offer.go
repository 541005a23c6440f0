package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/center"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

const (
	worksNow  = "'chaim listall' lists the accounts, and 'chaim exec ACCOUNT ROLE' lends keys of one"
	otherwise = "'chaim init -' sets up a gateway all the same"
)

// offer looks for a gateway, an Identity Center, profiles and keys, and offers what it finds. isDone says that no init
// string is needed.
func offer(ctx context.Context, a *cli.App) (isDone bool, err error) {
	hasGateway := false
	err = a.Quiet().Client(chaim.Options{NoProfile: true, ReadOnly: true}, func(c *chaim.Client) (err error) {
		where := cli.GatewaySource(ctx, c)
		if hasGateway = where != ""; hasGateway {
			isDone, err = offerGateway(ctx, a, c, where)
		}
		return err
	})
	if hasGateway || err != nil {
		return isDone, err
	}
	files, err := profiles.AWSFiles{}.Profiles()
	if err != nil {
		return false, err
	}
	switch n := len(files.Leading()); {
	case len(files.Sessions) > 0:
		return offerCenter(ctx, a, slices.Sorted(maps.Keys(files.Sessions)))
	case n > 0:
		a.Say("chaim can use the %s of the AWS files as they are: 'chaim listall' lists them, and 'chaim exec NAME' lends keys of one",
			term.Counted(n, "profile", "profiles"))
		a.Say(otherwise)
		return true, offerLegacy(ctx, a, center.Legacy(files))
	case hasOwnKeys():
		a.Say("there are keys in the environment: 'chaim whoami' tells whose, and 'chaim exec 111111111111 ROLE' asks AWS STS for a role in an account")
		a.Say(otherwise)
		return true, nil
	}
	a.Say("there is no gateway and no AWS profile yet: give the init string of a gateway, or the start URL of an Identity Center; 'aws configure sso' works too")
	return false, nil
}

// hasOwnKeys reports whether the environment has keys that chaim has not lent.
func hasOwnKeys() bool {
	id := os.Getenv("AWS_ACCESS_KEY_ID")
	return id != "" && !awsenv.IsMarked(os.Environ(), id)
}

// offerGateway offers the gateway that is configured, unless the user token has ended.
func offerGateway(ctx context.Context, a *cli.App, c *chaim.Client, where string) (isDone bool, err error) {
	s, err := c.Settings(ctx)
	switch {
	case ctx.Err() != nil:
		return false, err
	case err != nil: // incomplete settings
		a.Say("%s", errtext.Unprefixed(err))
		return false, nil
	case !s.TokenExpires.IsZero() && !s.TokenExpires.After(time.Now()):
		a.Say("your user token has ended: %s", cli.NewTokenOf(s))
		return false, nil
	}
	isYes, err := a.AskYes(ctx, "You have a "+a.KeysFrom(ctx, c)+", from "+where+". Use it as it is?")
	if err != nil || !isYes {
		return false, err
	}
	if err := c.CheckToken(ctx); err != nil {
		if ctx.Err() != nil {
			return false, err
		}
		a.Say("%s", errtext.Unprefixed(err))
		return false, nil
	}
	a.Say("the gateway accepts you: " + worksNow)
	return true, nil
}

// offerCenter offers to sign in to an Identity Center of the AWS config file.
func offerCenter(ctx context.Context, a *cli.App, names []string) (isDone bool, err error) {
	name := cmp.Or(os.Getenv(idcenter.SessionVariable), names[0])
	if len(names) > 1 && os.Getenv(idcenter.SessionVariable) == "" {
		q := question{"You have the Identity Centers " + strings.Join(names, ", ") + ". Which one", name, false, &name}
		if err := ask(ctx, a, q); err != nil {
			return false, err
		}
	}
	c, err := center.Place{Session: name}.Find(a)
	if err != nil {
		return false, err
	}
	who := fmt.Sprintf("(%s, %s)", keys.Printable(c.Session), keys.Printable(c.StartURL))
	if _, err := c.Standing(ctx); err == nil {
		a.Say("you have an Identity Center %s, and are signed in: %s", who, worksNow)
		center.TellNotAsked(ctx, a, c.Center)
		a.Say(otherwise)
		return true, nil
	}
	return signInNow(ctx, a, "You have an Identity Center "+who+". Sign in now?", name)
}

// offerLegacy offers to sign in to the Identity Center of profiles that name no [sso-session].
func offerLegacy(ctx context.Context, a *cli.App, legacy []awsprofile.Session) error {
	if len(legacy) == 0 {
		return nil
	}
	c, err := center.Place{}.Find(a)
	if err != nil {
		a.Say("'chaim login %s' signs in for that profile, and others with its start URL", keys.Printable(legacy[0].Profile))
		return nil
	}
	if _, err := c.Standing(ctx); err == nil {
		return nil
	}
	_, err = signInNow(ctx, a, "Profiles use the Identity Center "+keys.Printable(c.StartURL)+". Sign in now?", "")
	return err
}

// tellFound says in a clause what works without a gateway. It is empty if nothing was found.
func tellFound() string {
	files, _ := profiles.AWSFiles{}.Profiles()
	sessions, legacy := slices.Sorted(maps.Keys(files.Sessions)), center.Legacy(files)
	switch n := len(files.Leading()); {
	case len(sessions) > 0:
		return "; 'chaim login " + keys.Printable(sessions[0]) + "' signs in to an Identity Center of the AWS config file"
	case len(legacy) > 0:
		return "; 'chaim login " + keys.Printable(legacy[0].Profile) + "' signs in for profiles of the AWS config file"
	case n > 0:
		return "; without a gateway chaim can use the " + term.Counted(n, "profile", "profiles") + " of the AWS files"
	case hasOwnKeys():
		return "; without a gateway chaim can use the keys in the environment"
	}
	return ""
}

func signInNow(ctx context.Context, a *cli.App, text, name string) (isDone bool, err error) {
	isYes, err := a.AskYes(ctx, text)
	if err != nil || !isYes {
		return false, err
	}
	if err := (center.Way{}).SignIn(ctx, a, center.Place{Session: name}); err != nil {
		return false, err
	}
	a.Say(worksNow)
	return true, nil
}

// startURLGiven is the error of a question for an init string that a person answers with a start URL.
type startURLGiven struct{ error }

// asStartURL returns a [startURLGiven] if a text is a start URL.
func asStartURL(text string) error {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || idcenter.CheckStartURL(text) != nil {
		return nil
	}
	isPortal := idcenter.IsAWS(u.Hostname()) &&
		!strings.Contains(u.Hostname(), ".execute-api.") && !strings.Contains(u.Hostname(), ".lambda-url.")
	if isPortal || strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/start") {
		return startURLGiven{errors.New(text)}
	}
	return nil
}

// addCenter adds an Identity Center to the AWS config file, and offers to sign in.
func addCenter(ctx context.Context, a *cli.App, startURL string) error {
	u, err := url.Parse(startURL)
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(u.Hostname(), ".")
	region := idcenter.RegionIn(u.Hostname())
	err = ask(ctx, a,
		question{"Name of the Identity Center for you", name, false, &name},
		question{"Its AWS region, such as eu-central-1", region, false, &region})
	if err != nil {
		return err
	}
	if _, err := a.FindCenter(idcenter.Center{StartURL: startURL, Region: region}); err != nil {
		return err
	}
	path, err := profiles.AddSession(ctx, name, startURL, region)
	if err != nil {
		return err
	}
	a.Say("[sso-session %s] is in %s, where the AWS CLI and the SDKs find it too", name, keys.Printable(path))
	_, err = signInNow(ctx, a, "Sign in now?", name)
	return err
}
