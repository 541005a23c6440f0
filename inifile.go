package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/renewal"
)

// Profile is a section of the credentials file with an accountname. Other programs may have written its texts.
type Profile struct {
	Name      string        // of the section
	Account   string        // full name or 12-digit id, or with FromConfig the name of a profile
	AccountID string        // 12-digit id with which its keys are renewed; empty if the section has none
	Role      string        // as requested
	Region    string        // of the section, or else of the AWS config file for the profile
	Expires   time.Time     // zero if the section has no expiry
	Duration  time.Duration // as requested; zero if the section has none
	Form      ProfileForm   // keys or a process
	Default   bool          // the section [default] names it as the default account
	Live      bool          // its scope may still run
	Dead      bool          // the process of its scope died; a kept profile is neither Live nor Dead
	Static    bool          // it holds long-lived keys, which chaim does not renew

	FromConfig bool // its keys are those of a profile of the AWS config file, see [Profiles]
}

// Left returns the time until the keys expire. It is zero if they have expired or the expiry is unknown.
func (p Profile) Left() time.Duration {
	if p.Expires.IsZero() {
		return 0
	}
	return max(0, time.Until(p.Expires))
}

// Percent returns how much of Duration is left, from 0 to 100, rounded down. It is 0 if either is unknown.
func (p Profile) Percent() int {
	if p.Duration <= 0 {
		return 0
	}
	return int(100 * float64(min(p.Left(), p.Duration)) / float64(p.Duration))
}

// MyAccountList returns the profiles of the credentials file, of all programs, in the order of the file. Without a file the
// list is empty. It only reads. The error is [ErrClosed] after Close, or that of ctx or of reading the file.
func (c *Client) MyAccountList(ctx context.Context) ([]Profile, error) {
	if err := c.canRead(ctx); err != nil {
		return nil, errtext.Wrap(err, "listing profiles")
	}
	entries, err := c.book.List()
	if err != nil {
		return nil, errtext.Wrap(err, "listing profiles")
	}
	var list []Profile
	for _, e := range entries {
		list = append(list, profileOf(e))
	}
	return list, nil
}

func profileOf(e profiles.Entry) Profile {
	p := Profile{
		Name:      e.Name,
		Account:   e.Pairs[inifile.MarkerKey],
		AccountID: profiles.HolderOf(e.Pairs).ID,
		Role:      e.Pairs["role"],
		Region:    e.Region,
		Default:   e.Default,
		Live:      e.Live,
		Dead:      e.Pairs[inifile.ScopeKey] != "" && !e.Live,
		Static:    keys.IsLongLived(e.Pairs["aws_access_key_id"]),

		FromConfig: profiles.HolderOf(e.Pairs).FromConfig,
	}
	p.Expires, _ = humantime.Expiry(e.Pairs["expires"])
	p.Duration, _ = humantime.Lifetime(e.Pairs["duration"])
	if e.Pairs[inifile.ProcessKey] != "" && e.Pairs["aws_access_key_id"] == "" {
		p.Form = Process
	}
	return p
}

