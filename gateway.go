package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/gatewayapi"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/settingsfile"
)

// Gateway is a chaim gateway as a [Broker]. Settings must be given; the zero value of every other field works. It also lists
// accounts and makes console links. Its refusals are a [*GatewayError]. Do not change or copy it after its first use. Any
// number of goroutines may use it; they share its connections.
type Gateway struct {
	// Settings say where the gateway is and who the user is.
	Settings Settings
	// AllowInsecure accepts plain http to an address that is not a loopback one. The network can then read the token.
	AllowInsecure bool
	// HTTPClient sends the requests, as [Options].HTTPClient does. Nil means chaim's own client.
	HTTPClient *http.Client
	// Logger gets warnings, without secrets. Nil means silence.
	Logger *slog.Logger

	mu   sync.Mutex
	peer *gatewayPeer // nil before the first use
}

// gatewayPeer is the connection of a Gateway, in the protocol of its settings. Two pointers lead to the token, because fmt
// follows one.
type gatewayPeer struct {
	gateway.Asker
	url  string // ends in a slash
	done func() // closes its connections
}

var _ Broker = (*Gateway)(nil)

// open returns the peer, and makes it at the first call. After a failure, such as an unreadable AWS_CA_BUNDLE, the next call
// tries again. where names the source of the settings in the error.
func (g *Gateway) open(where string) (*gatewayPeer, error) {
	if g == nil {
		return nil, errors.New("chaim: this *Gateway is nil: make one with Settings")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.peer != nil {
		return g.peer, nil
	}
	s, log := g.Settings, cmp.Or(g.Logger, silent)
	endpoint, err := gateway.Settings(s).URL(where, g.AllowInsecure)
	if err != nil {
		return nil, err
	}
	if _, err := gateway.Settings(s).URL(where, false); err != nil { // only AllowInsecure accepts it
		log.Warn("chaim: gateway is plain http, so anyone on the way can read the user token", "gateway", endpoint)
	}
	client, done, err := awssts.HTTPClient(g.HTTPClient, profiles.AWSFiles{})
	if err != nil {
		return nil, err
	}
	if g.HTTPClient == nil && log.Enabled(context.Background(), slog.LevelDebug) {
		client = httpx.Logged(client, log)
	}
	g.peer = &gatewayPeer{url: endpoint, done: done}
	if s.Protocol == gateway.V1 {
		g.peer.Asker = &gatewayapi.Client{
			URL: endpoint, Username: s.Username, Token: s.UserToken, Expires: s.TokenExpires, HTTP: client, Log: log,
		}
		return g.peer, nil
	}
	g.peer.Asker = &gateway.Gateway{
		URL: endpoint, Username: s.Username, Token: s.UserToken, SlackID: s.SlackID, WorkspaceID: s.WorkspaceID, HTTP: client, Log: log,
	}
	return g.peer, nil
}

const whereGiven = "Gateway.Settings"

// Keys asks the gateway for keys. If a gateway could misread the account's name, it asks by the id in the gateway's list.
func (g *Gateway) Keys(ctx context.Context, r Request) (Grant, error) {
	peer, err := g.open(whereGiven)
	if err != nil {
		return Grant{}, err
	}
	return peer.Keys(ctx, r)
}

// Accounts returns the accounts that the gateway knows or, with protocol v1, that the user may use, in its order.
func (g *Gateway) Accounts(ctx context.Context) ([]Account, error) {
	peer, err := g.open(whereGiven)
	if err != nil {
		return nil, err
	}
	return peer.Accounts(ctx)
}

// Roles returns the roles that the user may use in an account. account is its name or its 12-digit id. It is an error if no
// account has the name, or more than one, and without protocol v1: such gateways list no roles.
func (g *Gateway) Roles(ctx context.Context, account string) ([]string, error) {
	peer, err := g.open(whereGiven)
	if err != nil {
		return nil, err
	}
	if keys.IsAccountID(account) {
		return peer.Roles(ctx, account)
	}
	if g.Settings.Protocol != gateway.V1 {
		return nil, gateway.ErrNoRoles
	}
	accounts, err := peer.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	same := slices.DeleteFunc(accounts, func(a Account) bool { return a.Name != account })
	if len(same) != 1 {
		return nil, fmt.Errorf("chaim: %d of the accounts that you may use at %s are named %s: give the id", len(same), peer.url, keys.QuoteShort(account))
	}
	return peer.Roles(ctx, same[0].ID)
}

// AllRoles returns the roles that the user may use in each account, by the account's id. It costs as many requests as a list
// of the accounts. It is an error without protocol v1.
func (g *Gateway) AllRoles(ctx context.Context) (map[string][]string, error) {
	peer, err := g.open(whereGiven)
	if err != nil {
		return nil, err
	}
	return peer.AllRoles(ctx)
}

// ConsoleURL asks the gateway for a link that signs in to the AWS console with these keys.
func (g *Gateway) ConsoleURL(ctx context.Context, keys Grant) (string, error) {
	peer, err := g.open(whereGiven)
	if err != nil {
		return "", err
	}
	return peer.ConsoleURL(ctx, keys.Credentials, keys.Account)
}

// Format prints the settings without the token, whatever the verb.
func (g *Gateway) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "chaim.Gateway{%s}", cmp.Or(g, new(Gateway)).Settings)
}

// LogValue keeps the token out of structured logs.
func (g *Gateway) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(g)) }

// Account is an AWS account in the list of a gateway or another [Broker]. It has two fields of type string: ID, the 12-digit
// id unless the broker is wrong, and Name, the broker's name for the account, which may be empty.
type Account = keys.Account

