package chaim

import (
	"context"
	"errors"
	"time"

	"github.com/chaim-go/chaim/internal/remote"
)

// gateway is a chaim gateway, as a Client sees it.
type gateway struct {
	remote.Gateway
	settings *Settings
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
	return &gateway{settings: &own, close: done, Gateway: remote.Gateway{
		URL: endpoint, Username: s.Username, Token: s.UserToken, SlackID: s.SlackID, WorkspaceID: s.WorkspaceID, HTTP: client, Log: opts.Logger,
	}}, nil
}

// keys asks for credentials.
func (g *gateway) keys(ctx context.Context, account, role string, d time.Duration) (grant, error) {
	keys, err := g.Keys(ctx, account, role, durationText(d), d)
	return grantOf(keys, account), asGatewayError(err)
}

// grantOf is what a gateway gave to whoever asked for an account.
func grantOf(keys remote.GatewayKeys, account string) grant {
	creds := credsFrom(keys.Creds, "")
	if creds.AccountID == "" && remote.IsAccountID(account) { // a reply that names another one is refused
		creds.AccountID = account
	}
	if checkAccount(keys.Account) == nil {
		account = keys.Account
	}
	return grant{creds: creds, account: account, expiresStr: keys.ExpiresText, url: keys.ConsoleURL}
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
