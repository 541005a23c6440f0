package chaimtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file plays IAM Identity Center: the service that gives tokens (OIDC), its pages, and the access portal.

const (
	oidcPath   = "/sso-oidc"
	portalPath = "/sso"

	centerRegion = "eu-central-1"

	defaultTokenLife   = time.Hour
	defaultSessionLife = 8 * time.Hour
	defaultKeyLife     = time.Hour
	clientLife         = 90 * 24 * time.Hour
	grantLife          = 10 * time.Minute

	maxPage = 100
)

// center is the state of the Identity Center.
type center struct {
	tokenLife, sessionLife time.Duration
	clients                map[string]*ssoClient
	grants                 map[string]*ssoGrant // by code or device code
	tokens                 map[string]*ssoToken // by access token
	limit                  *rateLimit           // nil without LimitPortal
	isStrict               bool                 // a refresh token works once
}

// ssoClient is a registered program.
type ssoClient struct {
	secret    string
	ends      time.Time
	redirects []string // nil for the device flow
	hasScope  bool     // and so gets refresh tokens
}

// ssoGrant is a sign-in that a person has begun.
type ssoGrant struct {
	codeFlow
	client           string
	userCode         string // of the device flow
	user             string // empty until a person allows it
	isDenied, isUsed bool
	ends, asked      time.Time
}

// codeFlow has the parameters of a sign-in by a browser to which the code is bound.
type codeFlow struct{ challenge, redirect string }

// ssoSession is a sign-in.
type ssoSession struct {
	user, client string
	ends         time.Time
}

// ssoToken is an access token of a session, and the refresh token that came with it.
type ssoToken struct {
	*ssoSession
	refresh string // empty once it is used up
	expires time.Time
}

// rateLimit allows a number of requests per second.
type rateLimit struct {
	perSecond    float64
	tokens       float64
	at           time.Time
	isRetryAfter bool
}

func newCenter() *center {
	return &center{
		tokenLife: defaultTokenLife, sessionLife: defaultSessionLife,
		clients: map[string]*ssoClient{}, grants: map[string]*ssoGrant{}, tokens: map[string]*ssoToken{},
	}
}

// StartURL returns the start URL of the Identity Center, which is in eu-central-1. Its permission sets have the names of the
// server's roles. The user may use all of them in all accounts unless [Server.Deny] says otherwise.
func (s *Server) StartURL() string { return "https://chaimtest.awsapps.com/start" }

// OIDCURL returns the address of the service that signs in to the Identity Center, for AWS_ENDPOINT_URL_SSO_OIDC.
func (s *Server) OIDCURL() string { return s.URL() + oidcPath }

// PortalURL returns the address of the access portal of the Identity Center, for AWS_ENDPOINT_URL_SSO.
func (s *Server) PortalURL() string { return s.URL() + portalPath }

// SetSignIn sets how long new access tokens are valid, and how long new sign-ins can be renewed. Zero means one hour for a
// token, and 8 hours for a sign-in.
func (s *Server) SetSignIn(token, session time.Duration) {
	s.set(func(w *world) {
		w.center.tokenLife, w.center.sessionLife = token, session
		if token == 0 {
			w.center.tokenLife = defaultTokenLife
		}
		if session == 0 {
			w.center.sessionLife = defaultSessionLife
		}
	})
}

// EndSignIns makes the Identity Center forget all sign-ins.
func (s *Server) EndSignIns() { s.set(func(w *world) { clear(w.center.tokens) }) }

// SetStrictRefresh makes each refresh token work only once. Otherwise an old one works as long as the sign-in lives. AWS
// does not say which of the two it does. An old access token always stays valid until it expires.
func (s *Server) SetStrictRefresh(isStrict bool) {
	s.set(func(w *world) { w.center.isStrict = isStrict })
}

