// Package chaim borrows AWS credentials for exactly as long as a piece of work runs.
//
// [With] gets temporary credentials for an account and a role, writes them into the shared credentials file as a profile,
// renews them while a function runs, and then removes the profile. Every AWS SDK and tool can use the profile by its name.
//
//	err := chaim.With("sredev", "rro", 1, func(profile string) error {
//		cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(profile))
//		...
//	})
//
// [WithContext] does the same with a context and all [Options]. [New] makes a [Client] that you use and close yourself.
// [Each] runs a function in many accounts. For programs that need no profile, a Client, an [AwsCreds], an [STS] and a
// [Monitor] are each an [aws.CredentialsProvider]. The keys come from a [Broker]: a chaim gateway, an [IdentityCenter],
// [Profiles] of the AWS config file, AWS STS, or your own.
//
// # The credentials file
//
// The file belongs to the user. chaim changes profiles only, which are the sections with the key accountname, and in them
// only keys that it knows. It never changes a section without accountname, except that [Options].Default and
// [Settings.Store] write into [default]. All programs with this package share a lock, and chaim replaces the file in one
// step, so no program reads a half-written file. Programs without the lock, such as the AWS CLI, may write the file at any
// time. On Linux they wait for the few milliseconds of an edit; elsewhere the edit waits for them. If they overwrite a
// profile, chaim restores it within a second. docs/limits.md describes the limits of that.
//
// A scope is the time from a [Client]'s first keys to its Close. A live scope holds a lock on its lease, a file in the
// folder "chaim" beside the credentials file. The lock of a killed process is free, so the next [New] or [Sweep] removes its
// profile. If the credentials file is a symbolic link whose target changes, a scope stays with the file that it first wrote.
//
// # Long work
//
// AWS SDKs read the keys of a profile once. Each renewal rewrites the profile, but an SDK client keeps its first keys. To
// read the profile again, Go and Rust need a new SDK client, Python a new boto3 Session, and JavaScript v3 and Ruby a new
// process. For work that takes longer than the keys are valid, use the [Client] as the provider of a Go SDK client, or a
// profile of the form [Process], from which SDKs get new keys by themselves.
//
// # Secrets
//
// Errors, log lines and the printed values of this package never hold a key, a token or a raw reply. There is one exception,
// because fmt calls no methods there: the verb %p, and an [AwsCreds], [Grant], [STS], [Gateway], [Settings] or [Options] in
// an unexported field of another struct, as a value or, with verbs such as %s, behind a pointer.
package chaim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/renewal"
)

// With gets credentials for account and role that are valid for hours (1 to 12), stores them as a profile, calls fn with the
// profile's name, and renews them while fn runs. It removes the profile when fn returns, panics or exits its goroutine. The
// credentials come from the configured chaim gateway, or without one from AWS STS: see [Options].Broker.
//
// Without credentials With does not call fn, and the error says why. It may wrap [ErrNotConfigured], [ErrDenied],
// [ErrExpired] (the keys came too late, or a clock is wrong) or [ErrLocked], or be a [*GatewayError]. With returns fn's own
// error unchanged, or joined with the error of a failed removal.
//
// With installs no signal handler, because that would affect the rest of the program. If a signal kills the program, the
// next [New] or [Sweep] removes its profile. To clean up on Ctrl-C use [WithContext] and [signal.NotifyContext].
//
// Any number of calls may run at once, in one process or in many. Each gets a profile of its own.
//
// [signal.NotifyContext]: https://pkg.go.dev/os/signal#NotifyContext
func With(account, role string, hours int, fn func(profile string) error) error {
	if hours < 1 || hours > 12 {
		return fmt.Errorf("chaim: keys are valid for 1 to 12 hours, not for %d", hours)
	}
	if fn == nil {
		return errors.New("chaim: no function to run")
	}
	opts := Options{Account: account, Role: role, Duration: time.Duration(hours) * time.Hour}
	return WithContext(context.Background(), opts, func(_ context.Context, c *Client) error { return fn(c.Profile()) })
}

