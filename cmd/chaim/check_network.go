package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

const (
	networkTimeout = 15 * time.Second // of all requests together
	tokenSoon      = 7 * 24 * time.Hour

	// AWS refuses signatures that are more than 5 minutes off:
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
	maxSkew  = 5 * time.Minute
	tellSkew = time.Minute
)

// gatewayVariables are those that name a gateway and its user. One of them makes the environment the only source.
var gatewayVariables = []string{
	"CHAIM_URL", "CHAIM_API", "CHAIM_STAGE", "CHAIM_REGION", "CHAIM_USER", "CHAIM_TOKEN", "CHAIM_SLACKID", "CHAIM_WORKSPACEID",
}

// checkNetwork asks the gateway, or STS where there is none.
func (c *checkup) checkNetwork(ctx context.Context, a *app, f awsFiles) {
	ctx, cancel := context.WithTimeout(keys.WithSingleAttempt(ctx, true), networkTimeout)
	defer cancel()
	roots, err := awssts.TrustedRoots(profiles.AWSFiles{})
	if err != nil {
		c.fail("network", errtext.Unprefixed(err), "put AWS_CA_BUNDLE right, or unset it")
		return
	}
	transport := httpx.NewTransport(roots)
	defer transport.CloseIdleConnections()
	w := &witness{next: transport}
	settings, where := gatewaySettings(f)
	if where == "" {
		c.ok("gateway", "none is configured, so keys come from AWS STS; 'chaim init' sets one up")
		c.checkSTS(ctx, w, a.log)
	} else {
		c.checkGateway(ctx, where, chaim.Options{
			NoProfile: true, Settings: settings, HTTPClient: &http.Client{Transport: w}, Logger: a.log,
			// A client sweeps the folder it is for. There is nothing in one that is not there.
			Dir: filepath.Join(filepath.Dir(f.target), "chaim", "nothing"),
		})
	}
	c.checkClock(w)
}

// gatewaySettings are those in the credentials file, nil where the environment has some, and where they are, if anywhere.
func gatewaySettings(f awsFiles) (s *chaim.Settings, where string) {
	pairs, _, _ := inifile.Parse(f.doc).All(inifile.DefaultSection) // what is wrong with the file is told already
	isInFile := pairs["endpoint"]+pairs["api"] != ""
	names := slices.DeleteFunc(slices.Clone(gatewayVariables), func(name string) bool { return os.Getenv(name) == "" })
	switch {
	case len(names) > 0 && isInFile:
		return nil, fmt.Sprintf("the environment (%s), and not from section [default] of the credentials file",
			strings.Join(names, ", "))
	case len(names) > 0:
		return nil, fmt.Sprintf("the environment (%s)", strings.Join(names, ", "))
	case !isInFile:
		return nil, ""
	}
	s = &chaim.Settings{
		Endpoint: pairs["endpoint"], API: pairs["api"], Stage: pairs["stage"], Region: pairs["region"],
		Username: pairs["username"], UserToken: pairs["usertoken"],
		SlackID: pairs["slackid"], WorkspaceID: pairs["workspaceid"],
	}
	s.TokenExpires, _ = humantime.Instant(pairs["tokenexpires"])
	return s, "section [default] of " + f.path
}

// checkGateway looks at the settings of the gateway, and asks it for the accounts it knows.
func (c *checkup) checkGateway(ctx context.Context, where string, opts chaim.Options) {
	const name = "gateway"
	setUp := "run 'chaim init' with the init string of your gateway"
	if lacksToken() {
		setUp = passGatewayHint
	}
	user := os.Getenv("CHAIM_USER")
	if opts.Settings != nil {
		user = opts.Settings.Username
	}
	client, err := chaim.New(opts)
	if err != nil {
		// That these are options is of no interest here.
		c.fail(name, strings.ReplaceAll(errtext.Unprefixed(err), "Options.Settings", where), setUp)
		return
	}
	defer client.Close()
	endpoint, err := client.Endpoint(ctx)
	if err != nil {
		c.fail(name, errtext.Unprefixed(err), setUp)
		return
	}
	c.ok(name, "%s as %s, from %s", endpoint, user, where)
	if opts.Settings != nil {
		c.checkToken(opts.Settings.TokenExpires, time.Now())
	}

	const answer = "gateway answers"
	start := time.Now()
	accounts, err := client.RequestList(ctx)
	switch {
	case err == nil:
		c.ok(answer, "%s, after %s", counted(len(accounts), "account", "accounts"), max(time.Since(start), time.Millisecond).Round(time.Millisecond))
	case ctx.Err() != nil:
		c.fail(answer, fmt.Sprintf("not within %s", networkTimeout), networkHint(err))
	case errors.Is(err, chaim.ErrDenied):
		c.fail(answer, errtext.Unprefixed(err), "your token may have ended: "+newToken)
	default:
		c.fail(answer, errtext.Unprefixed(err), networkHint(err))
	}
	if err == nil { // which needs no token at some gateways
		c.checkTwins(accounts)
		c.checkAccepted(ctx, client)
	}
}

// checkTwins looks for accounts that cannot be told apart by name.
func (c *checkup) checkTwins(accounts []chaim.Account) {
	const name = "account names"
	if same := twins(accounts, accounts); len(same) > 0 {
		c.warn(name, tellTwins(same), askByID)
		return
	}
	c.ok(name, "no two accounts have the same")
}