// LimitPortal makes the access portal refuse more than perSecond requests in a second, with status 429 and
// TooManyRequestsException. With retryAfter the refusal has the header Retry-After. Zero ends the limit.
func (s *Server) LimitPortal(perSecond int, retryAfter bool) {
	s.set(func(w *world) {
		w.center.limit = nil
		if perSecond > 0 {
			w.center.limit = &rateLimit{perSecond: float64(perSecond), tokens: float64(perSecond), at: w.now(), isRetryAfter: retryAfter}
		}
	})
}

// SignIn signs the default user in. It returns the text of the file in ~/.aws/sso/cache as the AWS CLI writes it. The name
// of that file is the SHA-1 sum, in hex, of the name of the sso-session or else of the start URL, with ".json".
func (s *Server) SignIn() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.world
	id, c := w.center.register(w.now(), nil, true)
	access, token := w.center.begin(defaultUser, id, w.now())
	text, err := json.Marshal(map[string]string{
		"startUrl": s.StartURL(), "region": centerRegion, "accessToken": access, "expiresAt": token.expires.UTC().Format(time.RFC3339),
		"clientId": id, "clientSecret": c.secret, "registrationExpiresAt": c.ends.UTC().Format(time.RFC3339), "refreshToken": token.refresh,
	})
	if err != nil {
		panic(err) // only strings in there
	}
	return text
}

func (c *center) register(now time.Time, redirects []string, hasScope bool) (id string, client *ssoClient) {
	client = &ssoClient{secret: newSecret(48), ends: now.Add(clientLife), redirects: redirects, hasScope: hasScope}
	id = rand.Text()
	c.clients[id] = client
	return id, client
}

// begin begins a session and gives it tokens.
func (c *center) begin(user, client string, now time.Time) (access string, t *ssoToken) {
	return c.renew(&ssoSession{user: user, client: client, ends: now.Add(c.sessionLife)}, now)
}

// renew gives a session new tokens.
func (c *center) renew(s *ssoSession, now time.Time) (access string, t *ssoToken) {
	access = newSecret(120)
	t = &ssoToken{ssoSession: s, refresh: newSecret(120), expires: now.Add(min(c.tokenLife, s.ends.Sub(now))).Truncate(time.Second)}
	c.tokens[access] = t
	return access, t
}

// isOIDC and isPortal report whether a request is for that service.
func isOIDC(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, oidcPath+"/") || strings.HasPrefix(r.Host, "oidc.")
}

func isPortal(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, portalPath+"/") || strings.HasPrefix(r.Host, "portal.sso.")
}

// ssoActions are the names of the requests by the ends of their paths.
var ssoActions = map[string]string{
	"/client/register": "RegisterClient", "/device_authorization": "StartDeviceAuthorization", "/token": "CreateToken",
	"/authorize": "Authorize", "/device": "Device", "/assignment/accounts": "ListAccounts", "/assignment/roles": "ListAccountRoles",
	"/federation/credentials": "GetRoleCredentials", "/logout": "Logout",
}

// ssoAction returns the name of a request to the Identity Center, or "".
func ssoAction(r *http.Request) string {
	if !isOIDC(r) && !isPortal(r) {
		return ""
	}
	return ssoActions[strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, oidcPath), portalPath)]
}

// ssoError is a refusal. code is the name of the exception, and short the name of OAuth for it.
type ssoError struct {
	status             int
	code, short, about string
	retryAfter         time.Duration
}

func oidcRefusal(code, short, about string) *ssoError {
	return &ssoError{status: http.StatusBadRequest, code: code, short: short, about: about}
}

// answerSSO answers with a document or a refusal.
func (x *exchange) answerSSO(doc any, err *ssoError) {
	status := http.StatusOK
	if err != nil {
		status = err.status
		x.note(func(r *Request) { r.Error = err.code + ": " + err.about })
		x.Header().Set("X-Amzn-Errortype", err.code)
		if err.retryAfter > 0 {
			x.Header().Set("Retry-After", strconv.Itoa(int((err.retryAfter+time.Second-1)/time.Second)))
		}
		doc = map[string]string{"message": err.about, "__type": "com.amazonaws.switchboard.portal#" + err.code}
		if err.short != "" {
			doc = map[string]string{"error": err.short, "error_description": err.about}
		}
	}
	text, fail := json.Marshal(doc)
	if fail != nil {
		panic(fail) // only strings and numbers in there
	}
	write(x, status, "application/json", string(text))
}