// WithContext is [With] with a context and all [Options]. The context of fn ends with ctx, or when the credentials have
// expired and could not be renewed: [context.Cause] then wraps [ErrExpired]. fn should return soon after, because the
// profile is removed only then. Errors are those of With, and [ErrInUse] for [Options].TempName.
func WithContext(ctx context.Context, opts Options, fn func(ctx context.Context, c *Client) error) (err error) {
	if fn == nil {
		return errors.New("chaim: no function to run")
	}
	if ctx.Err() != nil {
		return errtext.Wrap(context.Cause(ctx), "no credentials asked for")
	}
	if err := keys.CheckAccount(opts.Account); err != nil {
		return err
	}
	ctx, expire := context.WithCancelCause(ctx)
	defer expire(nil)
	c, err := newClient(opts, nil, expire)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := c.Close(); closeErr != nil {
			// The log has the error too, because a panic does not return it.
			c.opts.Logger.Error("chaim: profile could not be removed", "profile", c.Profile(), "error", closeErr)
			err = errors.Join(err, closeErr)
		}
	}()
	return c.use(ctx, fn)
}

// use runs fn with keys. It does not close the client.
func (c *Client) use(ctx context.Context, fn func(ctx context.Context, c *Client) error) error {
	if _, err := c.RequestKeys(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil) // before the keys go
	return fn(ctx, c)
}

// Client holds the credentials of one account and role, and their profile. Make it with [New] and close it; the zero value
// and nil only return errors. Deleting or parking its own profile also closes it. Any number of goroutines may use it.
type Client struct {
	opts   *Options        // complete; a pointer, because fmt would print the fields of a struct
	origin *origin         // gives the keys
	keeper *renewal.Keeper // holds the current keys
	book   *profiles.Book
	scope  *profiles.Scope // nil with NoProfile
	life   context.Context // ends with Close
	end    context.CancelCauseFunc
	isOwn  bool // the origin is not shared, so Close closes it
}

var _ aws.CredentialsProvider = (*Client)(nil)

// New checks opts, finds the broker, and removes what dead processes left, as [Sweep] does, for a second at most. A failure
// of that removal is only logged. New may read the credentials file, AWS_CA_BUNDLE and the AWS SDK's configuration, but
// touches no network. Without an Account the client may never need the broker: settings of a gateway that cannot be used are
// then an error of the methods that ask it.
//
// The error wraps [ErrNotConfigured] if there is no gateway, Broker or Source, and AWS STS cannot give keys for the account
// and role. It is also an error, except with NoProfile, if something else has the name of one of chaim's files.
func New(opts Options) (*Client, error) { return newClient(opts, nil, nil) }

// newClient is New for a client that may share its origin with other clients. It calls onExpired when its keys have expired.
func newClient(opts Options, shared *origin, onExpired func(error)) (*Client, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	c := &Client{opts: &opts, origin: shared, isOwn: shared == nil}
	var err error
	switch c.book, err = profiles.OpenIn(opts.Dir, opts.Logger); {
	case opts.NoProfile:
	case err == nil && opts.Account != "":
		err = c.book.CheckStore() // before the first request
	}
	if err != nil && !opts.NoProfile {
		return nil, err
	}
	if shared == nil && !opts.ReadOnly { // first, or the SDK could use the keys of a dead scope
		switch err := c.book.Look(); {
		case err != nil && !opts.NoProfile:
			return nil, err
		case err != nil:
			opts.Logger.Warn("chaim: what dead processes left cannot be removed", "error", err)
		}
	}
	noRegion, err := c.setOrigin()
	if err != nil {
		return nil, err
	}
	if !opts.NoProfile {
		if c.scope, err = c.book.Lend(opts.spec(noRegion, isProfiles(c.origin.broker))); err != nil {
			return nil, err
		}
	}
	cfg := renewal.Config{Ready: c.ready, Fetch: c.fetch, Store: c.store, Log: opts.Logger, Lazy: opts.NoRenew, OnExpired: onExpired}
	if shared != nil {
		cfg.Timeout = eachTimeout
	}
	c.keeper = renewal.NewKeeper(cfg)
	c.life, c.end = context.WithCancelCause(context.Background())
	return c, nil
}