// DisplayMyList writes [Client.MyAccountList] to w as a table, in one call and in the local time zone. A line has an
// asterisk for the default account, the name, account, role and region, the expiry of the keys, how much of their time is
// left, and the state of the profile: live (its scope may still run), kept, or dead (its process died). If there is a
// gateway, the first line has the expiry of the user token.
//
// It shows no key or token. It quotes text that is not printable ASCII, so that a file cannot control the terminal, and cuts
// very long text. Errors are those of MyAccountList and of w.
func (c *Client) DisplayMyList(ctx context.Context, w io.Writer) error {
	list, err := c.MyAccountList(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	now := time.Now()
	if g, err := c.origin.gateway(); err == nil {
		fmt.Fprintf(&b, "user token of %s: %s\n", keys.Printable(g.Settings.Username), humantime.Until(g.Settings.TokenExpires, now))
	}
	if len(list) == 0 {
		fmt.Fprintf(&b, "no profiles in %s\n", keys.Printable(c.book.Path()))
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, p := range list {
		mark, state := " ", "kept"
		if p.Default {
			mark = "*"
		}
		switch {
		case p.Live:
			state = "live"
		case p.Dead:
			state = "dead"
		}
		ends := humantime.Until(p.Expires, now)
		if p.Duration > 0 && p.Left() > 0 {
			ends = fmt.Sprintf("%s [%d%%]", ends, p.Percent())
		}
		fmt.Fprintf(table, "%s %s\t%s\t%s\t%s\t%s\t%s\n",
			mark, keys.Printable(p.Name), keys.Printable(p.Account), keys.Printable(p.Role), keys.Printable(p.Region), ends, state)
	}
	_ = table.Flush() // to memory
	if _, err := io.WriteString(w, b.String()); err != nil {
		return errtext.Wrap(err, "writing the list of profiles")
	}
	return nil
}

// canRead returns an error if the client is not open or ctx has ended.
func (c *Client) canRead(ctx context.Context) error {
	err := c.checkOpen()
	if err == nil && ctx.Err() != nil {
		err = errtext.Wrap(context.Cause(ctx), "reading %s", c.book.Path())
	}
	return err
}

// RenewSection gets new keys for a profile of the credentials file and stores them there, no matter which program wrote the
// profile. It asks the client's broker, for the account, role, duration and region of the section. A Source can only renew
// profiles of the client's own account and role. The copy in [default] of the default account gets the keys too.
//
// The error wraps [fs.ErrNotExist] if there is no such section, [ErrUnmanagedAccount] if it is the user's, and [ErrInUse]
// if it changes meanwhile or belongs to another scope, which renews it itself. New keys that never end are an error too, as
// with [Options].Keep. Otherwise it is one of [Client.RequestKeys]. After an error the section is unchanged.
func (c *Client) RenewSection(ctx context.Context, section string) (AwsCreds, error) {
	if err := cmp.Or(c.checkOpen(), profiles.CheckHeld(section)); err != nil {
		return AwsCreds{}, err
	}
	if c.scope != nil && c.scope.Has(section) {
		return c.RequestKeys(ctx)
	}
	if err := c.canRead(ctx); err != nil {
		return AwsCreds{}, err
	}
	d, err := c.book.Definition(section)
	if err != nil {
		return AwsCreds{}, err
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	g, err := c.obtain(ctx, section, d)
	if err == nil {
		err = c.book.Renew(ctx, section, d, g)
	}
	if err != nil {
		return AwsCreds{}, errtext.Wrap(err, "renewing profile %q", section)
	}
	return credsFrom(g.Credentials, g.Region), nil
}

// obtain gets keys for a profile by its definition, not by the client's options.
func (c *Client) obtain(ctx context.Context, profile string, d profiles.Definition) (Grant, error) {
	if d.FromConfig != isProfiles(c.origin.broker) {
		return Grant{}, errOtherBroker(d)
	}
	opts := Options{Account: d.Account, AccountID: d.AccountID, Role: d.Role, Duration: d.Duration, Region: d.Region}
	if known, isCompleter := c.origin.broker.(completer); isCompleter {
		if known.isFixed(d.Account) {
			opts.Duration = 0
		}
		opts.Broker = c.origin.broker
	}
	if err := opts.complete(); err != nil {
		return Grant{}, err
	}
	if _, isSource := c.origin.broker.(*provider); isSource && (opts.Account != c.opts.Account || opts.Role != c.opts.Role) {
		return Grant{}, errtext.Because(ErrNotConfigured, fmt.Errorf("the client's Source gives keys for %q as %q, not for %q as %q", c.opts.Account, c.opts.Role, opts.Account, opts.Role))
	}
	from, _, err := c.origin.resolve(&opts, profile)
	if err != nil {
		return Grant{}, err
	}
	r := opts.request(opts.Region)
	g, err := from.ask(ctx, r)
	if err == nil {
		c.tellShort(r, g, from.lifetime(r), nil)
		_, err = renewal.Hold(g, renewal.Now(), 0)
	}
	return g, noKeys(r, err)
}

// errOtherBroker says that the broker of a client cannot give new keys for a profile.
func errOtherBroker(d profiles.Definition) error {
	text := fmt.Sprintf("its keys are those of account %q, which chaim.Profiles does not give", d.Account)
	if d.FromConfig {
		text = fmt.Sprintf("its keys are those of profile %q of the AWS config file: a client with chaim.Profiles as Options.Broker gets new ones", d.Account)
	}
	return errtext.Because(ErrNotConfigured, errors.New(text))
}

// DeleteAccount removes a profile from the credentials file, its copy in [default], and the parked definition of the same
// account under that name, even if that is all there is. An absent profile is no error. If the profile is the client's own,
// DeleteAccount also closes the client. After an error the client and its profile stay.
//
// For a section without accountname the error wraps [ErrUnmanagedAccount], and for the profile of another live scope
// [ErrInUse]. On a full disk a kept profile stays, with an error. A scope has reserved the space to remove its own profile.
func (c *Client) DeleteAccount(ctx context.Context, profile string) error {
	if err := cmp.Or(c.checkOpen(), profiles.CheckSection(profile)); err != nil {
		return err
	}
	if c.scope == nil || !c.scope.Has(profile) {
		ctx, stop := c.bound(ctx)
		defer stop()
		return c.book.Delete(ctx, profile)
	}
	own := c.scope.Book()
	var account profiles.Holder
	isGone, err := c.giveUp(ctx, "deleting", profile, func(ctx context.Context) (err error) {
		account, err = c.scope.Delete(ctx)
		return err
	})
	if !isGone {
		return err
	}
	return errors.Join(err, own.Forget(ctx, profile, account))
}

// giveUp calls take to remove the client's own profile, and then closes the client. what names the act in the error.
func (c *Client) giveUp(ctx context.Context, what, profile string, take func(context.Context) error) (isGone bool, err error) {
	if ctx.Err() != nil {
		return false, errtext.Wrap(context.Cause(ctx), "%s profile %q", what, profile)
	}
	bound, stop := c.bound(ctx)
	defer stop()
	if err := take(bound); err != nil {
		return false, err
	}
	err = c.Close()
	c.opts.Logger.Info("chaim: profile removed", "profile", profile)
	return true, err
}

// Section is a copy of a section of the credentials file. It may hold keys and tokens, so it prints without any value. It
// never changes, so any number of goroutines may use it. The zero value is empty.
type Section struct {
	Name string // the name in the brackets

	values func() map[string]string // a function, as fmt would print a map
}

// Keys returns the names of the keys in lower case, sorted.
func (s Section) Keys() []string {
	if s.values == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.values()))
}

// Value returns the value of a key, which must be in lower case, or "".
func (s Section) Value(key string) string {
	if s.values == nil {
		return ""
	}
	return s.values()[key]
}

// DefaultSection reads the section [default], which holds the settings of the gateway and the keys of the default account.
// The error wraps [ErrNotConfigured] if there is no file or section, and is [ErrClosed] after Close.
func (c *Client) DefaultSection(ctx context.Context) (Section, error) {
	if err := c.canRead(ctx); err != nil {
		return Section{}, err
	}
	pairs, exists, err := c.book.DefaultSection()
	switch {
	case err != nil:
		return Section{}, err
	case !exists:
		return Section{}, fmt.Errorf("%w: there is no section [default] in %s: store the settings of a gateway there", ErrNotConfigured, c.book.Path())
	}
	return Section{inifile.DefaultSection, func() map[string]string { return pairs }}, nil
}

// DefaultAccount returns the name of the profile that is the default account: the value of alias in [default], or else that
// of section or accountname. If none of them is there the error wraps [ErrNotConfigured]. Otherwise errors are those of
// [Client.DefaultSection].
func (c *Client) DefaultAccount(ctx context.Context) (string, error) {
	section, err := c.DefaultSection(ctx)
	if err != nil {
		return "", err
	}
	name := inifile.DefaultName(section.values())
	if name == "" {
		return "", fmt.Errorf("%w: section [default] in %s names no default account: keep one with Options.Default and Options.Keep", ErrNotConfigured, c.book.Path())
	}
	return name, nil
}

// Swept is a file or profile of a dead process that [Sweep] has removed.
type Swept struct {
	Path    string // the file that was removed, or the credentials file
	Profile string // the profile that was removed from it; empty for a file
}

// Sweep removes profiles, leases and temporary files of processes that ended without closing their scopes. It leaves those
// of live scopes. It also leaves a profile whose key id has changed since, unless cca renewed it for the same account. If
// the lease of a profile was in another folder "chaim", Sweep removes the profile after its keys have expired.
//
// dir is as in [Options].Dir. Sweep returns the removed files and profiles. Errors are those of [Client.RequestKeys] about
// the file. [New] sweeps too, so programs need not. Any number of processes may do so at once.
func Sweep(ctx context.Context, dir string) ([]Swept, error) {
	book, err := profiles.OpenIn(dir, silent)
	if err != nil {
		return nil, err
	}
	gone, err := book.Sweep(ctx)
	var swept []Swept
	for _, s := range gone {
		swept = append(swept, Swept(s))
	}
	return swept, err
}
