package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

// probe is a request for keys of an account with an id that AWS gives to none, for the shortest time that there is.
var probe = keys.Request{Account: "000000000000", Role: "rro", Duration: keys.MinDuration}

// acceptances are refusals of keys that a gateway only comes to once it has accepted the user and the token.
var acceptances = []string{
	"Account not found", "Permission not granted", "Role not found", "failed to generate access keys", "is not allowed to access",
}

// rejections are of the user or the token, whatever else a refusal says.
var rejections = []string{"token", "not an active user"}

// CheckToken asks whether the gateway accepts the user and the token, by asking for keys of an account that does not exist.
// A refusal for that reason is acceptance, and keys that come in spite of that are dropped.
func (g *Gateway) CheckToken(ctx context.Context) error {
	_, err := g.ask(ctx, probe, 0)
	if refusal := (*httpx.Refusal)(nil); errors.As(err, &refusal) {
		says := func(text string) bool { return strings.Contains(refusal.Message, text) }
		if refusal.Kind != "" && slices.ContainsFunc(acceptances, says) && !slices.ContainsFunc(rejections, says) {
			return nil
		}
	}
	return err
}
