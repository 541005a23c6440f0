package idp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/idp"
	"github.com/chaim-go/chaim/gateway/internal/idp/idptest"
)

const callback = "https://chaim.example.com/auth/callback/corp"

type claims = idptest.Claims

// signIn signs in at a provider, with what change makes of the browser's answer.
func signIn(t *testing.T, p *idp.Provider, at *idptest.Provider, change ...func(*idp.Pending, url.Values)) (idp.Person, error) {
	t.Helper()
	address, pending, err := p.Begin(t.Context())
	if err != nil {
		return idp.Person{}, err
	}
	answer := at.SignIn(t, address)
	for _, c := range change {
		c(&pending, answer)
	}
	return p.Finish(t.Context(), pending, answer)
}

// problem returns the problem in an error, which must not hold what is secret or the provider's own words.
func problem(t *testing.T, err error) *idp.Problem {
	t.Helper()
	var p *idp.Problem
	require.ErrorAs(t, err, &p)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Error("x", "error", err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		assert.NotContains(t, fmt.Sprintf("%v %+v %q", e, e, e)+log.String(), "CANARY")
	}
	return p
}

func TestPersonSignsIn(t *testing.T) {
	at := idptest.New(t)
	p := idp.New(at.Config(), callback, idp.Options{})
	for range 2 {
		who, err := signIn(t, p, at)
		require.NoError(t, err)
		assert.Equal(t, idp.Person{Issuer: at.URL, Subject: "subject-of-ada", Name: "ada", Groups: []string{"sre"}}, who)
	}
	assert.Equal(t, 1, at.Requests("/.well-known/openid-configuration"), "the discovery document is kept")
	assert.Equal(t, 1, at.Requests("/jwks"), "the keys are kept")
}

func TestNothingIsAskedBeforeTheFirstSignIn(t *testing.T) {
	at := idptest.New(t)
	p := idp.New(at.Config(), callback, idp.Options{})
	assert.Zero(t, at.Requests("/.well-known/openid-configuration"))
	at.Serve = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
	_, _, err := p.Begin(t.Context())
	assert.Equal(t, idp.Away, problem(t, err).Kind)
	at.Serve = nil
	_, err = signIn(t, p, at)
	assert.NoError(t, err, "the next sign-in tries again")
}

