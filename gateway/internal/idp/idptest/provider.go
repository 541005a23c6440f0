// Package idptest has an identity provider for tests. It does what a test tells it, also what no honest provider does.
package idptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/config"
)

// The client that the provider knows. The secret must never be seen elsewhere.
const (
	ClientID     = "chaim"
	ClientSecret = "CANARYclientsecret"
)

// Claims are what an id token or the userinfo endpoint says.
type Claims map[string]any

// Provider is a provider that listens on a loopback address. Its fields may be changed while no request is under way.
type Provider struct {
	URL      string
	Metadata Claims                                            // merged into the discovery document; nil values remove
	Person   Claims                                            // merged into the id token; nil values remove
	Info     Claims                                            // of the userinfo endpoint; nil means that there is none
	Sign     func(payload []byte) string                       // makes the id token; nil means with the provider's key
	Serve    func(w http.ResponseWriter, r *http.Request) bool // answers instead of the provider, if it returns true

	key jose.JSONWebKey

	mu       sync.Mutex
	codes    map[string]url.Values // the requests for codes that were not used
	requests map[string]int        // by path
}

// New starts a provider, until the test ends. It knows ada, of the group sre.
func New(t testing.TB) *Provider {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p := &Provider{
		Person: Claims{"sub": "subject-of-ada", "preferred_username": "Ada@example.com", "groups": []string{"sre"}},
		key:    jose.JSONWebKey{Key: private, KeyID: "key-1", Algorithm: string(jose.ES256), Use: "sig"},
		codes:  map[string]url.Values{}, requests: map[string]int{},
	}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// Config returns the settings of a gateway for this provider, with the id corp.
func (p *Provider) Config() config.OIDC {
	return config.OIDC{
		ID: "corp", Issuer: p.URL, ClientID: ClientID, ClientSecret: config.NewSecret(ClientSecret),
		Username: "preferred_username", Domains: []string{"example.com"}, Groups: "groups", Scopes: []string{"openid", "profile"},
	}
}

// Requests returns how many requests there were for a path.
func (p *Provider) Requests(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[path]
}

// SignIn does what a browser does at the provider: it follows the address, and returns the parameters for the callback.
func (p *Provider) SignIn(t testing.TB, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	require.Equal(t, []string{ClientID, "code", "S256"}, []string{q.Get("client_id"), q.Get("response_type"), q.Get("code_challenge_method")})
	code := "CANARYcode" + rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

// ServeHTTP answers as the provider.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests[r.URL.Path]++
	p.mu.Unlock()
	if p.Serve != nil && p.Serve(w, r) {
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer(w, http.StatusOK, p.metadata())
	case "/jwks":
		answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
	case "/token":
		p.token(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer CANARYaccesstoken" {
			answer(w, http.StatusUnauthorized, Claims{"error": "invalid_token"})
			return
		}
		answer(w, http.StatusOK, p.Info)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) metadata() Claims {
	m := Claims{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks",
		"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
	}
	if p.Info != nil {
		m["userinfo_endpoint"] = p.URL + "/userinfo"
	}
	return merged(m, p.Metadata)
}

// token exchanges a code, once, for who has its verifier and the client's secret.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id != ClientID || secret != ClientSecret {
		answer(w, http.StatusUnauthorized, Claims{"error": "invalid_client", "error_description": "CANARYdescription"})
		return
	}
	p.mu.Lock()
	asked, isKnown := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	if !isKnown || challenge != asked.Get("code_challenge") || r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") {
		answer(w, http.StatusBadRequest, Claims{"error": "invalid_grant", "error_description": "CANARYdescription"})
		return
	}
	now := time.Now()
	payload, _ := json.Marshal(merged(Claims{
		"iss": p.URL, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": asked.Get("nonce"),
	}, p.Person))
	sign := p.Sign
	if sign == nil {
		sign = p.Signed
	}
	answer(w, http.StatusOK, Claims{"access_token": "CANARYaccesstoken", "token_type": "Bearer", "expires_in": 60, "id_token": sign(payload)})
}

// Signed returns a JWT that the provider's key has signed.
func (p *Provider) Signed(payload []byte) string { return SignedBy(p.key.Key, jose.ES256, payload) }

// SignedBy returns a JWT by any key, which claims to be the provider's.
func SignedBy(key any, algorithm jose.SignatureAlgorithm, payload []byte) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: "key-1"}}, nil)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

// PublicKey returns the provider's public key, as the one who attacks an algorithm has it.
func (p *Provider) PublicKey() *ecdsa.PublicKey { return &p.key.Key.(*ecdsa.PrivateKey).PublicKey }

func merged(into, more Claims) Claims {
	maps.Copy(into, more)
	maps.DeleteFunc(into, func(_ string, v any) bool { return v == nil })
	return into
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}