// setOrigin finds the broker, unless it is shared, and completes the region. noRegion says that the AWS config file has the
// region of the profile.
func (c *Client) setOrigin() (noRegion bool, err error) {
	o := c.opts
	if c.origin == nil {
		switch c.origin, err = findOrigin(o, c.book); {
		case err != nil && o.Account != "":
			return false, err
		case err != nil: // it may never be asked
			c.origin = &origin{broker: unusable{err}}
		}
	}
	from, noRegion, err := c.origin.resolve(o, c.firstName())
	switch {
	case o.Account == "": // no region is needed to list and to remove
		return noRegion, nil
	case err != nil:
		return false, err
	}
	c.origin = from
	switch broker := c.origin.broker.(type) {
	case *Gateway: // its replies name the account id
		return noRegion, nil
	case stsAsker:
		if _, err := broker.For(o.request(o.Region)); err != nil {
			return false, err
		}
	}
	if err := profiles.CheckMarker(o.Account); err != nil {
		return noRegion, &OptionError{"Account", err}
	}
	return noRegion, nil
}

// ready refuses a taken profile name before keys are requested.
func (c *Client) ready(context.Context) error {
	if c.scope == nil {
		return nil
	}
	return noKeys(c.opts.request(""), c.scope.Check())
}

// noKeys adds the account and role to an error. Nil stays nil.
func noKeys(r Request, why error) error {
	if why == nil {
		return nil
	}
	return errtext.Wrap(why, "keys for account %q as %q", r.Account, r.Role)
}

// fetch asks for new keys.
func (c *Client) fetch(ctx context.Context) (Grant, error) {
	r, held := c.opts.request(c.opts.Region), c.keeper.Held()
	if _, isSource := c.origin.broker.(*provider); held != nil && r.AccountID == "" && !isSource {
		r.AccountID = held.AccountID // by now the name may belong to another account
	}
	g, err := c.origin.ask(ctx, r)
	if err == nil {
		c.tellShort(r, g, c.origin.lifetime(r), held)
	}
	return g, noKeys(r, err)
}

// tellShort warns of keys that end sooner than requested, unless the keys before did too. Brokers refuse longer lifetimes.
func (c *Client) tellShort(r Request, g Grant, asked time.Duration, before *renewal.Held) {
	if keys.IsShort(g, asked) && (before == nil || !keys.IsShort(before.Grant, asked)) {
		c.opts.Logger.Warn("chaim: keys end sooner than was asked for", "account", r.Account, "role", r.Role,
			"asked", asked, "given", keys.Lifetime(g).Round(time.Second))
	}
}

// store writes new keys into the profile.
func (c *Client) store(ctx context.Context, g Grant) error {
	if c.scope != nil {
		if err := c.scope.Write(ctx, g); err != nil {
			return err
		}
	}
	c.opts.Logger.Info("chaim: new keys", "account", c.opts.Account, "role", c.opts.Role, "profile", c.Profile(), "expires", g.Expires.UTC())
	return nil
}

// Format prints account, role and profile of the client, whatever the verb. Its fields lead to secrets.
func (c *Client) Format(f fmt.State, _ rune) {
	if c == nil || c.opts == nil {
		fmt.Fprint(f, "chaim.Client{}")
		return
	}
	fmt.Fprintf(f, "chaim.Client{Account:%q Role:%q Profile:%q}", c.opts.Account, c.opts.Role, c.Profile())
}

