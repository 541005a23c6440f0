// Package idp signs people in at an OpenID Connect provider: authorization code, PKCE, state and nonce.
//
// What the provider answers is hostile until it is proven: it is read up to 1 MiB and within 10 seconds in all, no redirect is
// followed, and no error repeats it.
package idp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/internal/httpx"
)

const (
	defaultTimeout = 10 * time.Second
	// metadataLife is how long the discovery document is used before it is read again.
	metadataLife = time.Hour
	// refreshTimeout is how long that may take while the one from before can be used, and retryAfter the time to the next try.
	refreshTimeout = 2 * time.Second
	retryAfter     = time.Minute
	// leeway is how far the clocks of the gateway and the provider may be apart.
	leeway = time.Minute
)

// Options change how a provider is asked. The zero value is for production.
type Options struct {
	Roots   *x509.CertPool // that the provider's certificate is checked against; nil means those of the system
	Timeout time.Duration  // for all requests of one call together; zero means 10 seconds
}

// Provider is the identity provider of the configuration. Make one with [New]. All methods are safe for concurrent use.
type Provider struct {
	config   config.OIDC
	redirect string
	timeout  time.Duration
	client   *http.Client
	turn     chan *metadata // holds the discovery document, or nil, while no call reads it anew
}

// New returns a provider. It asks nothing: the discovery document is read at the first sign-in, and a provider that does not
// answer is an error of that sign-in. redirect is the address of the callback.
func New(c config.OIDC, redirect string, o Options) *Provider {
	p := &Provider{config: c, redirect: redirect, timeout: o.Timeout, turn: make(chan *metadata, 1)}
	if p.timeout == 0 {
		p.timeout = defaultTimeout
	}
	p.client = &http.Client{
		Transport: httpx.SmallReplies{Next: httpx.NewTransport(o.Roots)}, CheckRedirect: httpx.RefuseRedirect,
		Timeout: p.timeout, // for the provider's keys, which go-oidc reads in a context of its own
	}
	p.turn <- nil
	return p
}

// ID returns the name of the provider in the gateway.
func (p *Provider) ID() string { return p.config.ID }

// Person is who has signed in, in the provider's words.
type Person struct {
	Issuer  string
	Subject string   // the person's id at the issuer
	Name    string   // for the gateway's user; empty if the provider has none that a user can have
	Groups  []string // as the provider names them, sorted; without those that no policy can name
}

// Pending is a sign-in that has begun. It is for the browser's sealed cookie and for nothing else: it does not print. Its JSON
// has the secrets.
type Pending struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // of PKCE
}

const hiddenPending = "[a sign-in that has begun]"

// Format prints nothing of the sign-in, whatever the verb.
func (p Pending) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hiddenPending) }

// LogValue keeps the sign-in out of structured logs.
func (p Pending) LogValue() slog.Value { return slog.StringValue(hiddenPending) }

// Check asks the provider for its discovery document, and says what is wrong with it. The error is a [*Problem].
func (p *Provider) Check(ctx context.Context) error {
	ctx, stop := p.bounded(ctx)
	defer stop()
	_, err := p.discovered(ctx)
	return err
}

// Begin begins a sign-in: the browser must go to the address, and come back with the answer that [Provider.Finish] takes. The
// error is a [*Problem].
func (p *Provider) Begin(ctx context.Context) (address string, pending Pending, err error) {
	ctx, stop := p.bounded(ctx)
	defer stop()
	m, err := p.discovered(ctx)
	if err != nil {
		return "", Pending{}, err
	}
	pending = Pending{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	return p.oauth(m).AuthCodeURL(pending.State, oidc.Nonce(pending.Nonce), oauth2.S256ChallengeOption(pending.Verifier)), pending, nil
}

// Finish ends a sign-in with the parameters that the browser brought back from the provider. The error is a [*Problem]. If it is
// one that the id token does not have, the person's Issuer and Subject are known nonetheless: then they are for the log only.
func (p *Provider) Finish(ctx context.Context, pending Pending, answer url.Values) (Person, error) {
	ctx, stop := p.bounded(ctx)
	defer stop()
	if pending.State == "" || !isEqual(one(answer, "state"), pending.State) {
		return Person{}, wrong("the answer belongs to another sign-in: its state is not that of this browser")
	}
	m, err := p.discovered(ctx)
	if err != nil {
		return Person{}, err
	}
	if err := p.checkAnswer(m, answer); err != nil {
		return Person{}, err
	}
	tokens, err := p.oauth(m).Exchange(p.with(ctx), one(answer, "code"), oauth2.VerifierOption(pending.Verifier))
	if err != nil {
		return Person{}, p.notExchanged(ctx, err)
	}
	raw, isText := tokens.Extra("id_token").(string)
	if !isText || raw == "" {
		return Person{}, p.broken("it answered the code without an id token: is openid among the scopes that it grants?")
	}
	id, err := p.verified(ctx, m, raw, pending.Nonce)
	if err != nil {
		return Person{}, err
	}
	if id.token.AccessTokenHash != "" && id.token.VerifyAccessToken(tokens.AccessToken) != nil {
		return Person{}, p.broken("its id token belongs to another access token")
	}
	return p.person(ctx, m, id, tokens)
}

// checkAnswer looks at the parameters that the browser brought, but for the state.
func (p *Provider) checkAnswer(m *metadata, answer url.Values) error {
	switch iss := answer["iss"]; {
	case len(iss) > 0 && (len(iss) > 1 || iss[0] != p.config.Issuer):
		return wrong("the answer is not from the identity provider " + p.config.ID + ": it names another issuer")
	case len(iss) == 0 && m.PromisesIssuer:
		return wrong("the answer does not name its issuer, which the identity provider " + p.config.ID + " promises to do")
	}
	if answer.Has("error") {
		return &Problem{Kind: Denied, text: fmt.Sprintf("the identity provider %s did not sign you in (%s)", p.config.ID, code(one(answer, "error")))}
	}
	if one(answer, "code") == "" {
		return wrong("the answer of the identity provider " + p.config.ID + " has no code")
	}
	return nil
}

// one returns the value of a parameter that is there exactly once.
func one(values url.Values, name string) string {
	if all := values[name]; len(all) == 1 {
		return all[0]
	}
	return ""
}

func isEqual(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (p *Provider) oauth(m *metadata) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret.Reveal(), RedirectURL: p.redirect, Scopes: p.config.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthURL, TokenURL: m.TokenURL, AuthStyle: m.authStyle()},
	}
}

var errSlow = errors.New("its answers take too long")

// bounded gives all requests of a call their time.
func (p *Provider) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, p.timeout, errSlow)
}

// with makes the libraries use the provider's client.
func (p *Provider) with(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.client)
}
