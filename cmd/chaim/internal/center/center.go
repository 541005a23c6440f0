// Package center signs a person in to IAM Identity Center.
package center

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/browse"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/credcache"
	"github.com/chaim-go/chaim/cmd/chaim/internal/loopback"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Place says which Identity Center is meant. The zero value is that of CHAIM_SSO_SESSION, or the only one of the AWS config
// file.
type Place struct {
	Session  string // of the AWS config file
	StartURL string // replaces that of the session
	Region   string // replaces that of the session
	Insecure bool   // accept plain http
}

// Found is an Identity Center.
type Found struct {
	*idcenter.Center
	scopes    []string // of the session
	portalURL string   // the start URL that the user gave, if the session has another one
}

// Find finds the Identity Center. It touches no network.
func (p Place) Find(a *cli.App) (found Found, err error) {
	c := idcenter.Center{Session: p.Session, StartURL: p.StartURL, Region: p.Region, Route: idcenter.Route{Insecure: p.Insecure}}
	if c.Session == "" && c.StartURL == "" {
		c.Session = os.Getenv(idcenter.SessionVariable)
	}
	files, err := profiles.AWSFiles{}.Profiles()
	if err != nil {
		return found, err
	}
	if err := ofProfile(&c, files); err != nil {
		return found, err
	}
	if c.Session != "" { // the file has the start URL by which the sign-in is known
		known := files.Sessions[c.Session]
		if own := known["sso_start_url"]; own != "" && c.StartURL != "" {
			c.StartURL, found.portalURL = own, p.StartURL
		}
		for scope := range strings.SplitSeq(known["sso_registration_scopes"], ",") {
			if scope = strings.TrimSpace(scope); scope != "" {
				found.scopes = append(found.scopes, scope)
			}
		}
	}
	found.Center, err = a.FindCenter(c)
	if err == nil && found.portalURL != "" {
		err = idcenter.CheckStartURL(found.portalURL)
	}
	return found, err
}

// ofProfile replaces the name of a profile by the session or the start URL of that profile. If nothing is named and the file
// has no session, it takes the only start URL of the profiles.
func ofProfile(c *idcenter.Center, files awsprofile.Files) error {
	if c.Session != "" {
		chain, err := files.Chain(c.Session)
		if s := chain.Source.Session; files.Sessions[c.Session] == nil && err == nil && s.StartURL != "" {
			c.Session, c.StartURL, c.Region = s.Name, cmp.Or(c.StartURL, s.StartURL), cmp.Or(c.Region, s.Region)
		}
		return nil
	}
	legacy := Legacy(files)
	if c.StartURL != "" || len(files.Sessions) > 0 || len(legacy) == 0 {
		return nil
	}
	first := legacy[0]
	for _, s := range legacy {
		if s.StartURL != first.StartURL || s.Region != first.Region {
			return cli.Usagef("the profiles of the AWS config file have several start URLs: give the name of a profile, such as %s", keys.QuoteShort(first.Profile))
		}
	}
	c.StartURL, c.Region = first.StartURL, cmp.Or(c.Region, first.Region)
	return nil
}

// Legacy returns the SSO settings of profiles that name no [sso-session].
func Legacy(files awsprofile.Files) (found []awsprofile.Session) {
	for _, name := range files.Leading() {
		if chain, err := files.Chain(name); err == nil && chain.Source.Session.StartURL != "" && chain.Source.Session.Name == "" {
			found = append(found, chain.Source.Session)
		}
	}
	return found
}

// Way says how a person signs in.
type Way struct {
	Device    bool // by a code that is typed into any browser
	NoBrowser bool // print the address, and open no browser
	Port      int  // of this machine to which the browser returns; zero means any
}

