// Package chaim borrows AWS credentials for exactly as long as a piece of work runs.
//
// [With] obtains temporary credentials for an account and a role from a chaim gateway or from AWS STS, writes them into
// the shared credentials file as a profile, keeps them valid while a function runs, and removes them when it ends. Every
// AWS SDK and tool can use the profile by its name.
//
//	err := chaim.With("sredev", "rro", 1, func(profile string) error {
//		cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(profile))
//		...
//	})
//
// [WithContext] is the same with a context and all [Options]; [New] makes a [Client] to be used by hand. A Client, an
// [AwsCreds], an [STS] and a [Monitor] are each an [aws.CredentialsProvider], for programs that need no profile.
//
// # The credentials file
//
// The file belongs to the user. chaim changes only the lines it wrote, under a lock that all programs using this
// package share, and replaces the file in one step, so that a reader never sees a half-written one. A section without
// the key accountname is never written to or removed, but for [default], to which [Options].Default and [Settings.Store]
// add lines when asked to. Programs that take no lock, such as the AWS CLI, may write the file
// at any time: on Linux they are made to wait for the few milliseconds of an edit, elsewhere an edit waits for them. A
// profile that they overwrite is back within a second. The README says where that has its limits.
//
// While a scope lives it holds a lock on a file of its own in the folder "chaim" beside the credentials file. The profile
// of a process that was killed is known by a lease that is not locked, and is removed by the next [New] or [Sweep]. Where
// the credentials file is a link that is led elsewhere, a scope stays in the file that it was first written to.
//
// # Long work
//
// AWS SDKs read the keys of a profile once. The profile is rewritten at each renewal, but what was made before keeps its
// first keys. In Go and Rust a new client of the SDK reads it again, in Python a new boto3 Session, and with the SDKs for
// JavaScript v3 and Ruby only a new process. To outlive keys, give a Go client the [Client] as its provider, or use a
// profile of the form [Process], from which SDKs get new keys by themselves.
//
// # Secrets
//
// No key, token or raw reply is ever part of an error, a log line, or what a value of this package prints. fmt breaks that
// promise where it calls no methods: for the verb %p, and for an [AwsCreds], [STS], [Settings] or [Options] in an
// unexported field of another struct, as a value or, with verbs such as %s, behind a pointer.
package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/remote"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// cleanupTimeout bounds the removal of a profile. It is long, as many scopes may end at once and each must get the
// lock; waiting for a lock that is stuck ends sooner.
const cleanupTimeout = time.Minute

// With obtains credentials for account and role, valid for hours (1 to 12), stores them as a profile, calls fn with
// its name, keeps them valid while fn runs, and removes them when fn returns, panics or exits its goroutine. They come from
// the chaim gateway that is configured or, without one, from AWS STS: see [Options].Source.
//
// fn is not called when the credentials cannot be had; the error then says why and may wrap [ErrNotConfigured],
// [ErrDenied], [ErrExpired] (keys that came too late, or a wrong clock) or [ErrLocked], or hold a [*GatewayError]. fn's
// own error is returned as it is, joined only by that of a removal that failed.
//
// With installs no signal handler, because that would change what signals do to the rest of the program: a program
// killed by a signal leaves its profile to the next [Sweep]. Use [WithContext] and [signal.NotifyContext] to clean up on Ctrl-C.
//
// Any number of calls may run at once, in one process or in many; each gets a profile of its own.
//
// [signal.NotifyContext]: https://pkg.go.dev/os/signal#NotifyContext
func With(account, role string, hours int, fn func(profile string) error) error {
	if hours < 1 || hours > 12 {
		return fmt.Errorf("chaim: %d hours asked for, but keys can be had for 1 to 12", hours)
	}
	if fn == nil {
		return errors.New("chaim: no function to run")
	}
	opts := Options{Account: account, Role: role, Duration: time.Duration(hours) * time.Hour}
	return WithContext(context.Background(), opts, func(_ context.Context, c *Client) error { return fn(c.Profile()) })
}

// WithContext is [With] for everything else. The context given to fn ends with ctx, or when the credentials have
// expired and could not be renewed; [context.Cause] is then an error wrapping [ErrExpired]. When ctx ends, fn is
// expected to return; the profile is removed then. Errors are those of With, and [ErrInUse] for [Options].TempName.
func WithContext(ctx context.Context, opts Options, fn func(ctx context.Context, c *Client) error) error {
	if fn == nil {
		return errors.New("chaim: no function to run")
	}
	if ctx.Err() != nil {
		return errtext.Wrap(context.Cause(ctx), "no credentials asked for")
	}
	if err := checkAccount(opts.Account); err != nil {
		return err
	}
	c, err := New(opts)
	if err != nil {
		return err
	}
	return c.lend(ctx, fn)
}

