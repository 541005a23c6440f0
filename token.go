package chaim

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/remote"
)

// noAccount is an id that AWS gives to no account.
const noAccount = "000000000000"

// acceptances are refusals of keys that a gateway only comes to once it has accepted the user and the token.
var acceptances = []string{
	"Account not found", "Permission not granted", "Role not found", "failed to generate access keys", "is not allowed to access",
}

// rejections are of the user or the token, whatever else a refusal says.
var rejections = []string{"token", "not an active user"}

// CheckToken asks the gateway whether it accepts the user and the user token, which a list of accounts does not tell: the
// original gateway gives that to everybody. It asks for keys of an account that does not exist, and takes a refusal for that
// reason as acceptance. Nothing changes, and keys that come in spite of that are dropped.
//
// Where the gateway refuses the user or the token, the error is a [*GatewayError] that wraps [ErrDenied], or one that says
// that the gateway knows no user of these Slack ids. Otherwise errors are those of [Client.RequestList].
func (c *Client) CheckToken(ctx context.Context) error {
	if err := c.checkOpen(); err != nil {
		return err
	}
	if c.gateway == nil {
		return c.noGateway
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	_, err := c.gateway.Keys(ctx, remote.KeyRequest{
		Account: noAccount, Role: defaultRole, Duration: durationText(minDuration), // and whatever lifetime comes
	})
	if refusal := (*remote.Refusal)(nil); errors.As(err, &refusal) {
		says := func(text string) bool { return strings.Contains(refusal.Message, text) }
		if refusal.Kind != "" && slices.ContainsFunc(acceptances, says) && !slices.ContainsFunc(rejections, says) {
			return nil
		}
	}
	if err != nil {
		return errtext.Wrap(asGatewayError(err), "checking the user token")
	}
	return nil
}