func TestSignInsAtOnceReadTheDiscoveryDocumentOnce(t *testing.T) {
	at := idptest.New(t)
	p := idp.New(at.Config(), callback, idp.Options{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, _, err := p.Begin(t.Context())
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, 1, at.Requests("/.well-known/openid-configuration"))
}

func TestAddressHasStateNonceAndChallenge(t *testing.T) {
	at := idptest.New(t)
	p := idp.New(at.Config(), callback, idp.Options{})
	address, pending, err := p.Begin(t.Context())
	require.NoError(t, err)
	_, other, err := p.Begin(t.Context())
	require.NoError(t, err)
	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	assert.Equal(t, []string{pending.State, pending.Nonce, "S256", "code", callback, "openid profile"}, []string{
		q.Get("state"), q.Get("nonce"), q.Get("code_challenge_method"), q.Get("response_type"), q.Get("redirect_uri"), q.Get("scope"),
	})
	assert.NotContains(t, address, pending.Verifier)
	assert.NotContains(t, address, "CANARY")
	for _, pair := range [][2]string{{pending.State, other.State}, {pending.Nonce, other.Nonce}, {pending.Verifier, other.Verifier}} {
		assert.NotEqual(t, pair[0], pair[1])
		assert.GreaterOrEqual(t, len(pair[0]), 26)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q %x", pending, pending, pending, pending, pending, pending)
	assert.NotContains(t, shown, pending.Verifier)
	assert.NotContains(t, shown, pending.State)
	text, err := json.Marshal(pending)
	require.NoError(t, err)
	var back idp.Pending
	require.NoError(t, json.Unmarshal(text, &back))
	assert.True(t, back == pending)
}

func TestBrowserMustBringTheAnswerToItsOwnSignIn(t *testing.T) {
	for _, test := range []struct {
		name, want string
		kind       idp.Kind
		metadata   claims
		change     func(*idp.Pending, url.Values)
	}{
		{"another state", "its state is not that of this browser", idp.Wrong, nil, func(_ *idp.Pending, v url.Values) { v.Set("state", "other") }},
		{"no state", "its state is not that", idp.Wrong, nil, func(_ *idp.Pending, v url.Values) { v.Del("state") }},
		{"no state on both sides", "its state is not that", idp.Wrong, nil, func(p *idp.Pending, v url.Values) { p.State = ""; v.Del("state") }},
		{"two states", "its state is not that", idp.Wrong, nil, func(p *idp.Pending, v url.Values) { v.Add("state", p.State) }},
		{"another verifier", "the code is used up, or belongs to another sign-in", idp.Wrong, nil, func(p *idp.Pending, _ url.Values) { p.Verifier += "x" }},
		{"another nonce", "belongs to another sign-in (nonce)", idp.Broken, nil, func(p *idp.Pending, _ url.Values) { p.Nonce = "other" }},
		{"no nonce", "belongs to another sign-in (nonce)", idp.Broken, claims{"nonce": nil}, func(p *idp.Pending, _ url.Values) { p.Nonce = "" }},
		{"another issuer", "it names another issuer", idp.Wrong, nil, func(_ *idp.Pending, v url.Values) { v.Set("iss", "https://evil.example.com/CANARY") }},
		{"two issuers", "it names another issuer", idp.Wrong, nil, func(_ *idp.Pending, v url.Values) { v["iss"] = []string{"a", "b"} }},
		{
			"no issuer where it is promised", "does not name its issuer", idp.Wrong,
			claims{"authorization_response_iss_parameter_supported": true},
			func(*idp.Pending, url.Values) {},
		},
		{"no code", "has no code", idp.Wrong, nil, func(_ *idp.Pending, v url.Values) { v.Del("code") }},
		{"two codes", "has no code", idp.Wrong, nil, func(_ *idp.Pending, v url.Values) { v.Add("code", "CANARY") }},
		{"denied", "did not sign you in (access_denied)", idp.Denied, nil, func(_ *idp.Pending, v url.Values) {
			v.Set("error", "access_denied")
			v.Set("error_description", "CANARY")
		}},
		{"hostile error", "(no error code of OAuth)", idp.Denied, nil, func(_ *idp.Pending, v url.Values) { v.Set("error", "<script>CANARY") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := idptest.New(t)
			at.Metadata = test.metadata
			_, err := signIn(t, idp.New(at.Config(), callback, idp.Options{}), at, test.change)
			p := problem(t, err)
			assert.Equal(t, test.kind, p.Kind, p)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestIssuerInTheAnswerMayBeTheRightOne(t *testing.T) {
	at := idptest.New(t)
	at.Metadata = claims{"authorization_response_iss_parameter_supported": true}
	_, err := signIn(t, idp.New(at.Config(), callback, idp.Options{}), at, func(_ *idp.Pending, v url.Values) { v.Set("iss", at.URL) })
	assert.NoError(t, err)
}

func TestCodeIsUsedOnce(t *testing.T) {
	at := idptest.New(t)
	p := idp.New(at.Config(), callback, idp.Options{})
	address, pending, err := p.Begin(t.Context())
	require.NoError(t, err)
	answer := at.SignIn(t, address)
	_, err = p.Finish(t.Context(), pending, answer)
	require.NoError(t, err)
	_, err = p.Finish(t.Context(), pending, answer)
	assert.Equal(t, idp.Wrong, problem(t, err).Kind)
}

func TestIDTokensThatAreNotRightAreRefused(t *testing.T) {
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	for _, test := range []struct {
		name   string
		person claims
		want   string // empty means that the token is right
	}{
		{"issuer", claims{"iss": "https://evil.example.com"}, "from another issuer"},
		{"issuer with a slash", claims{"iss": "URL/"}, "from another issuer"},
		{"audience", claims{"aud": "other"}, "for another client than oidc.client_id"},
		{"no audience", claims{"aud": nil}, "for another client than oidc.client_id"},
		{"audience in another case", claims{"aud": "Chaim"}, "for another client"},
		{"audiences with azp", claims{"aud": []string{"other", "chaim"}, "azp": "chaim"}, ""},
		{"audiences without azp", claims{"aud": []string{"other", "chaim"}}, "(azp)"},
		{"azp of another", claims{"azp": "other"}, "(azp)"},
		{"azp that is no text", claims{"azp": 7}, "(azp)"},
		{"expired", claims{"exp": ago(61 * time.Second)}, "has expired"},
		{"expired within the leeway", claims{"exp": ago(50 * time.Second)}, ""},
		{"no expiry", claims{"exp": nil}, "has expired"},
		{"from the future", claims{"iat": ago(-70 * time.Second)}, "from the future"},
		{"from the future within the leeway", claims{"iat": ago(-50 * time.Second)}, ""},
		{"no time", claims{"iat": nil}, "from the future"},
		{"not yet", claims{"nbf": ago(-70 * time.Second)}, "from the future"},
		{"not yet within the leeway", claims{"nbf": ago(-50 * time.Second)}, ""},
		{"not before a text", claims{"nbf": "CANARY"}, "malformed"},
		{"nonce", claims{"nonce": "other"}, "(nonce)"},
		{"no nonce", claims{"nonce": nil}, "(nonce)"},
		{"no subject", claims{"sub": nil}, "who the person is"},
		{"long subject", claims{"sub": strings.Repeat("x", 256)}, "who the person is"},
		{"another access token", claims{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "another access token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := idptest.New(t)
			for name, value := range test.person {
				if text, isText := value.(string); isText {
					value = strings.Replace(text, "URL", at.URL, 1)
				}
				at.Person[name] = value
			}
			_, err := signIn(t, idp.New(at.Config(), callback, idp.Options{}), at)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			assert.ErrorContains(t, problem(t, err), test.want)
		})
	}
}

func TestSignaturesThatAreNotRightAreRefused(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for _, test := range []struct {
		name string
		sign func(at *idptest.Provider, payload []byte) string
	}{
		{"none", func(_ *idptest.Provider, b []byte) string {
			return encode([]byte(`{"alg":"none"}`)) + "." + encode(b) + "."
		}},
		{"another key", func(_ *idptest.Provider, b []byte) string { return idptest.SignedBy(other, jose.ES256, b) }},
		{"the public key as a shared secret", func(at *idptest.Provider, b []byte) string {
			public, err := x509.MarshalPKIXPublicKey(at.PublicKey())
			if err != nil {
				panic(err)
			}
			return idptest.SignedBy(public, jose.HS256, b)
		}},
		{"the client's secret", func(_ *idptest.Provider, b []byte) string {
			return idptest.SignedBy([]byte(idptest.ClientSecret+strings.Repeat("x", 32)), jose.HS256, b)
		}},
		{"changed payload", func(at *idptest.Provider, b []byte) string {
			parts := strings.Split(at.Signed(b), ".")
			return parts[0] + "." + encode([]byte(strings.Replace(string(b), "subject-of-ada", "subject-of-eve", 1))) + "." + parts[2]
		}},
		{"no signature", func(at *idptest.Provider, b []byte) string {
			parts := strings.Split(at.Signed(b), ".")
			return parts[0] + "." + parts[1] + "."
		}},
		{"no token", func(*idptest.Provider, []byte) string { return "" }},
		{"no JWT", func(*idptest.Provider, []byte) string { return "CANARY" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := idptest.New(t)
			at.Sign = func(payload []byte) string { return test.sign(at, payload) }
			_, err := signIn(t, idp.New(at.Config(), callback, idp.Options{}), at)
			assert.Equal(t, idp.Broken, problem(t, err).Kind)
		})
	}
}

func TestGroups(t *testing.T) {
	many := make([]string, 201)
	for i := range many {
		many[i] = fmt.Sprintf("g%d", i)
	}
	for _, test := range []struct {
		name   string
		person claims
		info   claims // of the userinfo endpoint
		groups []string
		want   string // the error
	}{
		{"sorted, each once", claims{"groups": []string{"b", "a", "b"}}, nil, []string{"a", "b"}, ""},
		{"none", claims{"groups": []string{}}, nil, []string{}, ""},
		{"one as a text", claims{"groups": "sre"}, nil, []string{"sre"}, ""},
		{"what no policy can name", claims{"groups": []string{"", "*", " a", "a\nb", "ok", strings.Repeat("x", 257)}}, nil, []string{"ok"}, ""},
		{"no claim", claims{"groups": nil}, nil, nil, `neither its id token nor its userinfo endpoint has the claim "groups"`},
		{"no claim anywhere", claims{"groups": nil}, claims{"sub": "subject-of-ada"}, nil, "says nothing about your groups"},
		{"null", claims{"groups": json.RawMessage("null")}, nil, nil, "says nothing about your groups"},
		{"userinfo", claims{"groups": nil}, claims{"sub": "subject-of-ada", "groups": []string{"ops"}}, []string{"ops"}, ""},
		{"userinfo is not asked if all is there", claims{}, claims{"sub": "another"}, []string{"sre"}, ""},
		{"userinfo of another person", claims{"groups": nil}, claims{"sub": "another", "groups": []string{"ops"}}, nil, "speaks of another person"},
		{"userinfo of no person", claims{"groups": nil}, claims{"groups": []string{"ops"}}, nil, "speaks of another person"},
		{"userinfo that is wrong", claims{"groups": nil}, claims{"sub": 7}, nil, "no answer that can be used"},
		{"number", claims{"groups": 7}, nil, nil, `its claim "groups" is not a list of groups`},
		{"list of numbers", claims{"groups": []int{7}}, nil, nil, "is not a list of groups"},
		{"list with null", claims{"groups": []any{"a", nil}}, nil, nil, "is not a list of groups"},
		{"200", claims{"groups": many[:200]}, nil, nil, ""},
		{"201", claims{"groups": many}, nil, nil, "you are in 201 groups"},
		{"overage", claims{
			"groups": nil, "_claim_names": claims{"groups": "src1"},
			"_claim_sources": claims{"src1": claims{"endpoint": "https://graph.example.com/CANARY"}},
		}, claims{"sub": "subject-of-ada", "groups": []string{"ops"}}, nil, "groups overage"},
		{"overage of another claim", claims{
			"_claim_names": claims{"address": "src1"}, "_claim_sources": claims{"src1": claims{"endpoint": "https://graph.example.com"}},
		}, nil, []string{"sre"}, ""},
		{"hasgroups", claims{"groups": nil, "hasgroups": true}, nil, nil, "groups overage"},
		{"hasgroups as a text", claims{"groups": nil, "hasgroups": "true"}, nil, nil, "groups overage"},
		{"overage at userinfo", claims{"groups": nil}, claims{"sub": "subject-of-ada", "hasgroups": true}, nil, "groups overage"},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := idptest.New(t)
			at.Info = test.info
			for name, value := range test.person {
				at.Person[name] = value
			}
			who, err := signIn(t, idp.New(at.Config(), callback, idp.Options{}), at)
			if test.want != "" {
				assert.ErrorContains(t, problem(t, err), test.want)
				return
			}
			require.NoError(t, err)
			if test.groups != nil {
				assert.Equal(t, test.groups, who.Groups)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		name, claim string
		person      claims
		info        claims
		want        string
	}{
		{"of the company", "preferred_username", claims{"preferred_username": "Ada.L@Example.com"}, nil, "ada.l"},
		{"a guest", "preferred_username", claims{"preferred_username": "Ada.L@partner.example"}, nil, "ada.l@partner.example"},
		{"two @", "preferred_username", claims{"preferred_username": "ada@partner@example.com"}, nil, "ada@partner@example.com"},
		{"nothing that a user can have", "preferred_username", claims{"preferred_username": "Zoë"}, nil, ""},
		{"with a line break", "preferred_username", claims{"preferred_username": "ada\n"}, nil, ""},
		{"reserved", "preferred_username", claims{"preferred_username": "chaim-gateway-doctor"}, nil, ""},
		{"missing", "preferred_username", claims{"preferred_username": nil}, nil, ""},
		{"userinfo", "preferred_username", claims{"preferred_username": nil}, claims{"sub": "subject-of-ada", "preferred_username": "ada"}, "ada"},
		{"number", "preferred_username", claims{"preferred_username": 77}, nil, ""},
		{"mail", "email", claims{"email": "ada@example.com", "email_verified": true}, nil, "ada"},
		{"mail, verified in a text", "email", claims{"email": "ada@example.com", "email_verified": "true"}, nil, "ada"},
		{"mail that is not verified", "email", claims{"email": "ada@example.com", "email_verified": false}, nil, ""},
		{"mail of which nothing is said", "email", claims{"email": "ada@example.com"}, nil, ""},
		{
			"mail that one source does not verify", "email",
			claims{"email": "ada@example.com", "email_verified": false},
			claims{"sub": "subject-of-ada", "email": "ada@example.com", "email_verified": true},
			"",
		},
		{"mail of userinfo", "email", nil, claims{"sub": "subject-of-ada", "email": "ada@example.com", "email_verified": true}, "ada"},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := idptest.New(t)
			at.Info = test.info
			for name, value := range test.person {
				at.Person[name] = value
			}
			c := at.Config()
			c.Username = test.claim
			who, err := signIn(t, idp.New(c, callback, idp.Options{}), at)
			require.NoError(t, err)
			assert.Equal(t, test.want, who.Name)
		})
	}
}

func TestDiscoveryDocumentsThatAreNotRightAreRefused(t *testing.T) {
	for _, test := range []struct {
		name     string
		metadata claims
		want     string
	}{
		{"issuer", claims{"issuer": "https://other.example.com"}, `its issuer is "https://other.example.com", so that is what oidc.issuer must be`},
		{"no issuer", claims{"issuer": nil}, "its issuer is"},
		{"no token endpoint", claims{"token_endpoint": nil}, "has no token_endpoint with https"},
		{"plain endpoint elsewhere", claims{"token_endpoint": "http://192.0.2.1/CANARY"}, "has no token_endpoint with https"},
		{"plain keys elsewhere", claims{"jwks_uri": "http://localhost.example.com/"}, "has no jwks_uri with https"},
		{"scheme", claims{"authorization_endpoint": "javascript:alert(1)"}, "has no authorization_endpoint with https"},
		{"user in an address", claims{"jwks_uri": "https://a:CANARY@idp.example.com"}, "has no jwks_uri"},
		{"shared secrets only", claims{"id_token_signing_alg_values_supported": []string{"HS256", "none"}}, "by none of RS256"},
		{"another form", claims{"token_endpoint": []int{1}}, "is not the JSON of a discovery document"},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := idptest.New(t)
			at.Metadata = test.metadata
			err := idp.New(at.Config(), callback, idp.Options{}).Check(t.Context())
			p := problem(t, err)
			assert.Equal(t, idp.Broken, p.Kind)
			assert.ErrorContains(t, p, test.want)
		})
	}
}

func TestHostileAnswersEndASignIn(t *testing.T) {
	paths := []string{"/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed: %s %s", r.Method, r.URL)
	}))
	t.Cleanup(elsewhere.Close)
	for name, serve := range map[string]func(w http.ResponseWriter, r *http.Request){
		"1 GiB": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"x":"`)
			part := strings.Repeat("CANARY", 10_000)
			for sent := 0; sent < 1<<30; sent += len(part) {
				if _, err := io.WriteString(w, part); err != nil {
					return
				}
			}
			t.Error("1 GiB was read")
		},
		"1 byte a second": func(w http.ResponseWriter, r *http.Request) {
			tick := time.NewTicker(50 * time.Millisecond) // as slow beside the time limit of the test
			defer tick.Stop()
			for {
				_, err := io.WriteString(w, "{")
				if err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return
				}
			}
		},
		"nothing":      func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"redirect 302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"redirect 307": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"html":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>CANARY") },
		"null":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "null") },
		"status 500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "CANARY", http.StatusInternalServerError) },
		"status 400": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":"CANARY<b>"}`, http.StatusBadRequest)
		},
		"closed at once": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		for _, path := range paths {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				at := idptest.New(t)
				at.Info, at.Person["groups"] = claims{"sub": "subject-of-ada", "groups": []string{}}, nil
				at.Serve = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == path {
						_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client has gone
						serve(w, r)
					}
					return r.URL.Path == path
				}
				_, err := signIn(t, idp.New(at.Config(), callback, idp.Options{Timeout: time.Second}), at)
				kind := problem(t, err).Kind
				assert.Contains(t, []idp.Kind{idp.Away, idp.Broken}, kind, err)
			})
		}
	}
}

