package chaim

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/remote"
)

// StoreKeys stores the keys in text, which is a gateway's reply or the text in it, as if RequestKeys had just been given
// them: they go into the profile, and are renewed. No network is touched.
//
// Keys for another account or role than the client's, keys that end later than Options.Duration allows, and keys that end sooner
// than those at hand, are refused. Otherwise the
// errors are those of [Client.RequestKeys]; for a reply that is a refusal or none of a gateway's it is a [*GatewayError].
func (c *Client) StoreKeys(ctx context.Context, text []byte) (AwsCreds, error) {
	if err := c.checkOpen(); err != nil {
		return AwsCreds{}, err
	}
	var userToken string
	if c.gateway != nil {
		userToken = c.gateway.Token
	}
	var g grant
	keys, err := remote.ReadKeys(text, c.opts.keyRequest(), userToken, c.opts.Logger)
	if err == nil {
		g, err = grantOf(keys, c.opts.Account)
	}
	if err != nil {
		return AwsCreds{}, errtext.Wrap(asGatewayError(err), "storing keys for account %q", c.opts.Account)
	}
	g.creds.Region, g.received = c.opts.Region, time.Now()
	c.tellShort(&g, c.opts.Duration)
	ctx, stop := c.bound(ctx)
	defer stop()
	err = c.checkBetter(&g) // before the monitor takes that for a failed renewal
	if err != nil {
		return AwsCreds{}, errtext.Wrap(err, "storing keys for account %q", c.opts.Account)
	}
	m, err := c.obtain(ctx)
	if err == nil {
		err = m.keeper.RenewBy(ctx, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.unstored = &g
		})
	}
	if err != nil {
		return AwsCreds{}, err
	}
	return g.creds, nil
}

