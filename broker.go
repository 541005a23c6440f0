package chaim

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/profiles"
)

// Broker gives keys for accounts: a [*Gateway], an [IdentityCenter], [Profiles], the result of [STS.Broker], or your own.
// Many goroutines may call it at once.
//
// Keys returns a grant, or an error that says why there is none. The broker fills in the keys, their expiry, and all that it
// knows; chaim completes the rest from the request. If the error has a method IsFinal() bool that returns true, chaim does
// not ask again soon. If it has a method RetryAfter() time.Duration, chaim waits that long. chaim shows the error's text,
// without parts that look like secrets.
//
// A broker may have more methods. With Accounts(context.Context) ([]Account, error) it serves [Client.RequestList]. With
// ConsoleURL(context.Context, Grant) (string, error) it serves [Client.ConsoleURL], which else asks the AWS sign-in page.
type Broker interface {
	Keys(ctx context.Context, r Request) (Grant, error)
}

// Request is what a [Broker] is asked for:
//
//	Account   string        // full name or 12-digit id of the account
//	AccountID string        // its 12-digit id, if Account is a name and the id is known; else empty
//	Role      string        // a role name, a role ARN, or an alias such as "rro"
//	Region    string        // AWS region in which the keys will be used
//	Duration  time.Duration // how long they should be valid
//
// The method ID() string returns the id from either field, or "". chaim fills in all that it knows. A program that asks a
// broker itself must give Account, Role and Duration.
type Request = keys.Request

// Grant is one set of keys as a [Broker] gives it:
//
//	aws.Credentials          // the keys, and when they expire by the clock of this machine; AccountID if known
//	Account, Note   string   // the broker's name for the account, and its words for the expiry; may be empty
//	ConsoleURL      string   // a link that signs in to the AWS console, a secret; may be empty
//
// chaim fills in the rest: Role, Region and Duration as in the request, Received time.Time with the time of the answer, and
// an empty Account or AccountID from the request. It refuses a grant whose AccountID, or 12-digit Account, is another one.
//
// A Grant prints, logs and marshals to JSON without its secrets, as an [AwsCreds] does.
type Grant = keys.Grant

// lister is a broker that can list accounts.
type lister interface {
	Accounts(ctx context.Context) ([]Account, error)
}

// linker is a broker that makes console links.
type linker interface {
	ConsoleURL(ctx context.Context, g Grant) (string, error)
}

// stsAsker is a broker that asks AWS STS. For checks a request without the network.
type stsAsker interface {
	For(r Request) (awssts.Asker, error)
}

// provider is a Source as a broker. It gives the Source's keys for any request.
type provider struct {
	src      aws.CredentialsProvider
	hasGiven atomic.Bool
}

// Keys asks the Source. It empties the SDK's cache around a provider: the cache would return the same keys until they
// expire, too late for programs that read the profile just before.
func (p *provider) Keys(ctx context.Context, _ Request) (Grant, error) {
	if cache, ok := p.src.(*aws.CredentialsCache); ok && p.hasGiven.Load() {
		cache.Invalidate()
	}
	creds, err := retrieve(ctx, p.src)
	if err != nil {
		return Grant{}, err
	}
	p.hasGiven.Store(true)
	return Grant{Credentials: creds, Received: time.Now()}, nil
}

// retrieve calls a provider. It redacts errors of providers that are not chaim's: they may quote keys.
func retrieve(ctx context.Context, src aws.CredentialsProvider) (aws.Credentials, error) {
	if session, isPointer := src.(*MFASession); isPointer && session == nil {
		return aws.Credentials{}, errors.New("chaim: the source of keys is a nil *MFASession")
	}
	creds, err := src.Retrieve(ctx)
	switch src.(type) {
	case *STS, *Client, *Monitor, AwsCreds, MFASession, *MFASession:
		return creds, err
	}
	return creds, foreign(ctx, err)
}

// unusable is the broker of a client without an account if the settings of the gateway cannot be used.
type unusable struct{ why error }

func (u unusable) Keys(context.Context, Request) (Grant, error) { return Grant{}, u.why }

// origin gives the keys of a client. Several clients may share it, and many goroutines use it.
type origin struct {
	broker    Broker
	region    string      // of the broker; may be empty
	regionErr error       // why the broker's region is wrong
	pace      *httpx.Pace // nil if only one client uses the origin
	close     func()      // nil if there is nothing to close
}

// findOrigin finds the broker that opts name, or else the configured one. It touches no network.
func findOrigin(opts *Options, book *profiles.Book) (*origin, error) {
	switch broker := opts.Broker.(type) {
	case nil:
	case *Gateway:
		return ofGateway(broker, whereGiven)
	case *Profiles:
		return &origin{broker: *broker}, nil
	case awssts.Asker:
		return &origin{broker: broker, region: sourceRegion((*STS)(broker.STS))}, nil
	default:
		return &origin{broker: broker}, nil
	}
	if opts.Source != nil {
		return &origin{broker: &provider{src: opts.Source}, region: sourceRegion(opts.Source)}, nil
	}
	settings, where, err := opts.findSettings(book)
	switch {
	case errors.Is(err, ErrNotConfigured):
		return withoutGateway(opts, err)
	case err != nil:
		return nil, err
	}
	g := &Gateway{Settings: settings, AllowInsecure: opts.AllowInsecure, HTTPClient: opts.HTTPClient, Logger: opts.Logger}
	o, err := ofGateway(g, where)
	if err == nil {
		o.close = g.peer.done
	}
	return o, err
}

