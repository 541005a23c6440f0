package chaimtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// This file plays AWS Sign-In, the service behind 'aws login'.

const (
	loginPath      = "/signin"
	loginTokenPath = "/v1/token"
	loginClient    = "arn:aws:signin:::devtools/same-device"

	loginKeyLife = 15 * time.Minute
	loginLife    = 12 * time.Hour
	proofWindow  = 5 * time.Minute
)

// login is a sign-in by 'aws login'.
type login struct {
	account, user string
	proof         string // thumbprint of the key that signs the proofs of possession
	ends          time.Time
	refusal       string // empty until EndLogins
}

// LoginURL returns the address of AWS Sign-In, for AWS_ENDPOINT_URL_SIGNIN.
func (s *Server) LoginURL() string { return s.URL() + loginPath }

// Login begins a sign-in of an IAM user, as 'aws login' does. It returns the value of login_session for the AWS config file,
// and the name and the text of the file in ~/.aws/login/cache as the AWS CLI writes it. The keys in there are valid for 15
// minutes, and can be renewed for 12 hours. account is as in [Server.AddKeys].
func (s *Server) Login(account, user string) (session, file string, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.world
	id := w.accountID(account)
	session = "arn:aws:iam::" + id + ":user/" + user
	private, x, y := newProofKey()
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		panic(err) // the curve is known
	}
	l := &login{account: id, user: user, proof: thumbprint(x, y), ends: w.now().Add(loginLife)}
	keyID, k := w.loginKeys(l)
	text, err = json.Marshal(map[string]any{
		"accessToken": map[string]string{
			"accessKeyId": keyID, "secretAccessKey": k.secret, "sessionToken": k.token, "accountId": id,
			"expiresAt": k.expires.UTC().Format(time.RFC3339),
		},
		"tokenType": "aws_sigv4", "clientId": loginClient, "refreshToken": w.loginToken(l), "idToken": newSecret(240),
		"dpopKey": string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		panic(err) // only strings in there
	}
	sum := sha256.Sum256([]byte(session))
	return session, hex.EncodeToString(sum[:]) + ".json", text
}

// EndLogins makes AWS Sign-In refuse to renew the sign-ins so far. code is the reason: TOKEN_EXPIRED,
// USER_CREDENTIALS_CHANGED or INSUFFICIENT_PERMISSIONS.
func (s *Server) EndLogins(code string) {
	s.set(func(w *world) {
		for _, l := range w.logins {
			l.refusal = code
		}
	})
}

// newProofKey makes a key. No coordinate begins with a zero byte, because the SDK for Go would leave that out.
func newProofKey() (key *ecdsa.PrivateKey, x, y []byte) {
	for {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err) // the random source never fails
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			panic(err) // the curve is known
		}
		if x, y = point[1:33], point[33:]; x[0] != 0 && y[0] != 0 {
			return key, x, y
		}
	}
}

// loginKeys issues keys of a sign-in.
func (w *world) loginKeys(l *login) (id string, k *key) {
	k = &key{account: l.account, user: l.user, expires: w.now().Add(w.granted(loginKeyLife)).Truncate(time.Second)}
	return w.issue(k), k
}

// loginToken issues a refresh token. As at AWS, those before it stay valid.
func (w *world) loginToken(l *login) string {
	token := newSecret(120)
	w.logins[token] = l
	return token
}

func isLogin(r *http.Request) bool {
	return r.URL.Path == loginPath+loginTokenPath || r.URL.Path == loginTokenPath && strings.Contains(r.Host, "signin.")
}

// loginRefusal is a refusal of AWS Sign-In.
type loginRefusal struct {
	status               int
	exception, code, why string
}

// login answers as AWS Sign-In.
func (x *exchange) login() {
	status, doc := http.StatusOK, any(nil)
	done, refusal := x.renewLogin()
	if doc = done; refusal != nil {
		status, doc = refusal.status, map[string]string{"error": refusal.code, "message": refusal.why}
		x.note(func(r *Request) { r.Error = refusal.exception + ": " + refusal.code })
		x.Header().Set("X-Amzn-Errortype", refusal.exception)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err) // only strings and numbers in there
	}
	write(x, status, "application/json", string(text))
}

