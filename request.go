package chaim

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/renewal"
)

// obtain returns the client's monitor, which may have no keys yet. It is made by the first call.
func (c *Client) obtain(ctx context.Context) (*Monitor, error) {
	if c == nil {
		return nil, errZeroClient
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.checkOpen(); err != nil {
		return nil, err
	}
	m := c.monitor.Load()
	if m != nil {
		return m, nil
	}
	if err := checkAccount(c.opts.Account); err != nil {
		return nil, err
	}
	cfg := renewal.Config{Source: c.renew, Log: c.opts.Logger, Lazy: c.opts.NoRenew, OnExpired: c.onExpired}
	if c.pace != nil {
		cfg.Timeout = eachTimeout
	}
	m = &Monitor{renewal.NewKeeper(ctx, cfg)}
	c.monitor.Store(m)
	return m, nil
}

// renew is the source of the monitor: a new set of keys, in the profile before the monitor serves it.
func (c *Client) renew(ctx context.Context) (aws.Credentials, error) {
	g, err := c.lookup()
	if err == nil && g == nil {
		g, err = c.request(ctx)
	}
	if err == nil {
		if err = c.checkBetter(g); err != nil {
			g = nil
		}
		c.mu.Lock()
		c.unstored = g
		c.mu.Unlock()
	}
	if err != nil {
		return aws.Credentials{}, errtext.Wrap(err, "keys for account %q as %q", c.opts.Account, c.opts.Role)
	}
	if err := c.store(ctx, *g); err != nil {
		return aws.Credentials{}, err
	}
	c.opts.Logger.Info("chaim: new keys", "account", c.opts.Account, "role", c.opts.Role, "profile", c.Profile(), "expires", g.creds.Expires.UTC())
	return g.creds.sdk(), nil
}

// lookup returns keys that could not be stored the last time, if there are any. It refuses a profile name that is taken
// before the gateway is asked; store looks again.
func (c *Client) lookup() (*grant, error) {
	var doc []byte // stays empty without a profile
	var scopes lease.Files
	if !c.opts.NoProfile {
		file := c.own()
		var err error
		if doc, err = file.Read(); err == nil {
			scopes, err = lease.Beside(file.Path)
		}
		if err != nil {
			return nil, err
		}
	}
	if !c.opts.NoProfile && !c.hasWritten() {
		c.findRivals()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scopes = scopes
	pairs, _, _ := inifile.ReadManaged(doc, cmp.Or(c.opts.TempName, defaultProfile)) // what is wrong with it claim says
	c.replaces = holderOf(pairs)
	if _, err := c.claim(doc, nil); err != nil {
		return nil, errtext.Wrap(err, "%s", c.file.Path)
	}
	if g := c.unstored; g != nil && time.Until(g.creds.Expires) > g.lifetime()/2 {
		return g, nil
	}
	return nil, nil
}

// request asks for new keys.
func (c *Client) request(ctx context.Context) (*grant, error) {
	if c.pace == nil {
		return c.ask(ctx)
	}
	var g *grant
	err := c.pace.Do(ctx, func(ctx context.Context) (err error) {
		g, err = c.ask(ctx)
		return err
	})
	return g, err
}

func (c *Client) ask(ctx context.Context) (*grant, error) {
	var g grant
	var err error
	lifetime := c.opts.Duration // that is asked for
	if s, isSTS := c.opts.Source.(*STS); isSTS {
		lifetime = s.duration()
	} else if c.opts.Source != nil {
		lifetime = 0 // of which nothing is known
	}
	if c.gateway != nil {
		g, err = c.askGateway(ctx)
	} else {
		var creds aws.Credentials
		creds, err = retrieve(ctx, c.opts.Source, c.latest.Load() != nil)
		g = grant{creds: credsFrom(creds, ""), account: c.opts.Account}
		asked := c.opts.askedID()
		if id := creds.AccountID; err == nil && asked != "" && id != "" && id != asked { // as of a gateway's reply
			err = fmt.Errorf("chaim: the keys that came are for account %s", quoteShort(id))
		}
	}
	if err != nil {
		return nil, err
	}
	g.creds.Region, g.received = c.opts.Region, time.Now()
	c.tellShort(&g, lifetime)
	return &g, nil
}

// shortSlack is how much sooner than asked for keys may end without a word: clocks differ, and a gateway takes its time.
const shortSlack = 5 * time.Minute

// askGateway asks by the id of the account, once that is known: the name may become another account's.
func (c *Client) askGateway(ctx context.Context) (grant, error) {
	id := c.opts.AccountID
	if last := c.latest.Load(); last != nil && id == "" {
		id = last.creds.AccountID
	}
	return c.gateway.keys(ctx, c.opts, id)
}

// tellShort warns of keys that end sooner than was asked for, but not again where those before did too. Longer ones are
// refused where they come in.
func (c *Client) tellShort(g *grant, asked time.Duration) {
	isShort := func(g *grant) bool { return !g.creds.Expires.IsZero() && asked-g.lifetime() > shortSlack }
	if last := c.latest.Load(); isShort(g) && (last == nil || !isShort(last)) {
		c.opts.Logger.Warn("chaim: keys end sooner than was asked for", "account", c.opts.Account, "role", c.opts.Role,
			"asked", asked, "given", g.lifetime().Round(time.Second))
	}
}

// checkBetter refuses what the monitor would, while it is not in the profile yet.
func (c *Client) checkBetter(g *grant) error {
	var keeper *renewal.Keeper
	if m := c.monitor.Load(); m != nil {
		keeper = m.keeper
	}
	return keeper.Check(g.creds.sdk())
}