// withoutGateway finds the broker if no gateway is configured. why is the error that says so.
func withoutGateway(opts *Options, why error) (*origin, error) {
	center, isOurs, err := opts.ownCenter()
	switch {
	case err != nil:
		return nil, err
	case isOurs:
		return &origin{broker: center}, nil
	case opts.Account != "" && !awssts.CanAsk(opts.request("")):
		return nil, why
	}
	own := STS{HTTPClient: opts.HTTPClient, AllowInsecure: opts.AllowInsecure, Logger: opts.Logger}
	return &origin{broker: awssts.NewFallback(own.asker(), why)}, nil
}

// ofGateway makes a gateway an origin. A wrong region in its settings is an error only for clients that would use it.
func ofGateway(g *Gateway, where string) (*origin, error) {
	if _, err := g.open(where); err != nil {
		return nil, err
	}
	o := &origin{broker: g}
	if region := g.Settings.Region; region != "" {
		if o.regionErr = partition.CheckRegionOf(where, region); o.regionErr == nil {
			o.region = region
		}
	}
	return o, nil
}

// resolve completes the region of opts for a profile, and returns the origin for the account. noRegion says that the AWS
// config file has the region of the profile.
func (o *origin) resolve(opts *Options, profile string) (from *origin, noRegion bool, err error) {
	if noRegion, err = opts.chooseRegion(profile); err != nil {
		err = &OptionError{"Region", err}
	}
	from = o
	if err == nil && opts.Account != "" {
		from, err = o.forRequest(opts.request(opts.Region))
	}
	if err == nil && opts.Region == "" {
		err = from.regionErr
	}
	opts.Region = cmp.Or(opts.Region, from.region, partition.RoleRegion(opts.Role), partition.DefaultRegion)
	return from, noRegion, err
}

// forRequest returns the origin for one account. If the account is a profile, the origin refuses other keys than the profile
// gives now. If STS gives the keys, forRequest reads the SDK's configuration for the keys that sign and, if r has no region,
// for the region.
func (o *origin) forRequest(r Request) (*origin, error) {
	if p, isProfiles := o.broker.(Profiles); isProfiles {
		bound, err := p.bound(r.Account)
		own := *o
		own.broker = bound
		return &own, err
	}
	f, isFallback := o.broker.(*awssts.Fallback)
	if !isFallback || !awssts.CanAsk(r) {
		return o, nil
	}
	bound, region, err := f.Bind(r.Region)
	if err != nil || bound == f {
		return o, err
	}
	own := *o
	own.broker, own.region = bound, region
	return &own, nil
}

// ask gets keys for a client.
func (o *origin) ask(ctx context.Context, r Request) (g Grant, err error) {
	ask := func(ctx context.Context) (err error) {
		g, err = o.broker.Keys(ctx, r)
		err = o.showable(ctx, err, r.Account, r.Role)
		return err
	}
	if o.pace != nil {
		err = o.pace.Do(ctx, ask)
	} else {
		err = ask(ctx)
	}
	if err != nil {
		return Grant{}, err
	}
	if _, isSource := o.broker.(*provider); g.AccountID == "" && !isSource { // a Source may give keys of another account
		g.AccountID = r.ID()
	}
	return keys.Complete(g, r)
}

// lifetime returns how long requested keys are valid, or zero if that is not known.
func (o *origin) lifetime(r Request) time.Duration {
	if known, isCompleter := o.broker.(completer); isCompleter && known.isFixed(r.Account) {
		return 0
	}
	p, isProvider := o.broker.(*provider)
	if !isProvider {
		return r.Duration
	}
	if s, isSTS := p.src.(*STS); isSTS {
		return awssts.STS(*s).Lifetime()
	}
	return 0
}

// showable redacts an error of a broker that is not chaim's. asked are the names in the request.
func (o *origin) showable(ctx context.Context, err error, asked ...string) error {
	switch o.broker.(type) {
	case *Gateway, stsAsker, *provider, unusable, completer:
		return err
	}
	return awssts.ForeignOnce(orEnd(ctx, err), profiles.AWSFiles{}, asked...)
}

// gateway returns the origin's gateway, or why it has none.
func (o *origin) gateway() (*Gateway, error) {
	if g, ok := o.broker.(*Gateway); ok {
		return g, nil
	}
	return nil, o.noGateway()
}

// noGateway says why the origin has no gateway.
func (o *origin) noGateway() error {
	switch broker := o.broker.(type) {
	case *awssts.Fallback:
		return broker.Why
	case unusable:
		return broker.why
	}
	return errtext.Because(ErrNotConfigured, errors.New("these credentials do not come from a gateway"))
}

// foreign redacts an error of the SDK or of a provider that is not chaim's.
func foreign(ctx context.Context, err error) error {
	return awssts.Foreign(orEnd(ctx, err), profiles.AWSFiles{})
}

// orEnd returns err, or if ctx has ended the cause of that.
func orEnd(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