// checkAccepted asks the gateway whether it accepts the user token.
func (c *checkup) checkAccepted(ctx context.Context, client *chaim.Client) {
	const name = "token accepted"
	err := client.CheckToken(ctx)
	switch {
	case err == nil:
		c.ok(name, "the gateway knows the user and the token")
	case ctx.Err() != nil:
		c.fail(name, fmt.Sprintf("not within %s", networkTimeout), networkHint(err))
	case isFailing(err):
		c.fail(name, errtext.Unprefixed(err), networkHint(err))
	case lacksSlackIDs(err):
		c.fail(name, errtext.Unprefixed(err), "run 'chaim init', which asks for your Slack and workspace ids")
	case errors.As(err, new(*chaim.GatewayError)) && !errors.Is(err, chaim.ErrUnreachable):
		c.fail(name, errtext.Unprefixed(err), "your token may be wrong or have ended: "+newToken)
	default:
		c.fail(name, errtext.Unprefixed(err), networkHint(err))
	}
}

// checkToken looks how long the user token of the gateway can be used.
func (c *checkup) checkToken(end, now time.Time) {
	const name = "user token"
	text := "it ends " + humantime.Until(end, now)
	switch {
	case end.IsZero():
		c.ok(name, "when it ends is not known")
	case !end.After(now):
		c.fail(name, "it has ended", newToken)
	case end.Before(now.Add(tokenSoon)):
		c.warn(name, text, newToken)
	default:
		c.ok(name, "%s", text)
	}
}

// statusOf is the HTTP status with which a gateway or STS has refused, or zero.
func statusOf(err error) int {
	var refusal *chaim.GatewayError
	var reply interface{ HTTPStatusCode() int }
	switch {
	case errors.As(err, &refusal):
		return refusal.StatusCode
	case errors.As(err, &reply):
		return reply.HTTPStatusCode()
	}
	return 0
}

// isBusy reports whether a server has answered that it has too many requests.
func isBusy(err error) bool {
	var refusal smithy.APIError
	return statusOf(err) == http.StatusTooManyRequests || errors.As(err, &refusal) && strings.Contains(refusal.ErrorCode(), "Throttling")
}

// isFailing reports whether a server has answered that it is busy, or does not work, and so nothing of the request.
func isFailing(err error) bool {
	return isBusy(err) || statusOf(err) >= http.StatusInternalServerError
}

// networkHint is what to do about a server that cannot be asked.
func networkHint(err error) string {
	var lookup *net.DNSError
	switch {
	case isBusy(err):
		return "the server is there, but has too many requests: wait a minute, and run 'chaim doctor' again"
	case isFailing(err):
		return "the server, or a proxy or VPN on the way, does not work: try again later, and then tell those who run it"
	case errors.As(err, &lookup):
		return "check the host name in the settings, the network and the VPN"
	case strings.Contains(err.Error(), "certificate"):
		return "check the URL and the clock; where a proxy has certificates of its own, name a file with them in AWS_CA_BUNDLE"
	case errors.As(err, new(*chaim.GatewayError)):
		return "check that the URL is that of a chaim gateway, and ask those who run it"
	}
	return "check the network, the VPN, and the proxy in HTTPS_PROXY and NO_PROXY"
}

// checkSTS asks AWS whose the keys are that chaim would ask for others with.
func (c *checkup) checkSTS(ctx context.Context, w *witness, log *slog.Logger) {
	const name = "AWS STS"
	cfg, err := awssts.Config(ctx, awssts.Options{Files: profiles.AWSFiles{}, Log: log})
	if err != nil {
		c.fail(name, errtext.Unprefixed(err), newKeys)
		return
	}
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		c.fail(name, "there are no keys to ask it with: "+plainly(awssts.Foreign(err, profiles.AWSFiles{}).Error()), newKeys)
		return
	}
	cfg.RetryMaxAttempts = 2 // the second by the server's clock
	cfg.APIOptions = append(cfg.APIOptions, w.watch)
	who, err := awssts.Identify(ctx, cfg, creds, awssts.Options{AllowInsecure: false, Log: log, Files: profiles.AWSFiles{}})
	switch {
	case err == nil:
		c.ok(name, "knows you as %s", who.ARN)
	case ctx.Err() != nil:
		c.fail(name, fmt.Sprintf("does not answer within %s", networkTimeout), networkHint(err))
	case errors.As(err, new(smithy.APIError)) && !isFailing(err):
		c.fail(name, errtext.Unprefixed(err), newKeys)
	default:
		c.fail(name, errtext.Unprefixed(err), networkHint(err))
	}
}

// checkClock compares this machine's clock with that of the server that answered, if one did.
func (c *checkup) checkClock(w *witness) {
	const name, do = "clock", "set the clock of this machine, or have it set itself (NTP)"
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.host == "" {
		return
	}
	text := fmt.Sprintf("%s ahead of %s", w.ahead, w.host)
	if w.ahead < 0 {
		text = fmt.Sprintf("%s behind %s", -w.ahead, w.host)
	}
	switch {
	case w.ahead.Abs() > maxSkew:
		c.fail(name, text, do)
	case w.ahead.Abs() > tellSkew:
		c.warn(name, text, do)
	default:
		c.ok(name, "within a minute of %s", w.host)
	}
}

// witness notes by how much this machine's clock is ahead of that of the server that answered last.
type witness struct {
	next http.RoundTripper

	mu    sync.Mutex // guards what follows
	host  string     // empty before a server has told the time
	ahead time.Duration
}

// RoundTrip sends a request on.
func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err == nil {
		w.note(r.URL.Host, resp.Header)
	}
	return resp, err
}

// watch has a client of the AWS SDK show its replies.
func (w *witness) watch(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("ChaimClock", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if resp, isHTTP := out.RawResponse.(*smithyhttp.Response); isHTTP {
			w.note("AWS STS", resp.Header)
		}
		return out, metadata, err
	}), middleware.After)
}

func (w *witness) note(host string, header http.Header) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host, w.ahead = host, time.Since(date).Truncate(time.Second) // of which the header has no parts
}
