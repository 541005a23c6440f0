package chaim

import (
	"context"

	"github.com/chaim-go/chaim/internal/errtext"
)

// Account is an AWS account that a gateway knows.
type Account struct {
	ID   string // 12 digits
	Name string // full name, as the gateway calls it
}

// RequestList asks the gateway for the accounts it knows, in the gateway's order. It returns an error wrapping
// [ErrNotConfigured] without a gateway, [ErrClosed] after Close, and a [*GatewayError] when the gateway refuses.
func (c *Client) RequestList(ctx context.Context) ([]Account, error) {
	if c.gateway == nil {
		return nil, errtext.Because(ErrNotConfigured, errNoGateway)
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	accounts, err := c.gateway.accounts(ctx)
	if err != nil {
		return nil, errtext.Wrap(err, "listing accounts")
	}
	return accounts, nil
}