// lend is WithContext for a client that has not been used yet.
func (c *Client) lend(ctx context.Context, fn func(ctx context.Context, c *Client) error) (err error) {
	defer func() {
		if closeErr := c.Close(); closeErr != nil {
			// On a panic the error is not returned.
			c.opts.Logger.Error("chaim: profile could not be removed", "profile", c.Profile(), "error", closeErr)
			err = errors.Join(err, closeErr)
		}
	}()
	return c.use(ctx, fn)
}

// use runs fn with keys, in a context that ends with them. It does not close the client.
func (c *Client) use(ctx context.Context, fn func(ctx context.Context, c *Client) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.onExpired = cancel
	if _, err := c.RequestKeys(ctx); err != nil {
		return err
	}
	return fn(ctx, c)
}

// Client holds the credentials of one account and role, and their profile. It is made by [New]; the zero value and nil
// only return errors. It must be closed. To delete or park its own profile closes it too.
//
// All methods may be called by any number of goroutines.
type Client struct {
	opts      *Options        // a pointer, as is written, because fmt would print the fields of a struct
	gateway   *gateway        // nil with a Source
	hasSource bool            // of the program's
	file      sharedfile.File // as the user calls it: its links may lead elsewhere at any time
	onExpired func(error)     // may be nil

	ownsGateway  bool
	leavesRegion bool         // see profileOptions
	noGateway    error        // why there is none
	noRegion     error        // what is wrong with the one that is chosen, for a client that needs none
	pace         *remote.Pace // nil for a client that does not share it with others

	life    context.Context // ends with Close
	end     context.CancelCauseFunc
	monitor atomic.Pointer[Monitor] // set once
	latest  atomic.Pointer[grant]
	profile atomic.Pointer[string] // set once it is written

	mu                  sync.Mutex // guards what follows
	written             *written
	scopes              lease.Files     // beside the file that is looked at
	unstored            *grant          // could not be written to the profile so far
	rival, defaultRival string          // see findRivals
	replaces            holder          // of the profile when keys were asked for; see mayReplace
	watched             <-chan struct{} // closed when the watcher has ended; nil without one
}

var _ aws.CredentialsProvider = (*Client)(nil)

// New checks opts, finds the gateway or how to ask STS, and removes what dead processes left, as [Sweep] does, for a second
// at most. Where that cannot be done it goes into the log. It is an error where something else stands under the name of a file
// of chaim's, as then nothing could be stored, but not with NoProfile. It may read the credentials file, AWS_CA_BUNDLE and the
// configuration of the AWS SDK, and touches no network. The error wraps [ErrNotConfigured] when there is no gateway and no
// Source, and the account and role are none that STS could be asked for.
func New(opts Options) (*Client, error) {
	return makeClient(opts, nil)
}

// makeClient is New or, with another client of the same program, makes one that asks the same gateway.
func makeClient(opts Options, other *Client) (*Client, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	c := &Client{
		opts:      &opts,
		written:   &written{},
		hasSource: opts.Source != nil,
		noGateway: errtext.Because(ErrNotConfigured, errNoGateway),
	}
	if err := c.findFile(); err != nil {
		return nil, err
	}
	if err := c.chooseRegion(); err != nil {
		return nil, err
	}
	if other == nil && !opts.onlyReads() {
		if err := c.lookAtFile(); err != nil { // before the SDK finds keys there that a dead scope was lent
			return nil, err
		}
	}
	if opts.Source == nil {
		if err := c.findSource(other); err != nil {
			return nil, err
		}
	}
	if c.gateway == nil && opts.Account != "" { // a gateway tells the id
		if err := checkMarker(opts.Account); err != nil {
			return nil, err
		}
	}
	c.opts.Region = cmp.Or(c.opts.Region, sourceRegion(c.opts.Source), defaultRegion)
	if opts.Form == Process {
		command, err := readCommand(c.scopes.Path("", lease.ProcessExtension))
		if err == nil {
			err = inifile.CheckValue(inifile.ProcessKey, command)
		}
		if err != nil {
			return nil, errtext.Wrap(err, "folder %s cannot be part of a command", quoteShort(c.scopes.Folder))
		}
	}
	c.life, c.end = context.WithCancelCause(context.Background())
	return c, nil
}

