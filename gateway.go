package chaim

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/chaim-go/chaim/internal/remote"
)

// gateway is a chaim gateway, as a Client sees it.
type gateway struct {
	remote.Gateway
	owned *http.Transport // ours to close, or nil
}

func newGateway(s *Settings, where string, opts *Options) (*gateway, error) {
	endpoint, err := s.endpoint(where, opts.AllowInsecure)
	if err != nil {
		return nil, err
	}
	if _, err := s.endpoint(where, false); err != nil { // accepted only for AllowInsecure
		opts.Logger.Warn("chaim: gateway is plain http, so anyone on the way can read the user token", "gateway", endpoint)
	}
	g := &gateway{Gateway: remote.Gateway{
		URL: endpoint, Username: s.Username, Token: s.UserToken, SlackID: s.SlackID, WorkspaceID: s.WorkspaceID, Log: opts.Logger,
	}}
	var client http.Client
	if opts.HTTPClient != nil {
		client = *opts.HTTPClient
	} else {
		if g.owned, err = remote.NewTransport(); err != nil {
			return nil, err
		}
		client.Transport = g.owned
	}
	client.CheckRedirect = remote.RefuseRedirect
	g.HTTP = &client
	return g, nil
}

func (g *gateway) close() {
	if g.owned != nil {
		g.owned.CloseIdleConnections()
	}
}

// keys asks for credentials.
func (g *gateway) keys(ctx context.Context, account, role string, d time.Duration) (grant, error) {
	keys, err := g.Keys(ctx, account, role, durationText(d), d)
	if err != nil {
		return grant{}, asGatewayError(err)
	}
	if checkAccount(keys.Account) == nil {
		account = keys.Account
	}
	return grant{
		creds: credsFrom(keys.Creds, ""), account: account, accountID: keys.Creds.AccountID,
		expiresStr: keys.ExpiresText, url: keys.ConsoleURL,
	}, nil
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