// RenewSection gets new keys for a profile of the credentials file, also one of another program, and stores them there.
// They are for the account, role, duration and region that the section tells, whatever the client was made for; nothing of
// the client changes. The client's gateway or STS is asked; a Source can renew only what is of the client's
// own account and role. Where the profile is the default account, its copy in [default] is renewed too.
//
// The error wraps [fs.ErrNotExist] when there is no such section, [ErrUnmanagedAccount] when it is the user's, and
// [ErrInUse] when it belongs to another scope, which renews it itself, or changes meanwhile. Otherwise the errors are those
// of [Client.RequestKeys]; the section is then as it was.
func (c *Client) RenewSection(ctx context.Context, section string) (AwsCreds, error) {
	if err := cmp.Or(c.checkOpen(), checkHeld(section)); err != nil {
		return AwsCreds{}, err
	}
	if c.isOwn(section) {
		return c.RequestKeys(ctx)
	}
	doc, err := c.read(ctx)
	if err != nil {
		return AwsCreds{}, err
	}
	scopes, err := lease.Beside(c.file.Path)
	if err != nil {
		return AwsCreds{}, err
	}
	asked, err := renewable(scopes, doc, section)
	if err != nil {
		return AwsCreds{}, errtext.Wrap(err, "%s", c.file.Path)
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	g, opts, err := c.requestFor(ctx, section, asked)
	if err != nil {
		return AwsCreds{}, errtext.Wrap(err, "renewing profile %q", section)
	}
	err = c.edit(ctx, func(doc []byte) ([]byte, error) {
		pairs, err := renewable(c.scopes, doc, section)
		switch {
		case err != nil:
			return nil, err
		case pairs["aws_access_key_id"] != g.creds.AccessKeyID && !isSameDefinition(pairs, asked):
			return nil, fmt.Errorf("%w: [%s] has become one for other keys meanwhile", ErrInUse, section)
		}
		return c.rewrite(doc, section, pairs, g, opts)
	})
	if err != nil {
		return AwsCreds{}, errtext.Wrap(err, "renewing profile %q", section)
	}
	return g.creds, nil
}

// isOwn reports whether a profile is the one that this client has written.
func (c *Client) isOwn(profile string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return profile == c.written.section
}

// renewable returns the managed keys of a section that may be given new keys.
func renewable(scopes lease.Files, doc []byte, name string) (map[string]string, error) {
	pairs, exists, err := inifile.ReadManaged(doc, name)
	switch {
	case err != nil:
		return nil, err
	case !exists:
		return nil, notThere(name)
	case pairs[inifile.ScopeKey]+pairs[inifile.ProcessKey] == "":
		return pairs, checkOurs(name, pairs)
	case scopes.IsLive(pairs):
		return nil, fmt.Errorf("%w: [%s] belongs to a scope that may still run, and is renewed by that alone", ErrInUse, name)
	}
	return nil, fmt.Errorf("%w: [%s] belonged to a scope that has ended", ErrInUse, name)
}

func notThere(name string) error {
	return errtext.Chain(fmt.Sprintf("chaim: there is no profile %q", name), fs.ErrNotExist)
}

// checkOurs refuses a section that chaim did not write.
func checkOurs(name string, pairs map[string]string) error {
	switch {
	case pairs[inifile.MarkerKey] == "":
		return fmt.Errorf("%w: [%s] is yours and stays", ErrUnmanagedAccount, name)
	case lease.IsLongLived(pairs["aws_access_key_id"]):
		return fmt.Errorf("%w: [%s] holds long-lived keys, which chaim did not get, and stays", ErrUnmanagedAccount, name)
	}
	return nil
}

// requestFor gets keys for a profile by what its section tells of those it has, or had.
func (c *Client) requestFor(ctx context.Context, profile string, pairs map[string]string) (*grant, *Options, error) {
	opts := Options{
		Account: pairs[inifile.MarkerKey], Role: pairs["role"], Region: pairs["region"], Terrible: pairs["aws_security_token"] != "",
		Settings: c.opts.Settings, Dir: c.opts.Dir, AllowInsecure: c.opts.AllowInsecure, HTTPClient: c.opts.HTTPClient, Logger: c.opts.Logger,
	}
	opts.Duration, _ = humantime.Lifetime(pairs["duration"])
	if id := pairs[inifile.IDKey]; remote.IsAccountID(id) {
		if remote.IsAccountID(opts.Account) && opts.Account != id {
			return nil, nil, fmt.Errorf("%w: it says that it is for account %s, and for %s: delete it, and keep the one that is meant", ErrInUse, opts.Account, id)
		}
		opts.AccountID = id
	}
	regions := configRegions()
	if opts.Region == "" {
		var err error
		if opts.Region, err = chosenRegion(profile, opts.Account, regions); err != nil {
			return nil, nil, err
		}
	}
	if c.hasSource {
		if opts.Account != c.opts.Account || cmp.Or(opts.Role, defaultRole) != c.opts.Role {
			return nil, nil, errtext.Because(ErrNotConfigured, fmt.Errorf("the client's Source gives keys for %q as %q, not for %q as %q", c.opts.Account, c.opts.Role, opts.Account, opts.Role))
		}
		opts.Source = c.opts.Source
	}
	other, err := makeClient(opts, c)
	if err != nil {
		return nil, nil, err
	}
	defer other.Close()
	g, err := other.request(ctx)
	if err == nil {
		err = other.checkBetter(g)
	}
	if err != nil {
		return nil, nil, errtext.Wrap(err, "keys for account %q as %q", opts.Account, opts.Role)
	}
	g.account = opts.Account // whatever the reply calls it
	other.leavesRegion = pairs["region"] == "" && regions(profile) != ""
	return g, other.profileOptions(), nil
}

// rewrite puts new keys into a section of those pairs, and into its copy in [default].
func (c *Client) rewrite(doc []byte, name string, pairs map[string]string, g *grant, opts *Options) ([]byte, error) {
	written := sectionPairs(*g, opts, "", "")
	doc, err := c.followDefault(doc, name, pairs, written)
	if err != nil {
		return nil, err
	}
	return inifile.Set(doc, name, written)
}