// oidc answers as the service that gives tokens, and shows its pages.
func (x *exchange) oidc() {
	path := strings.TrimPrefix(x.r.URL.Path, oidcPath)
	switch {
	case path == "/authorize" || path == "/device":
		x.page(path)
		return
	case x.r.Method != http.MethodPost:
		x.answerSSO(nil, &ssoError{status: http.StatusMethodNotAllowed, code: "InvalidRequestException", short: "invalid_request"})
		return
	}
	var in struct {
		ClientName, ClientType, ClientID, ClientSecret string
		GrantTypes, RedirectUris, Scopes               []string
		IssuerURL, StartURL                            string
		GrantType, DeviceCode, Code, CodeVerifier      string
		RedirectURI, RefreshToken                      string
	}
	if json.Unmarshal(x.body, &in) != nil {
		x.answerSSO(nil, oidcRefusal("InvalidRequestException", "invalid_request", "not JSON"))
		return
	}
	s := x.s
	s.mu.Lock()
	c, now := s.world.center, s.world.now()
	var doc any
	var err *ssoError
	switch path {
	case "/client/register":
		doc, err = c.registerClient(now, in.ClientType, in.GrantTypes, in.RedirectUris, len(in.Scopes) > 0)
	case "/device_authorization":
		doc, err = c.startDevice(now, x.base(), in.ClientID, in.ClientSecret, in.StartURL == s.StartURL())
	case "/token":
		doc, err = c.token(now, in.ClientID, in.ClientSecret, in.GrantType, map[string]string{
			"code": in.Code, "verifier": in.CodeVerifier, "redirect": in.RedirectURI, "device": in.DeviceCode, "refresh": in.RefreshToken,
		})
	default:
		err = &ssoError{status: http.StatusNotFound, code: "UnknownOperationException", about: "no such operation"}
	}
	s.mu.Unlock()
	x.answerSSO(doc, err)
}

// base is the address of the service as the client knows it.
func (x *exchange) base() string {
	if strings.HasPrefix(x.r.URL.Path, oidcPath) {
		return "http://" + x.r.Host + oidcPath
	}
	return "https://" + x.r.Host
}

// registeredRedirect is the only redirect URI that the center accepts.
const registeredRedirect = "http://127.0.0.1/oauth/callback"

func (c *center) registerClient(now time.Time, kind string, grants, redirects []string, hasScope bool) (any, *ssoError) {
	isCode := slices.Contains(grants, "authorization_code")
	switch {
	case kind != "public":
		return nil, oidcRefusal("InvalidClientMetadataException", "invalid_client_metadata", "clientType is not public")
	case isCode && !slices.Equal(redirects, []string{registeredRedirect}):
		return nil, oidcRefusal("InvalidRedirectUriException", "invalid_redirect_uri", "redirect URI is not allowed")
	case !isCode:
		redirects = nil
	}
	id, client := c.register(now, redirects, hasScope)
	return map[string]any{
		"clientId": id, "clientSecret": client.secret, "clientIdIssuedAt": now.Unix(), "clientSecretExpiresAt": client.ends.Unix(),
	}, nil
}

// client returns a registered program.
func (c *center) client(now time.Time, id, secret string) (*ssoClient, *ssoError) {
	client := c.clients[id]
	if client == nil || !equal(client.secret, secret) || !now.Before(client.ends) {
		return nil, oidcRefusal("InvalidClientException", "invalid_client", "client is unknown or has expired")
	}
	return client, nil
}

