package idp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
)

// metadata is what the provider says about itself.
type metadata struct {
	oidc.ProviderConfig
	PromisesIssuer bool     `json:"authorization_response_iss_parameter_supported"`
	AuthMethods    []string `json:"token_endpoint_auth_methods_supported"`

	provider *oidc.Provider
	read     time.Time
}

// algorithms are those whose keys only the provider has. "none" and those with a shared secret are not among them.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// authStyle says how the gateway proves itself at the token endpoint. It is never tried out: a failed try may use up the code.
func (m *metadata) authStyle() oauth2.AuthStyle {
	if len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, "client_secret_basic") {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

// discovered returns the discovery document. One that is an hour old is read again, and used on for a minute if that fails.
func (p *Provider) discovered(ctx context.Context) (*metadata, error) {
	var known *metadata
	select {
	case known = <-p.turn:
	case <-ctx.Done():
		return nil, p.away(ctx, "reading its discovery document", ctx.Err())
	}
	defer func() { p.turn <- known }()
	if known != nil && time.Since(known.read) < metadataLife {
		return known, nil
	}
	if known != nil {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, refreshTimeout)
		defer stop()
	}
	m, err := p.discover(ctx)
	switch {
	case err == nil:
		known = m
	case known == nil:
		return nil, err
	default:
		known.read = time.Now().Add(retryAfter - metadataLife)
	}
	return known, nil
}

func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	const what = "reading its discovery document"
	address := strings.TrimSuffix(p.config.Issuer, "/") + "/.well-known/openid-configuration"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, p.broken("oidc.issuer is no address")
	}
	resp, body, err := httpx.Exchange(ctx, p.client, req)
	if err != nil {
		return nil, &Problem{Kind: Away, text: p.sentence(what + ": " + errtext.Unprefixed(err)), cause: err}
	}
	if resp.StatusCode != http.StatusOK {
		kind := Broken
		if httpx.IsAway(resp.StatusCode) {
			kind = Away
		}
		return nil, &Problem{Kind: kind, text: p.sentence(fmt.Sprintf("%s at %s: it answered with status %d", what, address, resp.StatusCode))}
	}
	m := &metadata{read: time.Now()}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, p.broken("what it answered at " + address + " is not the JSON of a discovery document")
	}
	if err := p.checkMetadata(m); err != nil {
		return nil, err
	}
	m.provider = m.NewProvider(p.with(ctx))
	return m, nil
}

// checkMetadata refuses a discovery document that the gateway cannot use, and removes the algorithms that it does not accept.
func (p *Provider) checkMetadata(m *metadata) error {
	if m.IssuerURL != p.config.Issuer {
		return p.broken(fmt.Sprintf("it says that its issuer is %q, so that is what oidc.issuer must be, letter by letter, not %q",
			httpx.Scrub(m.IssuerURL, maxQuoted), p.config.Issuer))
	}
	for _, e := range []struct {
		name, address string
		isOptional    bool
	}{
		{"authorization_endpoint", m.AuthURL, false},
		{"token_endpoint", m.TokenURL, false},
		{"jwks_uri", m.JWKSURL, false},
		{"userinfo_endpoint", m.UserInfoURL, true},
	} {
		if e.isOptional && e.address == "" {
			continue
		}
		if !p.isTrusted(e.address) {
			return p.broken("its discovery document has no " + e.name + " with https")
		}
	}
	if len(m.Algorithms) == 0 { // the one that every provider must have
		m.Algorithms = []string{oidc.RS256}
	}
	m.Algorithms = slices.DeleteFunc(m.Algorithms, func(name string) bool { return !slices.Contains(algorithms, name) })
	if len(m.Algorithms) == 0 {
		return p.broken("it signs id tokens by none of " + strings.Join(algorithms, ", "))
	}
	return nil
}

// isTrusted reports whether secrets may go to an address: by https, or to the host of an issuer that has none itself.
func (p *Provider) isTrusted(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	own, err := url.Parse(p.config.Issuer)
	return u.Scheme == "https" || err == nil && u.Scheme == "http" && own.Scheme == "http" && u.Hostname() == own.Hostname()
}
