package login

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/center"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/picker"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/gatewayauth"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
)

// target is where a person signs in: at a gateway, or at an Identity Center.
type target struct {
	gateway string // its URL; empty for an Identity Center
	place   center.Place
}

// name is how the command line names the target.
func (t target) name() string {
	if t.gateway != "" {
		return t.gateway
	}
	return t.place.Session
}

// storedGateway returns the URL of the gateway in the credentials file at which a person can sign in, or "".
func storedGateway() (string, error) {
	stored, err := cli.StoredSettings()
	if err != nil || stored.Protocol != gateway.V1 {
		return "", err
	}
	return stored.Endpoint, nil
}

// butOne names the gateway that is stored, if there is one.
func butOne(stored chaim.Settings) string {
	if stored.Protocol != gateway.V1 || stored.Endpoint == "" {
		return ""
	}
	return ", but one at " + keys.Printable(stored.Endpoint)
}

// tokenStays says why logout leaves the user token of stored settings.
func tokenStays(stored chaim.Settings) string {
	has := "no protocol " + gateway.V1
	if stored.Protocol != "" {
		has = "protocol " + keys.QuoteShort(stored.Protocol) + ", not " + gateway.V1
	}
	return "the settings in section [default] of the credentials file have " + has + ", so their user token is not one of a sign-in, and stays"
}

// choose finds the target of the command of that name. Without an argument and flags it is the one that is configured. Among
// several the person picks one.
func choose(ctx context.Context, a *cli.App, command string, args []string, place center.Place) (target, error) {
	switch {
	case len(args) > 0 && (strings.HasPrefix(args[0], "https://") || strings.HasPrefix(args[0], "http://")):
		if _, err := gateway.CheckURL(args[0], "the command line", true); err != nil { // it may hold a password
			return target{}, err
		}
		if place.StartURL != "" {
			return target{}, cli.Usagef("which one: %s, or --start-url %s?", keys.Printable(args[0]), keys.Printable(place.StartURL))
		}
		return target{gateway: args[0], place: place}, nil
	case len(args) > 0:
		place.Session = args[0]
		return target{place: place}, nil
	case place != center.Place{}:
		return target{place: place}, nil
	}
	stored, err := cli.StoredSettings()
	if err != nil { // there may be a gateway
		return target{}, err
	}
	names := sessions()
	if chosen := os.Getenv(idcenter.SessionVariable); chosen != "" {
		names = []string{chosen}
	}
	hasSession := stored.Protocol == gateway.V1
	switch {
	case !hasSession && stored.UserToken != "" && command == "logout" && len(names) == 0:
		return target{}, cli.Usage("there is nothing to sign out of: " + tokenStays(stored))
	case !hasSession && stored.UserToken != "" && command == "logout":
		a.Say("%s", tokenStays(stored))
		return target{}, nil
	case !hasSession && len(names) == 0 && stored.Endpoint != "" && command == "login": // whose settings are older than its sign-ins
		return target{gateway: stored.Endpoint}, nil
	case !hasSession:
		return target{}, nil
	case len(names) == 0:
		return target{gateway: stored.Endpoint}, nil
	}
	all := []target{{gateway: stored.Endpoint}}
	for _, name := range names {
		all = append(all, target{place: center.Place{Session: name}})
	}
	return pick(ctx, a, command, all)
}

// pick lets the person pick a target.
func pick(ctx context.Context, a *cli.App, command string, all []target) (target, error) {
	var rows, names []string
	for _, t := range all {
		row := "Identity Center " + keys.Printable(t.place.Session)
		if t.gateway != "" {
			row = "gateway " + keys.Printable(t.gateway)
		}
		rows, names = append(rows, row), append(names, keys.Printable(t.name()))
	}
	if !a.CanPick() {
		return target{}, cli.Usagef("which one: %s? Give it, as in 'chaim %s %s'", strings.Join(names, ", "), command, names[0])
	}
	i, err := picker.Pick(ctx, a.In, a.Err, "Which one?", rows)
	switch {
	case errors.Is(err, picker.ErrLeft):
		return target{}, proc.Exit(proc.Signaled + int(syscall.SIGINT))
	case err != nil:
		return target{}, err
	}
	return all[i], nil
}

// isNoGateway reports whether a server is no gateway by its own answer.
func isNoGateway(err error) bool {
	no := (*gatewayauth.NotGatewayError)(nil)
	return errors.As(err, &no)
}

// asPortal returns the Identity Center whose start URL the URL of a target may be.
func (t target) asPortal() (place center.Place, isPortal bool) {
	u, err := url.Parse(t.gateway)
	if err != nil || idcenter.CheckStartURL(t.gateway) != nil {
		return place, false
	}
	isLike := idcenter.IsAWS(u.Hostname()) || strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/start")
	place = t.place
	place.StartURL = t.gateway
	return place, isLike || place.Region != ""
}