// findFile finds the credentials file, which a client without a profile can do without.
func (c *Client) findFile() error {
	path, err := sharedfile.CredentialsPath(c.opts.Dir)
	if err == nil {
		c.scopes, err = lease.Beside(path)
	}
	c.file = sharedfile.File{Path: path, Unknown: err}
	switch {
	case c.opts.NoProfile:
		return nil
	case err == nil && c.opts.Account != "":
		return c.file.CanStore() // before anything is asked for
	}
	return err
}

// findSource finds the gateway, unless another client has done so, or without one how to ask STS.
func (c *Client) findSource(other *Client) error {
	if other != nil && other.gateway != nil {
		c.gateway = other.gateway
		return c.takeRegion(c.gateway.settings, c.gateway.where)
	}
	var settings *Settings
	var where string
	var err error
	if other != nil {
		err = other.noGateway // it has looked
	} else {
		settings, where, err = c.opts.findSettings(c.file)
	}
	switch {
	case errors.Is(err, ErrNotConfigured) && c.opts.asksSTS():
		s, err := c.opts.sts(context.Background())
		if err != nil {
			return err
		}
		if other != nil { // to whose profile the environment may point by now
			if theirs, isSTS := other.opts.Source.(*STS); isSTS {
				s.Keys = theirs.Keys
			}
		}
		c.opts.Source = s
		return nil
	case errors.Is(err, ErrNotConfigured) && c.opts.Account == "":
		c.noGateway = err
		return nil
	case err != nil:
		return err
	}
	if err := c.takeRegion(settings, where); err != nil {
		return err
	}
	c.gateway, err = newGateway(settings, where, c.opts)
	c.ownsGateway = err == nil
	return err
}

// Format prints which profile the client is for, whatever the verb: the fields of a Client lead to secrets.
func (c *Client) Format(f fmt.State, _ rune) {
	if c == nil || c.opts == nil {
		fmt.Fprint(f, "chaim.Client{}")
		return
	}
	fmt.Fprintf(f, "chaim.Client{Account:%q Role:%q Profile:%q}", c.opts.Account, c.opts.Role, c.Profile())
}

// RequestKeys obtains new keys and stores them in the profile, then keeps them valid unless [Options].NoRenew is set.
//
// It returns the errors of the gateway, STS or the Source, [ErrInUse] when the profile's name is taken, [ErrLocked] when
// another process keeps the lock of the credentials file for 10 seconds, or when many that take turns leave none for a minute,
// and [ErrClosed] after Close.
func (c *Client) RequestKeys(ctx context.Context) (AwsCreds, error) {
	ctx, stop := c.bound(ctx)
	defer stop()
	m, err := c.obtain(ctx)
	if err == nil {
		err = m.keeper.Renew(ctx, false)
	}
	if err != nil {
		return AwsCreds{}, err
	}
	if h := m.keeper.Held(); h != nil {
		return credsFrom(h.Creds, c.opts.Region), nil
	}
	return AwsCreds{}, ErrClosed
}

// Profile is the name of the profile. Until RequestKeys has succeeded it is only the name that will be tried first. It is
// empty with [Options].NoProfile.
func (c *Client) Profile() string {
	if c == nil || c.opts == nil || c.opts.NoProfile {
		return ""
	}
	if name := c.profile.Load(); name != nil {
		return *name
	}
	return cmp.Or(c.opts.TempName, defaultProfile)
}

// Creds is the current set of keys: the zero value before RequestKeys and after Close, an expired set while renewing
// fails.
func (c *Client) Creds() AwsCreds {
	if c == nil {
		return AwsCreds{}
	}
	if m := c.monitor.Load(); m != nil {
		if h := m.keeper.Held(); h != nil {
			return credsFrom(h.Creds, c.opts.Region)
		}
	}
	return AwsCreds{}
}

// State tells how it stands with the keys, without waiting for anything, as [Monitor.State] does: by the wall clock and the
// monotonic one, of which [AwsCreds.Expired] has only the first. Before RequestKeys and after Close it is [StateExpired].
func (c *Client) State() State {
	if c == nil {
		return StateExpired
	}
	return c.monitor.Load().State()
}

// Retrieve returns keys that are valid now, so that a Client can be the provider of any AWS SDK client: it obtains the
// first set if there is none, and else returns what [Monitor.Retrieve] does.
func (c *Client) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c == nil {
		return aws.Credentials{Source: "chaim"}, errZeroClient
	}
	m := c.monitor.Load()
	if m == nil || m.keeper.Held() == nil {
		var stop func()
		ctx, stop = c.bound(ctx)
		defer stop()
		var err error
		if m, err = c.obtain(ctx); err != nil {
			return aws.Credentials{Source: "chaim"}, err
		}
	}
	return m.Retrieve(ctx)
}
