package gateway

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/keys"
)

// Asker asks one gateway for one user, in one protocol. Its errors are an [*httpx.Refusal], a [*SignedOutError], or say why
// no reply came. Any number of goroutines may call it.
type Asker interface {
	// Keys asks for keys.
	Keys(ctx context.Context, r keys.Request) (keys.Grant, error)
	// Accounts asks for the accounts that the gateway knows, or that the user may use.
	Accounts(ctx context.Context) ([]keys.Account, error)
	// Roles asks for the roles that the user may use in the account with that id.
	Roles(ctx context.Context, id string) ([]string, error)
	// AllRoles asks for the roles that the user may use, by the id of the account.
	AllRoles(ctx context.Context) (map[string][]string, error)
	// ConsoleURL asks for a console link for keys of the account.
	ConsoleURL(ctx context.Context, creds aws.Credentials, account string) (string, error)
	// CheckToken asks whether the gateway accepts the user and the token.
	CheckToken(ctx context.Context) error
}

var _ Asker = (*Gateway)(nil)

// Roles returns an error: with forms a gateway lists no roles.
func (g *Gateway) Roles(context.Context, string) ([]string, error) { return nil, ErrNoRoles }

// AllRoles returns the same error.
func (g *Gateway) AllRoles(context.Context) (map[string][]string, error) { return nil, ErrNoRoles }
