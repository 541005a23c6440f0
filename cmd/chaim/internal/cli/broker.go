package cli

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// FindCenter completes an Identity Center by the AWS config file. It touches no network.
func (a *App) FindCenter(c idcenter.Center) (*idcenter.Center, error) {
	c.Files, c.Log = profiles.AWSFiles{}, a.Log
	return idcenter.Find(c, func(session, startURL string) (idcenter.SignIn, error) { return profiles.OpenSignIn(session, startURL) })
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

// KeysFrom says in a few words what gives the keys of a client. It touches no network.
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

// TellCenter names an Identity Center.
func TellCenter(c *idcenter.Center) string {
	text := "IAM Identity Center " + keys.Printable(c.StartURL)
	if c.Session != "" {
		text += " (" + keys.Printable(c.Session) + ")"
	}
	return text
}

// LogBroker logs what gives the keys that opts ask for.
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
