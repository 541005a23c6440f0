package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// FindCenter completes an Identity Center from the AWS config file. It touches no network.
func (a *App) FindCenter(c idcenter.Center) (*idcenter.Center, error) {
	c.Files, c.Log = profiles.AWSFiles{}, a.Log
	return idcenter.Find(c, profiles.OpenSignIn)
}

// CenterOf returns the Identity Center that gives the keys of a client, or nil.
func (a *App) CenterOf(c *chaim.Client) *idcenter.Center {
	broker, isCenter := c.Broker().(chaim.IdentityCenter)
	if !isCenter {
		return nil
	}
	found, err := a.FindCenter(idcenter.Center{Session: broker.Session, StartURL: broker.StartURL, Region: broker.Region})
	if err != nil {
		return nil
	}
	return found
}

// NotAsked says why chaim does not ask the Identity Center of session, or any one if session is empty. It names the variable
// that changes that. The text is empty if chaim asks it, if the AWS config file has none, or if a gateway comes first.
func (a *App) NotAsked(ctx context.Context, session string) (text string) {
	_ = a.Quiet().Client(chaim.Options{NoProfile: true, ReadOnly: true}, func(c *chaim.Client) error {
		center := a.CenterOf(c)
		if GatewaySource(ctx, c) == "" && (center == nil || session != "" && center.Session != session) {
			text = whyNotAsked(session)
		}
		return nil
	})
	return text
}

func whyNotAsked(session string) string {
	files, err := profiles.AWSFiles{}.Profiles()
	known := slices.Sorted(maps.Keys(files.Sessions))
	if err != nil || len(known) == 0 {
		return ""
	}
	set := idcenter.SessionVariable + "=" + keys.Printable(cmp.Or(session, known[0]))
	who := "Identity Center " + keys.Printable(cmp.Or(session, strings.Join(known, ", ")))
	switch chosen, variable := os.Getenv(idcenter.SessionVariable), (profiles.AWSFiles{}).OwnSource(); {
	case chosen != "":
		return fmt.Sprintf("%s is %s; %s makes chaim ask that one", idcenter.SessionVariable, keys.QuoteShort(chosen), set)
	case variable != "":
		return fmt.Sprintf("%s is set, so chaim does not ask %s; %s makes it do so", variable, who, set)
	case len(known) > 1:
		return fmt.Sprintf("there are several Identity Centers: %s; %s makes chaim ask that one", keys.Printable(strings.Join(known, ", ")), set)
	}
	return ""
}

// KeysFrom names the broker of a client in a few words. It touches no network.
func (a *App) KeysFrom(ctx context.Context, c *chaim.Client) string {
	if center := a.CenterOf(c); center != nil {
		return TellCenter(center)
	}
	switch broker := c.Broker().(type) {
	case *chaim.Gateway:
		endpoint, _ := c.Endpoint(ctx)
		return fmt.Sprintf("gateway %s as %s", endpoint, keys.Printable(broker.Settings.Username))
	case chaim.Profiles:
		return "profiles of the AWS config file"
	}
	return "AWS STS, asked with the keys that the AWS SDK finds"
}

// TellCenter names an Identity Center for people.
func TellCenter(c *idcenter.Center) string {
	text := "IAM Identity Center " + keys.Printable(c.StartURL)
	if c.Session != "" {
		text += " (" + keys.Printable(c.Session) + ")"
	}
	return text
}

// LogBroker logs the broker of a client with opts.
func (a *App) LogBroker(ctx context.Context, opts chaim.Options) {
	if !a.Log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	opts.NoProfile, opts.ReadOnly = true, true
	_ = a.Quiet().Client(opts, func(c *chaim.Client) error {
		a.logBroker(ctx, c)
		return nil
	})
}

func (a *App) logBroker(ctx context.Context, c *chaim.Client) {
	if a.Log.Enabled(ctx, slog.LevelInfo) {
		a.Log.Info("chaim: keys come from " + a.KeysFrom(ctx, c))
	}
}
