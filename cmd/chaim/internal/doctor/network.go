package doctor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

const (
	networkTimeout = 15 * time.Second // for all requests together
	tokenSoon      = 7 * 24 * time.Hour

	// AWS refuses signatures that are more than 5 minutes off:
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
	maxSkew  = 5 * time.Minute
	tellSkew = time.Minute
)

// checkNetwork asks the gateway or, without one, STS.
func (r *report) checkNetwork(ctx context.Context, a *cli.App) error {
	ctx, cancel := context.WithTimeout(keys.WithSingleAttempt(ctx, true), networkTimeout)
	defer cancel()
	client, done, err := awssts.HTTPClient(nil, profiles.AWSFiles{})
	if err != nil {
		r.add("network", failed(err).advise("put AWS_CA_BUNDLE right, or unset it"))
		return nil
	}
	defer done()
	w := &witness{next: client.Transport}
	opts := chaim.Options{NoProfile: true, ReadOnly: true, HTTPClient: &http.Client{Transport: w}}
	return a.Client(opts, func(c *chaim.Client) error {
		where, found := cli.GatewaySource(ctx, c), a.CenterOf(c)
		switch {
		case where != "":
			r.checkGateway(ctx, c, where)
		case found != nil:
			r.add("gateway", ok("none is configured; keys come from %s", cli.TellCenter(found)))
			r.checkCenter(ctx, c, found)
		case os.Getenv(idcenter.SessionVariable) != "":
			_, err := a.FindCenter(idcenter.Center{Session: os.Getenv(idcenter.SessionVariable)})
			r.add("gateway", ok("none is configured"))
			r.add("Identity Center", failed(err).advise("put "+idcenter.SessionVariable+" right, or unset it"))
		default:
			r.add("gateway", ok("none is configured, so keys come from AWS STS; 'chaim init' sets one up"))
			if text := a.NotAsked(ctx, ""); text != "" {
				r.add("Identity Center", ok("%s", text))
			}
			r.add("AWS STS", checkSTS(ctx, w, a.Log))
		}
		r.add("clock", w.checkClock())
		return nil
	})
}

// checkGateway checks the settings of the gateway, and asks it for the accounts that it knows.
func (r *report) checkGateway(ctx context.Context, c *chaim.Client, where string) {
	settings, err := c.Settings(ctx)
	if err != nil {
		setUp := "run 'chaim init' with the init string of your gateway"
		if cli.LacksToken() {
			setUp = cli.PassGateway
		}
		r.add("gateway", failed(err).advise(setUp))
		return
	}
	endpoint, _ := c.Endpoint(ctx)
	r.add("gateway", ok("%s as %s, from %s", endpoint, settings.Username, where))
	if len(cli.GatewayVariables()) == 0 { // the environment has no expiry
		r.add("user token", checkToken(settings, time.Now()))
	}
	start := time.Now()
	accounts, err := c.RequestList(ctx)
	if err != nil {
		r.add("gateway answers", refused(ctx, err))
		return
	}
	took := max(time.Since(start), time.Millisecond).Round(time.Millisecond)
	r.add("gateway answers", ok("%s, after %s", term.Counted(len(accounts), "account", "accounts"), took))
	if same := cli.Twins(accounts, accounts); len(same) > 0 {
		r.add("account names", warn("%s", cli.TellTwins(same)).advise(cli.AskByID))
	} else {
		r.add("account names", ok("no two accounts have the same"))
	}
	if err := c.CheckToken(ctx); err != nil { // some gateways list accounts without a token
		r.add("token accepted", refused(ctx, err))
	} else {
		r.add("token accepted", ok("the gateway knows the user and the token"))
	}
}

// checkToken checks when the user token ends.
func checkToken(s chaim.Settings, now time.Time) check {
	end := s.TokenExpires
	switch {
	case end.IsZero():
		return ok("when it ends is not known")
	case !end.After(now):
		return fail("it has ended").advise(cli.NewTokenOf(s))
	case end.Before(now.Add(tokenSoon)) && s.Protocol != gateway.V1: // a session is meant to end soon
		return warn("it ends %s", humantime.Until(end, now)).advise(cli.NewToken)
	}
	return ok("it ends %s", humantime.Until(end, now))
}