func (c *center) startDevice(now time.Time, base, id, secret string, isOurs bool) (any, *ssoError) {
	if _, err := c.client(now, id, secret); err != nil {
		return nil, err
	}
	if !isOurs {
		return nil, oidcRefusal("InvalidRequestException", "", "")
	}
	code, letters := newSecret(48), rand.Text()
	g := &ssoGrant{client: id, userCode: letters[:4] + "-" + letters[4:8], ends: now.Add(grantLife)}
	c.grants[code] = g
	return map[string]any{
		"deviceCode": code, "userCode": g.userCode, "verificationUri": base + "/device",
		"verificationUriComplete": base + "/device?user_code=" + g.userCode, "expiresIn": int(grantLife / time.Second), "interval": 1,
	}, nil
}

// token gives tokens for a grant or a refresh token.
func (c *center) token(now time.Time, id, secret, kind string, in map[string]string) (any, *ssoError) {
	registered, err := c.client(now, id, secret)
	if err != nil {
		return nil, err
	}
	var access string
	var t *ssoToken
	switch kind {
	case "refresh_token":
		access, t, err = c.refresh(now, id, in["refresh"])
	case "authorization_code":
		access, t, err = c.byCode(now, id, in)
	case "urn:ietf:params:oauth:grant-type:device_code":
		access, t, err = c.byDevice(now, id, in["device"])
	default:
		err = oidcRefusal("UnsupportedGrantTypeException", "unsupported_grant_type", "grant type is unknown")
	}
	if err != nil {
		return nil, err
	}
	doc := map[string]any{"accessToken": access, "tokenType": "Bearer", "expiresIn": max(1, int(t.expires.Sub(now)/time.Second))}
	if registered.hasScope {
		doc["refreshToken"] = t.refresh
	}
	return doc, nil
}

func (c *center) refresh(now time.Time, client, refresh string) (string, *ssoToken, *ssoError) {
	for _, t := range c.tokens {
		if refresh == "" || !equal(t.refresh, refresh) || t.client != client || !now.Before(t.ends) {
			continue
		}
		if c.isStrict {
			t.refresh = ""
		}
		access, next := c.renew(t.ssoSession, now)
		return access, next, nil
	}
	return "", nil, oidcRefusal("InvalidGrantException", "invalid_grant", "")
}

func (c *center) byCode(now time.Time, client string, in map[string]string) (string, *ssoToken, *ssoError) {
	g := c.grants[in["code"]]
	sum := sha256.Sum256([]byte(in["verifier"]))
	if g == nil || g.user == "" || g.isUsed || g.client != client || g.redirect != in["redirect"] || !now.Before(g.ends) ||
		!equal(g.challenge, base64.RawURLEncoding.EncodeToString(sum[:])) {
		return "", nil, oidcRefusal("InvalidGrantException", "invalid_grant", "")
	}
	g.isUsed = true
	access, t := c.begin(g.user, client, now)
	return access, t, nil
}

func (c *center) byDevice(now time.Time, client, code string) (string, *ssoToken, *ssoError) {
	g := c.grants[code]
	switch {
	case g == nil || g.isUsed || g.client != client:
		return "", nil, oidcRefusal("InvalidGrantException", "invalid_grant", "")
	case !now.Before(g.ends):
		return "", nil, oidcRefusal("ExpiredTokenException", "expired_token", "")
	case g.isDenied:
		return "", nil, oidcRefusal("AccessDeniedException", "access_denied", "")
	case g.user == "" && now.Sub(g.asked) < time.Second:
		return "", nil, oidcRefusal("SlowDownException", "slow_down", "")
	case g.user == "":
		g.asked = now
		return "", nil, oidcRefusal("AuthorizationPendingException", "authorization_pending", "")
	}
	g.isUsed = true
	access, t := c.begin(g.user, client, now)
	return access, t, nil
}

// page shows a page on which a person allows a sign-in or refuses it. The buttons post to the same address.
func (x *exchange) page(path string) {
	query := x.r.URL.Query()
	if x.r.Method == http.MethodPost {
		query = x.form
	}
	answer := ""
	if x.r.Method == http.MethodPost {
		answer = query.Get("answer")
	}
	if path == "/device" {
		x.devicePage(query.Get("user_code"), answer)
		return
	}
	x.authorizePage(query, answer)
}