// RequestKeys gets new keys, stores them in the profile, and then renews them unless [Options].NoRenew is set.
//
// The error is the broker's; [ErrInUse] if the profile's name is taken; [ErrLocked] if one other process keeps the lock of
// the credentials file for 10 seconds, or several keep it in turn for a minute; or [ErrClosed].
func (c *Client) RequestKeys(ctx context.Context) (AwsCreds, error) {
	if err := c.checkLender(); err != nil {
		return AwsCreds{}, err
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	if err := c.keeper.Renew(ctx, false); err != nil {
		return AwsCreds{}, err
	}
	creds := c.Creds()
	if creds.AccessKeyID == "" {
		return AwsCreds{}, ErrClosed
	}
	return creds, nil
}

// StoreKeys takes keys from text, which is a gateway's reply or the text in such a reply. It stores them in the profile and
// renews them later, as RequestKeys does. It touches no network.
//
// It refuses keys for another account or role, keys that end later than Options.Duration allows, and keys that end sooner
// than the current ones. If text is a refusal, or no reply of a gateway, the error is a [*GatewayError]. Otherwise errors
// are those of [Client.RequestKeys].
func (c *Client) StoreKeys(ctx context.Context, text []byte) (AwsCreds, error) {
	if err := c.checkLender(); err != nil {
		return AwsCreds{}, err
	}
	var userToken string
	if g, err := c.origin.gateway(); err == nil {
		userToken = g.Settings.UserToken
	}
	g, err := gateway.ReadKeys(text, c.opts.request(c.opts.Region), userToken, c.opts.Logger)
	if err != nil {
		return AwsCreds{}, errtext.Wrap(err, "storing keys for account %q", c.opts.Account)
	}
	c.tellShort(c.opts.request(c.opts.Region), g, c.opts.Duration, c.keeper.Held())
	ctx, stop := c.bound(ctx)
	defer stop()
	switch err := c.keeper.Put(ctx, g); {
	case errors.Is(err, renewal.ErrEndsSooner):
		return AwsCreds{}, errtext.Wrap(err, "storing keys for account %q", c.opts.Account)
	case err != nil:
		return AwsCreds{}, err
	}
	return credsFrom(g.Credentials, c.opts.Region), nil
}

// Role returns the role whose keys the client gets: that of [Options], or with [Profiles] that of the profile. It never
// changes, and is empty for a zero Client.
func (c *Client) Role() string {
	if c == nil || c.opts == nil {
		return ""
	}
	return c.opts.Role
}

// Broker returns the broker that gives the client's keys, such as a [*Gateway] or an [IdentityCenter]. It is nil with a
// Source, for a zero Client, and if the settings of the gateway cannot be used. That of AWS STS has a type of its own.
func (c *Client) Broker() Broker {
	if c == nil || c.origin == nil {
		return nil
	}
	switch c.origin.broker.(type) {
	case *provider, unusable:
		return nil
	}
	return c.origin.broker
}

// firstName returns the profile name that the client tries first, or "" with NoProfile.
func (c *Client) firstName() string {
	if c.opts.NoProfile {
		return ""
	}
	name, _ := profiles.FirstName(c.opts.TempName)
	return name
}

// Profile returns the name of the profile. Before RequestKeys has succeeded it is the name that the client tries first. It
// is empty with [Options].NoProfile.
func (c *Client) Profile() string {
	if c == nil || c.scope == nil {
		return ""
	}
	return c.scope.Name()
}

// Region returns the AWS region of the client's profile and keys. It never changes, and is empty for a zero Client.
func (c *Client) Region() string {
	if c == nil || c.opts == nil {
		return ""
	}
	return c.opts.Region
}

// Creds returns the current keys, which have expired if renewing fails. Before RequestKeys and after Close it returns none.
func (c *Client) Creds() AwsCreds {
	if c == nil || c.keeper == nil {
		return AwsCreds{}
	}
	if held := c.keeper.Held(); held != nil {
		return credsFrom(held.Credentials, c.opts.Region)
	}
	return AwsCreds{}
}

// State reports the state of the keys, as [Monitor.State] does. Before RequestKeys and after Close it is [StateExpired].
func (c *Client) State() State {
	if c == nil || c.keeper == nil {
		return StateExpired
	}
	return State(c.keeper.State())
}

// Retrieve returns valid keys, so that a Client can be the provider of any AWS SDK client. If there are no keys yet it
// requests them. Otherwise it does what [Monitor.Retrieve] does.
func (c *Client) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c == nil || c.keeper == nil {
		return aws.Credentials{Source: "chaim"}, errZeroClient
	}
	if h := c.keeper.Held(); h != nil && h.IsFresh() { // a memory read
		return h.Credentials, nil
	}
	if err := c.checkLender(); err != nil {
		return aws.Credentials{Source: "chaim"}, err
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	return get(ctx, c.keeper)
}

// Config returns a configuration for AWS SDK clients, such as s3.NewFromConfig: with the client's region and keys, and the
// SDK's own configuration for the rest. optFns may change all but the keys. If there are no keys yet, the first request of
// an SDK client gets them. The error is the SDK's, or [ErrClosed].
func (c *Client) Config(ctx context.Context, optFns ...func(*config.LoadOptions) error) (aws.Config, error) {
	if err := c.checkLender(); err != nil {
		return aws.Config{}, err
	}
	optFns = append([]func(*config.LoadOptions) error{config.WithRegion(c.opts.Region)}, optFns...)
	cfg, err := config.LoadDefaultConfig(ctx, append(optFns, config.WithCredentialsProvider(c))...)
	if err != nil {
		return aws.Config{}, errtext.Wrap(foreign(ctx, err), "reading the configuration of the AWS SDK")
	}
	cfg.Credentials = c // without the SDK's cache, which would keep keys after their renewal and after Close
	return cfg, nil
}

var errZeroClient = errors.New("chaim: this Client is a zero value: make one with chaim.New")

// checkOpen returns an error if the client was closed, or not made by New.
func (c *Client) checkOpen() error {
	switch {
	case c == nil || c.opts == nil:
		return errZeroClient
	case c.life.Err() != nil:
		return ErrClosed
	}
	return nil
}

// checkLender is checkOpen for methods that need an account.
func (c *Client) checkLender() error {
	if err := c.checkOpen(); err != nil {
		return err
	}
	return keys.CheckAccount(c.opts.Account)
}

// bound returns a context that also ends when the client is closed.
func (c *Client) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(ErrClosed) })
	if c.life.Err() != nil {
		cancel(ErrClosed) // at once: AfterFunc runs in a goroutine of its own
	}
	return ctx, func() { stop(); cancel(nil) }
}

// cleanupTimeout limits the removal of a profile. It is long, because many scopes may end at once and each needs the lock.
// The wait for a lock that one process keeps ends sooner.
const cleanupTimeout = time.Minute

// Close stops renewing, cancels calls that are under way, and removes the profile unless [Options].Keep is set. Then it
// waits for the Logger and, for a second, for a broker that ignores its context. After an error, such as [ErrLocked], the
// profile may still be there: call Close again. After a success a second call does nothing.
func (c *Client) Close() error {
	if c == nil || c.opts == nil {
		return errZeroClient
	}
	c.end(ErrClosed)
	c.keeper.Stop()
	defer c.wait()
	if c.scope == nil {
		return nil
	}
	c.scope.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	return c.scope.Close(ctx)
}

// wait returns when the client's goroutines have ended. Close calls it last, because a Logger or a broker may block.
func (c *Client) wait() {
	if c.isOwn && c.origin.close != nil {
		c.origin.close()
	}
	c.keeper.Close()
	if c.scope != nil {
		c.scope.Wait()
	}
}