// RequestList returns the account list of the gateway, or of another broker that has one, in its order. The error wraps
// [ErrNotConfigured] without such a broker and [ErrClosed] after Close. A gateway's refusal is a [*GatewayError].
func (c *Client) RequestList(ctx context.Context) ([]Account, error) {
	if err := c.checkOpen(); err != nil {
		return nil, err
	}
	broker, isLister := c.origin.broker.(lister)
	if !isLister {
		return nil, c.origin.noGateway()
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	accounts, err := broker.Accounts(ctx)
	if err != nil {
		return nil, errtext.Wrap(c.origin.showable(ctx, err), "listing accounts")
	}
	return accounts, nil
}

// CheckToken checks whether the gateway accepts the user and the user token. The account list cannot show that, because the
// original gateway gives it to everyone. So CheckToken asks for keys of an account that does not exist, and expects a
// refusal for that reason. With protocol v1 it asks who the token belongs to. It changes nothing.
//
// If the gateway does not accept the user or the token, the error is a [*GatewayError]. It wraps [ErrDenied], and with
// protocol v1 [ErrSignedOut], or says that the gateway knows no user with these Slack ids. Otherwise errors are those of [Client.RequestList].
func (c *Client) CheckToken(ctx context.Context) error {
	peer, err := c.peer()
	if err != nil {
		return err
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	if err := peer.CheckToken(ctx); err != nil {
		return errtext.Wrap(err, "checking the user token")
	}
	return nil
}

// peer returns the gateway that the client asks.
func (c *Client) peer() (*gatewayPeer, error) {
	if err := c.checkOpen(); err != nil {
		return nil, err
	}
	g, err := c.origin.gateway()
	if err != nil {
		return nil, err
	}
	return g.open(whereGiven)
}

// Endpoint returns the URL of the client's gateway. The error wraps [ErrNotConfigured] without one, and [ErrClosed] after
// Close.
func (c *Client) Endpoint(ctx context.Context) (string, error) {
	peer, err := c.peer()
	if err = cmp.Or(err, context.Cause(ctx)); err != nil {
		return "", err
	}
	return peer.url, nil
}

// Settings returns the settings of the client's gateway as they were when the client was made, token included. Errors are
// those of [Client.Endpoint].
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	if _, err := c.Endpoint(ctx); err != nil {
		return Settings{}, err
	}
	g, _ := c.origin.gateway() // there is one: it has an endpoint
	s := g.Settings
	s.Extra = maps.Clone(s.Extra)
	return s, nil
}

// Settings say where the chaim gateway is and who the user is. They come from [Options], the environment, the section
// [default] of the credentials file, or an init string (see [ParseInit]).
//
// The user token is a secret: a Settings prints and marshals without it.
type Settings struct {
	// Endpoint is the URL of the gateway. Empty means the API Gateway of API, Stage and Region.
	Endpoint string
	// API is the id of the API Gateway. It is not needed with an Endpoint.
	API string
	// Stage is the stage of the API Gateway. It is not needed with an Endpoint.
	Stage string
	// Region is the AWS region of the gateway, and the default for profiles. Empty means "eu-west-1".
	Region string
	// Username is the chaim user name. It must be given.
	Username string
	// UserToken is the user's token, a secret. It must be given.
	UserToken string
	// TokenExpires is the expiry of the user token. Zero means unknown.
	TokenExpires time.Time
	// SlackID is the Slack user id. Empty means none.
	SlackID string
	// WorkspaceID is the Slack workspace id. Empty means none.
	WorkspaceID string
	// Protocol is how chaim speaks to the gateway. Empty means with forms, as the original gateway does. "v1" means the JSON
	// API below the Endpoint, which must be given then. chaim tries no other protocol if this one fails.
	Protocol string

	// Extra holds pairs of an init string that have no field here, under their own names.
	Extra map[string]string
}

// String describes the settings without the token, and without a password in the URL.
func (s Settings) String() string { return gateway.Settings(s).String() }

// Format prints what String returns, whatever the verb.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps the token out of structured logs.
func (s Settings) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String returns, so that JSON and other encoders show no secret.
func (s Settings) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Store writes the settings into the section [default] of the credentials file, where clients without other settings find
// them. It writes Extra under its own names. dir is as in [Options].Dir. For an empty field of s the file keeps its value,
// unless that no longer fits: Store removes the old endpoint if s has API and Stage, the API and Stage of another gateway,
// the Slack ids of another user, the expiry of another token, and the old protocol. All other bytes of the file stay.
// Store asks no gateway: a session whose token it replaces lives on until it ends.
//
// Before it touches the file, Store refuses unusable settings, and an Extra whose name means something to an AWS SDK.
// Otherwise errors are those of [Client.RequestKeys] about the file. Any number of goroutines and processes may call it.
func (s Settings) Store(ctx context.Context, dir string) error {
	_, err := settingsfile.Replace(ctx, dir, gateway.Settings(s))
	return err
}

// ParseInit parses the init string, with which a gateway sets up a client: base64url, padded or not, of key=value pairs that
// are joined by "&" and percent-encoded. The pairs must name a gateway, a user and a token. Unknown pairs go into Extra.
// init may be the string, a command such as "cca init STRING" or a whole message, and may be wrapped over several lines. The
// error never holds a part of the string.
func ParseInit(init string) (Settings, error) {
	s, err := gateway.ParseInit(init)
	if err != nil {
		return Settings{}, err
	}
	return Settings(s), nil
}