func (x *exchange) devicePage(code, answer string) {
	s := x.s
	known := false
	s.set(func(w *world) {
		for _, g := range w.center.grants {
			if g.userCode == "" || g.userCode != code {
				continue
			}
			known = true
			switch answer {
			case "allow":
				g.user = defaultUser
			case "deny":
				g.isDenied = true
			}
		}
	})
	switch {
	case code != "" && !known:
		writePage(x, http.StatusBadRequest, "This code is unknown.")
	case answer != "":
		writePage(x, http.StatusOK, "You can close this page.")
	default:
		x.twoButtons(map[string]string{"user_code": code}, code == "")
	}
}

// authorizePage sends the browser back with a code.
func (x *exchange) authorizePage(query url.Values, answer string) {
	s := x.s
	redirect, _ := url.Parse(query.Get("redirect_uri"))
	var isKnown bool
	s.set(func(w *world) {
		client := w.center.clients[query.Get("client_id")]
		isKnown = client != nil && client.redirects != nil
	})
	if !isKnown || redirect == nil || redirect.Hostname() != "127.0.0.1" || redirect.Path != "/oauth/callback" ||
		query.Get("response_type") != "code" || query.Get("code_challenge_method") != "S256" || query.Get("scopes") == "" {
		writePage(x, http.StatusBadRequest, "This is no request to sign in.")
		return
	}
	if answer == "" {
		fields := map[string]string{}
		for name := range query {
			fields[name] = query.Get(name)
		}
		x.twoButtons(fields, false)
		return
	}
	back := url.Values{"state": {query.Get("state")}}
	if answer == "allow" {
		code := newSecret(48)
		s.set(func(w *world) {
			w.center.grants[code] = &ssoGrant{
				codeFlow: codeFlow{challenge: query.Get("code_challenge"), redirect: query.Get("redirect_uri")}, client: query.Get("client_id"),
				user: defaultUser, ends: w.now().Add(grantLife),
			}
		})
		back.Set("code", code)
	} else {
		back.Set("error", "access_denied")
		back.Set("error_description", "the user refused")
	}
	redirect.RawQuery = back.Encode()
	x.Header().Set("Location", redirect.String())
	x.WriteHeader(http.StatusFound)
}

