package chaim

import (
	"context"
	"errors"

	"github.com/chaim-go/chaim/internal/remote"
)

// gateway is a chaim gateway, as a Client sees it.
type gateway struct {
	remote.Gateway
	settings *Settings
	where    string // the settings come from
	close    func()
}

func newGateway(s *Settings, where string, opts *Options) (*gateway, error) {
	endpoint, err := s.endpoint(where, opts.AllowInsecure)
	if err != nil {
		return nil, err
	}
	if _, err := s.endpoint(where, false); err != nil { // accepted only for AllowInsecure
		opts.Logger.Warn("chaim: gateway is plain http, so anyone on the way can read the user token", "gateway", endpoint)
	}
	client, done, err := remote.ClientFor(opts.HTTPClient)
	if err != nil {
		return nil, err
	}
	own := *s
	return &gateway{settings: &own, where: where, close: done, Gateway: remote.Gateway{
		URL: endpoint, Username: s.Username, Token: s.UserToken, SlackID: s.SlackID, WorkspaceID: s.WorkspaceID, HTTP: client, Log: opts.Logger,
	}}, nil
}

// keys asks for credentials.
func (g *gateway) keys(ctx context.Context, o *Options, accountID string) (grant, error) {
	request := o.keyRequest()
	request.AccountID = accountID
	keys, err := g.Keys(ctx, request)
	if err != nil {
		return grant{}, asGatewayError(err)
	}
	return grantOf(keys, o.Account)
}

// keyRequest is what a gateway is asked for.
func (o *Options) keyRequest() remote.KeyRequest {
	return remote.KeyRequest{
		Account: o.Account, AccountID: o.AccountID, Role: o.Role, Duration: durationText(o.Duration), Lifetime: o.Duration, Region: o.Region,
	}
}

// grantOf is what a gateway gave for an account. A profile says whose keys it holds by the gateway's name for the account, as
// it was asked for, or by its id, whichever of them can stand in the file.
func grantOf(keys remote.GatewayKeys, account string) (grant, error) {
	g := grant{creds: credsFrom(keys.Creds, ""), expiresStr: keys.ExpiresText, url: keys.ConsoleURL}
	for _, name := range []string{keys.Account, account, g.creds.AccountID} {
		if checkMarker(name) == nil {
			g.account = name
			return g, nil
		}
	}
	return grant{}, checkMarker(account)
}

// accounts asks for the accounts that the gateway knows.
func (g *gateway) accounts(ctx context.Context) ([]Account, error) {
	list, err := g.Accounts(ctx)
	if err != nil {
		return nil, asGatewayError(err)
	}
	accounts := make([]Account, len(list))
	for i, a := range list {
		accounts[i] = Account(a)
	}
	return accounts, nil
}

// consoleURL asks for a signed-in console link.
func (g *gateway) consoleURL(ctx context.Context, creds AwsCreds, account string) (string, error) {
	link, err := g.ConsoleURL(ctx, creds.sdk(), account)
	return link, asGatewayError(err)
}

// asGatewayError makes a refusal one that callers can look at. Other errors, and nil, stay.
func asGatewayError(err error) error {
	if r := (*remote.Refusal)(nil); errors.As(err, &r) {
		return &GatewayError{r.StatusCode, r.Kind, r.Message, r.IsFinal, r.RetryAfter}
	}
	return err
}