// checkSTS asks STS whose keys the AWS SDK finds.
func checkSTS(ctx context.Context, w *witness, log *slog.Logger) check {
	opts := awssts.Options{Files: profiles.AWSFiles{}, Log: log}
	cfg, err := awssts.Config(ctx, opts)
	if err != nil {
		return failed(err).advise(cli.NewKeys)
	}
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return noKeys(err)
	}
	if sdk, isSDK := cfg.HTTPClient.(*awshttp.BuildableClient); isSDK {
		w.name, w.next, cfg.HTTPClient = "AWS STS", sdk.GetTransport(), &http.Client{Transport: w}
	}
	cfg.RetryMaxAttempts = 2 // the second by the server's clock
	who, err := awssts.Identify(ctx, cfg, creds, opts)
	if err != nil {
		return refused(ctx, err)
	}
	return ok("knows you as %s", who.ARN)
}

// refused is the check of a server that gave a refusal, or no answer.
func refused(ctx context.Context, err error) check {
	if ctx.Err() != nil {
		return fail("no answer within %s", networkTimeout).advise(adviceFor(err))
	}
	return failed(err).advise(adviceFor(err))
}

// adviceFor is the advice after an error of a gateway or of STS.
func adviceFor(err error) string {
	var reply interface{ HTTPStatusCode() int }
	var refusal *chaim.GatewayError
	status := 0
	if isGateway := errors.As(err, &refusal); isGateway {
		status = refusal.StatusCode
	} else if errors.As(err, &reply) {
		status = reply.HTTPStatusCode()
	}
	switch {
	case errors.Is(err, chaim.ErrSignedOut):
		return "sign in again with 'chaim login'"
	case refusal != nil && (refusal.Kind == "busy" || refusal.Kind == "unavailable"):
		return "the gateway is there, but cannot answer now: wait a minute, and run 'chaim doctor' again"
	case cli.LacksSlackIDs(err):
		return "run 'chaim init', which asks for your Slack and workspace ids"
	case refusal != nil && (refusal.Kind != "" || errors.Is(err, chaim.ErrDenied)):
		return "your token may have ended: " + cli.NewToken
	case status == http.StatusTooManyRequests, httpx.IsThrottled(err):
		return "the server is there, but has too many requests: wait a minute, and run 'chaim doctor' again"
	case status >= http.StatusInternalServerError:
		return "the server, or a proxy or VPN on the way, does not work: try again later, and then tell those who run it"
	case errors.As(err, new(smithy.APIError)):
		return cli.NewKeys
	case errors.As(err, new(*net.DNSError)):
		return "check the host name in the settings, the network and the VPN"
	case strings.Contains(err.Error(), "certificate"):
		return "check the URL and the clock; where a proxy has certificates of its own, name a file with them in AWS_CA_BUNDLE"
	case refusal != nil:
		return "check that the URL is that of a chaim gateway, and ask those who run it"
	}
	return "check the network, the VPN, and the proxy in HTTPS_PROXY and NO_PROXY"
}

// witness notes how far this machine's clock is ahead of the clock of the server that answered last.
type witness struct {
	next http.RoundTripper
	name string // of the server; empty means the host that was asked

	mu    sync.Mutex // guards what follows
	host  string     // empty before the first answer
	ahead time.Duration
}

// RoundTrip sends a request on, and reads the date of the reply.
func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.host, w.ahead = cmp.Or(w.name, r.URL.Host), time.Since(date).Truncate(time.Second) // the header has whole seconds
	}
	return resp, nil
}

// checkClock compares the clocks, if a server answered.
func (w *witness) checkClock() check {
	const do = "set the clock of this machine, or have it set itself (NTP)"
	w.mu.Lock()
	defer w.mu.Unlock()
	side := "ahead of"
	if w.ahead < 0 {
		side = "behind"
	}
	switch off := w.ahead.Abs(); {
	case w.host == "":
		return check{}
	case off > maxSkew:
		return fail("%s %s %s", off, side, w.host).advise(do)
	case off > tellSkew:
		return warn("%s %s %s", off, side, w.host).advise(do)
	}
	return ok("within a minute of %s", w.host)
}
