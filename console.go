package chaim

import (
	"context"
	"time"
)

// A sign-in token, and so the link made of it, can be used for 15 minutes.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
const consoleURLLifetime = 15 * time.Minute

// ConsoleURL returns a link that opens the AWS console with the client's credentials. Whoever has the link has the
// credentials, so it is a secret. It is the one that came with the keys while that can still be used, else the gateway
// is asked for a new one.
//
// The error wraps [ErrNoURL] when there is no link to be had: no keys yet, no gateway, or a gateway that gives none.
func (c *Client) ConsoleURL(ctx context.Context) (string, error) {
	k := c.latest.Load()
	switch {
	case k == nil:
		return "", because(ErrNoURL, errNoKeys)
	case k.url != "" && time.Since(k.received) < consoleURLLifetime:
		return k.url, nil
	case c.gateway == nil:
		return "", because(ErrNoURL, errNoGateway)
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	link, err := c.gateway.consoleURL(ctx, k.creds, k.account)
	if err != nil {
		return "", because(ErrNoURL, err)
	}
	return link, nil
}
