package chaim

import (
	"context"
	"errors"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/remote"
)

// A sign-in token, and so the link made of it, can be used for 15 minutes.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
const consoleURLLifetime = 15 * time.Minute

// ConsoleURL is [Client.ConsoleURLTo] for the console's home page, or for whatever page a gateway's link opens.
func (c *Client) ConsoleURL(ctx context.Context) (string, error) { return c.ConsoleURLTo(ctx, "") }

// ConsoleURLTo returns a link that opens a page of the AWS console with the client's credentials. The link gives access
// to the credentials, so it is a secret. It can be used for 15 minutes. A link made without a gateway opens a console session
// that ends with the keys.
//
// destination is an https URL of the console in the partition of the client's region, or a path and query such as
// "/s3/home?region=eu-west-1" in the console of that region; empty means what [Client.ConsoleURL] says. Others are refused.
//
// With a gateway the link is the one that came with the keys while that can still be used, else the gateway is asked for
// a new one. Without one the keys are sent to the AWS sign-in page of the partition of the client's region, up to three
// times in the way that [Options].HTTPClient describes.
//
// The error wraps [ErrNoURL] when there can be no link: there are no keys yet, they have expired (then it wraps
// [ErrExpired] too), they have no session token, AWS refuses them, or a gateway's link cannot be given another
// destination, or it could make none. It wraps [ErrClosed] after Close. Otherwise it is that of the gateway or the network.
func (c *Client) ConsoleURLTo(ctx context.Context, destination string) (string, error) {
	if err := c.checkOpen(); err != nil {
		return "", err
	}
	console := remote.ConsoleOf(c.opts.Region)
	page, err := console.Destination(destination)
	if err != nil {
		return "", err
	}
	g := c.latest.Load()
	if g == nil {
		return "", errtext.Because(ErrNoURL, errNoKeys)
	}
	if _, err := g.creds.Retrieve(ctx); err != nil {
		return "", errtext.Because(ErrNoURL, err)
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	if c.gateway == nil {
		return c.signInLink(ctx, console, page, g.creds)
	}
	link := g.url
	if link == "" || time.Since(g.received.Round(0)) >= consoleURLLifetime { // also after a suspend
		if link, err = c.gateway.consoleURL(ctx, g.creds, g.account); err != nil {
			return "", errtext.Wrap(err, "asking for a console link")
		}
	}
	if destination == "" {
		return link, nil
	}
	if link, err = console.Repoint(link, page); err != nil {
		return "", errtext.Because(ErrNoURL, err)
	}
	return link, nil
}

var (
	errNoKeys  = errors.New("there are no keys yet")
	errNoToken = errors.New("these keys have no session token: only temporary keys can be taken to the console, such as those of a role")
)

// signInLink has AWS make a link of keys.
func (c *Client) signInLink(ctx context.Context, console remote.Console, page string, creds AwsCreds) (string, error) {
	if creds.SessionToken == "" {
		return "", errtext.Because(ErrNoURL, errNoToken)
	}
	client, done, err := remote.ClientFor(c.opts.HTTPClient)
	if err != nil {
		return "", err
	}
	defer done()
	token, err := console.SignInToken(ctx, client, c.opts.Logger, creds.sdk())
	if err == nil {
		return console.Link(token, page), nil
	}
	isRefused := false
	if refusal := new(remote.Refusal); errors.As(err, &refusal) {
		isRefused = refusal.IsFinal && refusal.StatusCode >= 400
		err = errors.New(refusal.Message) // its text is one about a gateway
	}
	err = errtext.Wrap(err, "asking %s for a console link", console.SignInHost)
	if isRefused {
		err = errtext.Because(ErrNoURL, err)
	}
	return "", err
}