// twoButtons writes a page with two buttons. It asks for the code of a device unless that is known.
func (x *exchange) twoButtons(fields map[string]string, asksCode bool) {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head><body><h1>Sign in to chaimtest</h1><form method="post">`)
	for name, value := range fields {
		if name == "user_code" && asksCode {
			continue
		}
		fmt.Fprintf(&b, `<input type="hidden" name="%s" value="%s">`, html.EscapeString(name), html.EscapeString(value))
	}
	if asksCode {
		b.WriteString(`<label>Code <input name="user_code" id="code"></label>`)
	}
	b.WriteString(`<button name="answer" value="allow" id="allow">Allow</button><button name="answer" value="deny" id="deny">Deny</button></form></body></html>`)
	write(x, http.StatusOK, "text/html; charset=utf-8", b.String())
}

// portal answers as the access portal.
func (x *exchange) portal() {
	doc, err := x.askPortal(strings.TrimPrefix(x.r.URL.Path, portalPath))
	x.answerSSO(doc, err)
}

func (x *exchange) askPortal(path string) (any, *ssoError) {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.world
	now := w.now()
	if wait := w.center.limit.take(now); wait > 0 {
		err := &ssoError{status: http.StatusTooManyRequests, code: "TooManyRequestsException", about: "HTTP 429 Unknown Code"}
		if w.center.limit.isRetryAfter {
			err.retryAfter = wait
		}
		return nil, err
	}
	token := w.center.tokens[x.r.Header.Get("X-Amz-Sso_bearer_token")]
	if token == nil || !now.Before(token.expires) {
		return nil, &ssoError{status: http.StatusUnauthorized, code: "UnauthorizedException", about: "Session token not found or invalid"}
	}
	x.rec.User = token.user
	return w.askPortal(x.r.Method+" "+path, token.ssoSession, x.r.URL.Query())
}

// askPortal answers a request in a session.
func (w *world) askPortal(operation string, session *ssoSession, query url.Values) (any, *ssoError) {
	a := w.account(query.Get("account_id"))
	if a != nil && a.id != query.Get("account_id") {
		a = nil
	}
	switch operation {
	case "GET /assignment/accounts":
		var all []map[string]string
		for _, a := range w.accounts {
			if len(w.rolesOf(session.user, a)) > 0 {
				all = append(all, map[string]string{"accountId": a.id, "accountName": a.name, "emailAddress": a.id + "@example.com"})
			}
		}
		return pageOf("accountList", all, query)
	case "GET /assignment/roles":
		var all []map[string]string
		if a != nil {
			for _, role := range w.rolesOf(session.user, a) {
				all = append(all, map[string]string{"accountId": a.id, "roleName": role})
			}
		}
		return pageOf("roleList", all, query)
	case "GET /federation/credentials":
		role := query.Get("role_name")
		if a == nil || !slices.Contains(w.rolesOf(session.user, a), role) {
			return nil, &ssoError{status: http.StatusForbidden, code: "ForbiddenException", about: "No access"}
		}
		k := &key{
			account: a.id, role: "AWSReservedSSO_" + role + "_0123456789abcdef", session: session.user, user: session.user,
			expires: w.now().Add(w.granted(defaultKeyLife)).Truncate(time.Second),
		}
		id := w.issue(k)
		return map[string]any{"roleCredentials": map[string]any{
			"accessKeyId": id, "secretAccessKey": k.secret, "sessionToken": k.token, "expiration": k.expires.UnixMilli(),
		}}, nil
	case "POST /logout":
		maps.DeleteFunc(w.center.tokens, func(_ string, t *ssoToken) bool { return t.ssoSession == session })
		return map[string]any{}, nil
	}
	return nil, &ssoError{status: http.StatusNotFound, code: "ResourceNotFoundException", about: "no such operation"}
}

// take counts a request. It returns how long the request must wait, or zero if the limit allows it.
func (l *rateLimit) take(now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	l.tokens = min(l.perSecond, l.tokens+now.Sub(l.at).Seconds()*l.perSecond)
	l.at = now
	if l.tokens < 1 {
		return time.Duration((1 - l.tokens) / l.perSecond * float64(time.Second))
	}
	l.tokens--
	return 0
}

// rolesOf returns the permission sets that a user has in an account, sorted.
func (w *world) rolesOf(user string, a *account) (roles []string) {
	all := a.roles
	if all == nil {
		for _, full := range w.roles {
			all = append(all, full)
		}
	}
	for _, role := range slices.Sorted(slices.Values(all)) {
		if !w.denied(user, a, role) {
			roles = append(roles, role)
		}
	}
	return slices.Compact(roles)
}

// pageOf returns a part of a list, and the token of the next one.
func pageOf(name string, all []map[string]string, query url.Values) (any, *ssoError) {
	size, first := maxPage, 0
	if text := query.Get("max_result"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return nil, &ssoError{status: http.StatusBadRequest, code: "InvalidRequestException", about: "max_result is not 1 to 100"}
		}
		size = n
	}
	if text := query.Get("next_token"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > len(all) {
			return nil, &ssoError{status: http.StatusBadRequest, code: "InvalidRequestException", about: "next_token is unknown"}
		}
		first = n
	}
	doc := map[string]any{name: []any{}}
	last := min(first+size, len(all))
	if first < last {
		doc[name] = all[first:last]
	}
	if last < len(all) {
		doc["nextToken"] = strconv.Itoa(last)
	}
	return doc, nil
}