func TestWrongClientSecretIsSaid(t *testing.T) {
	at := idptest.New(t)
	c := at.Config()
	c.ClientSecret = config.NewSecret("CANARYother")
	_, err := signIn(t, idp.New(c, callback, idp.Options{}), at)
	assert.EqualError(t, problem(t, err), "identity provider corp: it does not accept oidc.client_id with oidc.client_secret")
}

func TestProviderThatIsNotThere(t *testing.T) {
	at := idptest.New(t)
	c := at.Config()
	c.Issuer = "http://127.0.0.1:1"
	err := idp.New(c, callback, idp.Options{}).Check(t.Context())
	assert.Equal(t, idp.Away, problem(t, err).Kind)
	assert.ErrorContains(t, err, "identity provider corp: reading its discovery document: ")
}

func FuzzAnswersOfTheProvider(f *testing.F) {
	f.Add("groups", `["a"]`)
	f.Add("aud", `["chaim", 7]`)
	f.Add("exp", `1e400`)
	f.Add("_claim_names", `{"groups": 7}`)
	f.Add("nbf", `-1e308`)
	f.Fuzz(func(t *testing.T, name, value string) {
		if !json.Valid([]byte(value)) {
			return
		}
		at := idptest.New(t)
		at.Person[name] = json.RawMessage(value)
		who, err := signIn(t, idp.New(at.Config(), callback, idp.Options{}), at)
		if err != nil {
			problem(t, err)
			return
		}
		if who.Issuer != at.URL || who.Subject == "" || len(who.Groups) > 200 {
			t.Fatalf("%+v", who)
		}
	})
}