// Begin takes the way of a code if no browser of this machine can be reached and the person has not chosen another way. show
// tells the person the page and the code to type there, if there is one, and opens a browser. end must be called when the
// sign-in has ended.
func (w *Way) Begin(ctx context.Context, a *cli.App) (show func(page, code string), end func()) {
	isChosen := w.Device || w.Port != 0 || w.NoBrowser
	if why := noBrowser(); !isChosen && why != "" {
		a.Say("no browser of this machine can be reached (%s), so you get a code to type into one anywhere; --port N is for 'ssh -L'", why)
		w.Device = true
	}
	a.Waits.Close() // the person knows what chaim waits for
	opening, stop := context.WithCancel(ctx)
	var browser sync.WaitGroup
	show = func(page, code string) {
		if code != "" {
			fmt.Fprintf(a.Err, "Open this page in a browser:\n\n  %s\n\nand type the code %s there. Go on only if you began this sign-in.\n", page, code)
			return
		}
		fmt.Fprintf(a.Err, "Sign in on this page:\n\n  %s\n\n", page)
		if w.NoBrowser || w.Port != 0 {
			return
		}
		browser.Go(func() {
			if err := browse.Open(opening, a, page, "the address is above"); err != nil && opening.Err() == nil {
				a.Say("%s", errtext.Unprefixed(err))
			}
		})
	}
	return show, func() { stop(); browser.Wait() }
}

// IsForeign returns [loopback.IsForeign] for a sign-in. It is asked of the browser that brings the answer of this sign-in. If
// that is another user's, it tells the person once: nothing else on the terminal shows why chaim goes on waiting.
func IsForeign(a *cli.App) func(peer, here netip.AddrPort) bool {
	return telling(a, loopback.IsForeign)
}

func telling(a *cli.App, isForeign func(peer, here netip.AddrPort) bool) func(peer, here netip.AddrPort) bool {
	var once sync.Once
	return func(peer, here netip.AddrPort) bool {
		isOther := isForeign(peer, here)
		if isOther {
			once.Do(func() {
				a.Say("the browser of another user of this machine brought the answer, which was not taken: run chaim as that user, or with --device")
			})
		}
		return isOther
	}
}

// SignIn signs in, and tells the person how many accounts there are.
func (w Way) SignIn(ctx context.Context, a *cli.App, p Place) error {
	c, err := p.Find(a)
	if err != nil {
		return err
	}
	show, end := w.Begin(ctx, a)
	defer end()
	token, err := c.Login(ctx, idcenter.Login{
		Port: w.Port, Device: w.Device, Scopes: c.scopes, PortalURL: c.portalURL, IsGiven: p.StartURL != "", IsForeign: IsForeign(a),
		Show: show,
	})
	if err != nil {
		return err
	}
	ForgetNames(a, c.Center)
	lasts := "it is renewed while the Identity Center allows that"
	if token.Refresh == "" {
		lasts = Tell(token, time.Now())
	}
	accounts, err := c.Accounts(ctx)
	if err != nil {
		return errtext.Wrap(err, "signed in to %s, but", c.StartURL)
	}
	a.Say("signed in to %s, where you have %d accounts; %s", keys.Printable(c.StartURL), len(accounts), lasts)
	TellNotAsked(ctx, a, c.Center)
	remember(ctx, a, c.Center, accounts)
	return nil
}

// TellNotAsked tells the person if chaim will not ask this Identity Center for keys, and why.
func TellNotAsked(ctx context.Context, a *cli.App, c *idcenter.Center) {
	if c.Session == "" { // the user gives profiles by their names
		return
	}
	if text := a.NotAsked(ctx, c.Session); text != "" {
		a.Say("%s", text)
	}
}

// rolesTime bounds the wait for the roles after the sign-in. A later command lists those that are still missing.
const rolesTime = 2 * time.Second

// remember keeps the names of the accounts and of their roles, for completions.
func remember(ctx context.Context, a *cli.App, c *idcenter.Center, accounts []chaim.Account) {
	source := names.OfCenter(c)
	err := source.Store(accounts)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, rolesTime)
		defer cancel()
		err = source.Refresh(ctx, 0)
	}
	if err != nil {
		a.Log.Debug("chaim: not all roles are known", "error", err)
	}
}

// ForgetNames removes the names of c: they may be those of another person.
func ForgetNames(a *cli.App, c *idcenter.Center) {
	if err := names.OfCenter(c).Forget(); err != nil {
		a.Log.Warn("chaim: the names of accounts are not removed", "error", err)
	}
}

// ForgetKeys removes the keys in the private cache.
func ForgetKeys(ctx context.Context, a *cli.App) {
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
