package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
)

// probe asks for keys of an account id that AWS never uses, for the shortest lifetime.
var probe = keys.Request{Account: "000000000000", Role: "rro", Duration: keys.MinDuration}

// acceptances are refusals that a gateway gives only after it has accepted the user and the token.
var acceptances = []string{
	"Account not found", "Permission not granted", "Role not found", "failed to generate access keys", "is not allowed to access",
}

// rejections are words of a refusal of the user or the token.
var rejections = []string{"token", "not an active user"}

// CheckToken checks whether the gateway accepts the user and the token: it asks for keys of an account that does not exist,
// and expects a refusal for that reason. If keys come, it drops them.
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
