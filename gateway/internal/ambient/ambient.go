// Package ambient asks AWS STS for keys with the AWS identity that the gateway's machine has: the role of an instance, a task or
// a pod, a profile, or the keys of an IAM user.
package ambient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/chaim-go/chaim/gateway/internal/issue"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/partition"
)

const (
	tryTimeout   = 3 * time.Second // for one request to one region
	throttles    = 2               // requests that may be throttled
	minPause     = 200 * time.Millisecond
	maxPause     = 2 * time.Second
	idlePerHost  = 64
	idleLifetime = 30 * time.Second

	// maxChained is the longest lifetime of keys that were made with keys of a role.
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
	maxChained = time.Hour
)

// Options say how STS is asked. The zero value asks AWS with the SDK's own chain of keys.
type Options struct {
	Regions    []string // asked in this order; empty means the SDK's region, or else a default one
	ExternalID string   // of the roles' trust policies; empty means none. Not a secret by AWS's words, but never shown
	// Endpoint is asked in the place of AWS, with its double in the command dev. Empty means AWS: the variables AWS_ENDPOINT_URL
	// and AWS_ENDPOINT_URL_STS do not count, so that no setting of the machine takes the requests elsewhere.
	Endpoint    string
	Credentials aws.CredentialsProvider // nil means the SDK's chain
	HTTPClient  *http.Client            // nil means one of its own
	Log         *slog.Logger            // for the operator: what STS said, without secrets. nil means none
}

// Identity is the AWS identity of the gateway.
type Identity struct {
	Account string // 12 digits
	ARN     string
	// Chained says that the identity is a session of a role, so its keys make other keys for an hour at most.
	Chained bool
	// Ahead is how far the clock of this machine is ahead of that of STS, to about a second. Zero if STS did not tell its time.
	Ahead time.Duration
}

// maxAhead is how far the clocks of the gateway and of STS may differ before that is told.
const maxAhead = time.Minute

// ClockProblem says what is wrong with the clock of this machine; empty means nothing.
func (id Identity) ClockProblem() string {
	if id.Ahead.Abs() < maxAhead {
		return ""
	}
	where := "ahead of"
	if id.Ahead < 0 {
		where = "behind"
	}
	return fmt.Sprintf("the clock of this machine is %s %s that of AWS: it decides when tokens, grants and deny rules begin and end, "+
		"so set it", id.Ahead.Abs(), where)
}

// Assumer is an [issue.Assumer]. Make one with [New]. It prints without its secrets.
type Assumer struct {
	clients    []regional
	creds      *aws.CredentialsCache
	externalID string
	log        *slog.Logger

	identity  atomic.Pointer[Identity] // nil until Identify
	preferred atomic.Int64             // the number of the client that answered last
}

type regional struct {
	region string
	client *sts.Client
}

// New returns an Assumer. It touches no network: call [Assumer.Identify] next. If it uses the SDK's chain of keys, it sets
// AWS_IGNORE_CONFIGURED_ENDPOINT_URLS for this process, so that the chain asks AWS too.
func New(ctx context.Context, o Options) (*Assumer, error) {
	if o.Endpoint == "" && o.Credentials == nil {
		if err := os.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"); err != nil {
			return nil, fmt.Errorf("setting AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: %w", err)
		}
	}
	options := []func(*config.LoadOptions) error{
		config.WithDefaultsMode(aws.DefaultsModeLegacy), // the mode "auto" asks EC2
		config.WithLogger(logging.Nop{}),                // otherwise the SDK writes to the program's stderr
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost, t.IdleConnTimeout = idlePerHost, idleLifetime
		})),
	}
	if o.Credentials != nil {
		options = append(options, config.WithCredentialsProvider(o.Credentials))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the AWS SDK: %w", httpx.Foreign(err, nil))
	}
	a := &Assumer{externalID: o.ExternalID, log: o.Log}
	var isCache bool
	if a.creds, isCache = cfg.Credentials.(*aws.CredentialsCache); !isCache { // a cache around a cache could not be emptied
		a.creds = aws.NewCredentialsCache(cfg.Credentials)
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if err := a.addClients(cfg, o); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Assumer) addClients(cfg aws.Config, o Options) error {
	regions := o.Regions
	if len(regions) == 0 {
		regions = []string{cfg.Region}
		if cfg.Region == "" {
			regions = []string{partition.DefaultRegion}
		}
	}
	cfg.HTTPClient = clientOf(o.HTTPClient, cfg)
	for _, region := range regions {
		if err := partition.CheckRegion(region); err != nil {
			return fmt.Errorf("regions of STS: %s", errtext.Unprefixed(err))
		}
		if partition.Of(region) != partition.Of(regions[0]) {
			return fmt.Errorf("regions of STS: %s and %s are of different partitions, which share no keys", regions[0], region)
		}
		client := sts.NewFromConfig(cfg, func(so *sts.Options) {
			so.Region, so.Credentials, so.Retryer, so.BaseEndpoint = region, a.creds, aws.NopRetryer{}, nil
			if o.Endpoint != "" {
				so.BaseEndpoint = &o.Endpoint
			}
		})
		if err := httpx.CheckEndpoint("STS", client.Options().BaseEndpoint, false, a.log); err != nil {
			return errors.New(errtext.Unprefixed(err))
		}
		a.clients = append(a.clients, regional{region, client})
	}
	return nil
}

