package chaim

import (
	"context"
	"errors"
	"time"

	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/signin"
)

// A sign-in token, and so a link with it, is valid for 15 minutes.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
const consoleURLLifetime = 15 * time.Minute

// ConsoleURL is [Client.ConsoleURLTo] without a destination.
func (c *Client) ConsoleURL(ctx context.Context) (string, error) { return c.ConsoleURLTo(ctx, "") }

// ConsoleURLTo returns a link that opens a page of the AWS console with the client's credentials. The link is a secret: it
// gives its reader the same rights as the credentials. It works for 15 minutes. The console session ends with the keys,
// unless a gateway made the link.
//
// destination is an https URL of the console in the partition of the client's region, or a path and query such as
// "/s3/home?region=eu-west-1" in that region's console. Empty means the home page, or the page of the gateway's link.
//
// A broker that makes links, such as a gateway, gives the link: with the keys or, if that link is too old, on request. For
// other brokers chaim sends the keys to the AWS sign-in page, with the HTTP client and the limits of [Options].HTTPClient.
//
// The error wraps [ErrNoURL] if there can be no link: there are no keys yet, they have expired (it then wraps [ErrExpired]
// too) or have no session token, AWS refuses them, the gateway cannot make a link, or its link allows no other destination.
// It wraps [ErrClosed] after Close. Otherwise it is the gateway's error or the network's.
func (c *Client) ConsoleURLTo(ctx context.Context, destination string) (string, error) {
	if err := c.checkOpen(); err != nil {
		return "", err
	}
	console := signin.ConsoleOf(c.opts.Region)
	page, err := console.Destination(destination)
	if err != nil {
		return "", err
	}
	held := c.keeper.Held()
	if held == nil {
		return "", errtext.Because(ErrNoURL, errors.New("there are no keys yet"))
	}
	if _, err := credsFrom(held.Credentials, c.opts.Region).Retrieve(ctx); err != nil {
		return "", errtext.Because(ErrNoURL, err)
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	broker, isLinker := c.origin.broker.(linker)
	if !isLinker {
		client, done, err := awssts.HTTPClient(c.opts.HTTPClient, profiles.AWSFiles{})
		if err != nil {
			return "", err
		}
		defer done()
		return console.SignIn(ctx, client, c.opts.Logger, held.Credentials, page)
	}
	link := held.ConsoleURL
	if link == "" || time.Since(held.Received.Round(0)) >= consoleURLLifetime { // Round: time in suspend counts
		if link, err = broker.ConsoleURL(ctx, held.Grant); err != nil {
			return "", errtext.Wrap(c.origin.showable(ctx, err, c.opts.Account, c.opts.Role), "asking for a console link")
		}
	}
	if !gateway.IsConsoleURL(link) {
		return "", errtext.Because(ErrNoURL, errors.New("the broker's link is not an https URL"))
	}
	if destination == "" {
		return link, nil
	}
	if link, err = console.Repoint(link, page); err != nil {
		return "", errtext.Because(ErrNoURL, err)
	}
	return link, nil
}