func (x *exchange) renewLogin() (map[string]any, *loginRefusal) {
	invalid := func(why string) *loginRefusal {
		return &loginRefusal{http.StatusBadRequest, "ValidationException", "INVALID_REQUEST", why}
	}
	var in struct{ ClientID, GrantType, RefreshToken string }
	if x.r.Method != http.MethodPost || json.Unmarshal(x.body, &in) != nil {
		return nil, invalid("not a JSON request by POST")
	}
	s, w := x.s, x.s.world
	s.mu.Lock()
	defer s.mu.Unlock()
	proof, err := readProof(x.r, w.now())
	l := w.logins[in.RefreshToken]
	switch {
	case in.GrantType != "refresh_token" || in.ClientID != loginClient:
		return nil, invalid("grant type or client is unknown")
	case err != nil:
		return nil, invalid("DPoP: " + err.Error())
	case l == nil || !w.now().Before(l.ends):
		return nil, &loginRefusal{http.StatusUnauthorized, "AccessDeniedException", "TOKEN_EXPIRED", "the token has expired"}
	case l.proof != proof:
		return nil, invalid("DPoP: the token is bound to another key")
	case l.refusal == "TOKEN_EXPIRED":
		return nil, &loginRefusal{http.StatusUnauthorized, "AccessDeniedException", l.refusal, "the token has expired"}
	case l.refusal != "":
		return nil, &loginRefusal{http.StatusForbidden, "AccessDeniedException", l.refusal, "the sign-in cannot be used"}
	}
	x.rec.User = l.user
	id, k := w.loginKeys(l)
	return map[string]any{
		"accessToken": map[string]string{"accessKeyId": id, "secretAccessKey": k.secret, "sessionToken": k.token},
		"tokenType":   "aws_sigv4", "expiresIn": max(1, int(k.expires.Sub(w.now())/time.Second)), "refreshToken": w.loginToken(l),
	}, nil
}

// readProof verifies the proof that the client has a key, and returns the thumbprint of the key.
//
// https://www.rfc-editor.org/rfc/rfc9449#section-4.3
func readProof(r *http.Request, now time.Time) (string, error) {
	parts := strings.Split(r.Header.Get("Dpop"), ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("there are %d parts instead of three", len(parts))
	}
	var header struct {
		Typ, Alg string
		Jwk      struct{ Kty, Crv, X, Y string }
	}
	var claims struct {
		Jti, Htm, Htu string
		Iat           int64
	}
	if !fromBase64JSON(parts[0], &header) || !fromBase64JSON(parts[1], &claims) {
		return "", fmt.Errorf("header or claims are not JSON")
	}
	target, err := url.Parse(claims.Htu)
	if err != nil || target.Host != r.Host || target.Path != r.URL.Path || target.RawQuery != "" ||
		claims.Htm != r.Method || claims.Jti == "" {
		return "", fmt.Errorf("it is for another request")
	}
	if age := now.Sub(time.Unix(claims.Iat, 0)); age > proofWindow || age < -proofWindow {
		return "", fmt.Errorf("it is too old or too new")
	}
	x, errX := base64.RawURLEncoding.DecodeString(header.Jwk.X)
	y, errY := base64.RawURLEncoding.DecodeString(header.Jwk.Y)
	signature, errS := base64.RawURLEncoding.DecodeString(parts[2])
	if header.Typ != "dpop+jwt" || header.Alg != "ES256" || header.Jwk.Kty != "EC" || header.Jwk.Crv != "P-256" ||
		errX != nil || errY != nil || errS != nil || len(signature) != 64 {
		return "", fmt.Errorf("it is not signed with ES256")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil {
		return "", fmt.Errorf("its key is not on the curve")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return "", fmt.Errorf("its signature is wrong")
	}
	return thumbprint(x, y), nil
}

func fromBase64JSON(text string, v any) bool {
	plain, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && json.Unmarshal(plain, v) == nil
}

// thumbprint returns the name of a key.
//
// https://www.rfc-editor.org/rfc/rfc7638
func thumbprint(x, y []byte) string {
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`,
		base64.RawURLEncoding.EncodeToString(x), base64.RawURLEncoding.EncodeToString(y)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