// clientOf returns a client that follows no redirect and reads no large reply: the given one, or else that of the SDK, which
// trusts AWS_CA_BUNDLE and keeps its connections.
func clientOf(given *http.Client, cfg aws.Config) *http.Client {
	var c http.Client
	if given != nil {
		c = *given
	} else if sdk, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		c.Transport = sdk.GetTransport()
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	c.Transport = httpx.SmallReplies{Next: c.Transport}
	c.CheckRedirect = httpx.RefuseRedirect
	return &c
}

// String describes the Assumer without its secrets.
func (a *Assumer) String() string {
	var regions []string
	for _, r := range a.clients {
		regions = append(regions, r.region)
	}
	return fmt.Sprintf("ambient.Assumer{Regions:%q}", regions)
}

// Format prints what String returns, whatever the verb.
func (a *Assumer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// LogValue keeps secrets out of structured logs.
func (a *Assumer) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Identify asks STS who the gateway is, and keeps the answer for [Assumer.Cap]. The error is an [*issue.STSError].
func (a *Assumer) Identify(ctx context.Context) (Identity, error) {
	var id Identity
	_, err := a.persist(ctx, "", func(ctx context.Context, c regional) error {
		out, err := c.client.GetCallerIdentity(ctx, nil)
		if err != nil {
			return err
		}
		id = Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn)}
		id.Chained = strings.Contains(id.ARN, ":assumed-role/")
		if server, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
			id.Ahead = time.Since(server).Truncate(time.Second)
		}
		return nil
	})
	if err != nil {
		return Identity{}, err
	}
	a.identity.Store(&id)
	return id, nil
}

// Identity returns what [Assumer.Identify] learned last. The zero value means that it has not succeeded yet.
func (a *Assumer) Identity() Identity {
	if id := a.identity.Load(); id != nil {
		return *id
	}
	return Identity{}
}

// Cap returns an hour if the gateway's identity is a session of a role, else zero.
func (a *Assumer) Cap() time.Duration {
	if a.Identity().Chained {
		return maxChained
	}
	return 0
}

// trial is what a request has gone through so far.
type trial struct {
	throttled, away int
	renewed         bool // the gateway's own keys were read again
	mayHaveKeys     bool
}

// persist sends a request until STS answers it, or another try makes no sense. It returns the failure of the last try.
func (a *Assumer) persist(ctx context.Context, role string, send func(context.Context, regional) error) (*trial, error) {
	var t trial
	first := a.preferred.Load()
	for n := first; ; n++ {
		i := n % int64(len(a.clients))
		try, stop := context.WithTimeout(ctx, tryTimeout)
		err := send(try, a.clients[i])
		stop()
		if err == nil {
			a.preferred.Store(i)
			return &t, nil
		}
		f := a.failure(ctx, err, role, a.clients[i].region)
		t.mayHaveKeys = t.mayHaveKeys || f.MayHaveKeys
		f.MayHaveKeys = t.mayHaveKeys
		if !t.again(f, len(a.clients)) || ctx.Err() != nil {
			return &t, f
		}
		switch f.Cause {
		case issue.Throttled:
			if !sleep(ctx, f.RetryAfter) {
				return &t, f
			}
		case issue.OwnKeys:
			a.creds.Invalidate()
			n-- // the same region
		}
	}
}

// again reports whether another try may help after a failure.
func (t *trial) again(f *issue.STSError, regions int) bool {
	switch f.Cause {
	case issue.Throttled:
		t.throttled++
		return t.throttled < throttles && f.RetryAfter <= maxPause
	case issue.Away, issue.RegionOff:
		t.away++
		return t.away < max(2, regions)
	case issue.OwnKeys:
		was := t.renewed
		t.renewed = true
		return !was
	}
	return false
}

// sleep waits, and reports whether ctx allows more.
func sleep(ctx context.Context, pause time.Duration) bool {
	pause = max(pause, minPause+rand.N(minPause))
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
