package chaim

import (
	"context"
	"errors"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
)

// A sign-in token, and so the link made of it, can be used for 15 minutes.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
const consoleURLLifetime = 15 * time.Minute

// ConsoleURL returns a link that opens the AWS console with the client's credentials. Whoever has the link has the
// credentials, so it is a secret. It is the one that came with the keys while that can still be used, else the gateway
// is asked for a new one.
//
// The error wraps [ErrNoURL] when there can be no link, because there are no keys yet or no gateway to ask, and
// [ErrClosed] after Close. Otherwise it is that of the gateway.
func (c *Client) ConsoleURL(ctx context.Context) (string, error) {
	g := c.latest.Load()
	switch {
	case c.life.Err() != nil:
		return "", ErrClosed
	case g == nil:
		return "", errtext.Because(ErrNoURL, errors.New("there are no keys yet"))
	case g.url != "" && time.Since(g.received) < consoleURLLifetime:
		return g.url, nil
	case c.gateway == nil:
		return "", errtext.Because(ErrNoURL, errNoGateway)
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	link, err := c.gateway.consoleURL(ctx, g.creds, g.account)
	if err != nil {
		return "", errtext.Wrap(err, "asking for a console link")
	}
	return link, nil
}
