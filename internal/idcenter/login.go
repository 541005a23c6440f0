package idcenter

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc/types"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/callback"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// Login says how a person signs in.
type Login struct {
	// Port is that of the address on this machine to which the browser returns. Zero means any.
	Port int
	// Device makes the person type a code into any browser. This machine then needs none.
	Device bool
	// Scopes are asked for. Without any, the sign-in is for the accounts, and can be refreshed.
	Scopes []string
	// PortalURL is the start URL at AWS. Empty means that of the center, or the address to which it redirects.
	PortalURL string
	// IsGiven says that a person gave the center's StartURL for this sign-in. It is then used wherever it leads.
	IsGiven bool
	// Show tells the person which page to open. code is to be compared or typed there; it is empty without Device.
	Show func(page, code string)
	// IsForeign reports whether a connection to this machine comes from another user. Nil means never.
	IsForeign func(peer, here netip.AddrPort) bool
}

// defaultScope gives access to accounts, and a refresh token.
const defaultScope = "sso:account:access"

// loginTime is how long a person has to sign in.
const loginTime = 10 * time.Minute

const (
	// callbackPath is the only path that IAM Identity Center takes.
	callbackPath = "/oauth/callback"

	clientName  = "chaim"
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	codeGrant   = "authorization_code"
)

// Login signs in and keeps the sign-in. If it cannot be kept, its session is ended again.
func (c *Center) Login(ctx context.Context, l Login) (ssotoken.Token, error) {
	if len(l.Scopes) == 0 {
		l.Scopes = []string{defaultScope}
	}
	// Before a person does anything.
	if err := c.locked(ctx, c.SignIn.CheckWrite); err != nil {
		return ssotoken.Token{}, c.notKept(err)
	}
	ctx, stop := context.WithTimeoutCause(ctx, loginTime, fmt.Errorf("no sign-in within %s", loginTime))
	defer stop()
	token, err := c.signIn(ctx, l)
	if err != nil {
		return token, errtext.Wrap(err, "signing in to %s", c.StartURL)
	}
	ctx = context.WithoutCancel(ctx) // the session has begun
	err = c.locked(ctx, func(ctx context.Context) error { return c.SignIn.Write(ctx, token) })
	if err != nil {
		err = c.notKept(err)
		if endErr := c.logout(keys.WithSingleAttempt(ctx, true), token); endErr != nil {
			return token, errtext.Chain(fmt.Sprintf("%v; the new session lives on, because ending it failed: %s", err, errtext.Unprefixed(endErr)), err, endErr)
		}
		return token, errtext.Chain(fmt.Sprintf("%v; so the new session was ended again", err), err)
	}
	return token, nil
}

// locked calls do while no other process renews the sign-in.
func (c *Center) locked(ctx context.Context, do func(context.Context) error) error {
	unlock, err := c.SignIn.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return do(ctx)
}

func (c *Center) notKept(err error) error {
	return errtext.Wrap(err, "the sign-in to %s cannot be kept", c.StartURL)
}

func (c *Center) signIn(ctx context.Context, l Login) (token ssotoken.Token, err error) {
	token = ssotoken.Token{StartURL: c.StartURL, Region: c.Region}
	if l.PortalURL == "" {
		if l.PortalURL, err = c.portalURL(ctx, l.IsGiven); err != nil {
			return token, err
		}
	}
	purpose := ssotoken.Purpose{StartURL: l.PortalURL, Region: c.Region, Session: c.Session, Scopes: l.Scopes}
	begin := c.byDevice
	if !l.Device {
		purpose.GrantTypes, begin = []string{codeGrant, "refresh_token"}, c.byBrowser
	}
	if token.Client = c.registration(purpose); token.Client.ID != "" {
		token, err = begin(ctx, token, l)
		if !isCode(err, "InvalidClientException") && !isCode(err, "UnauthorizedClientException") {
			return token, err
		}
		_ = c.SignIn.WriteBeside(purpose.FileName(), nil) // the center has forgotten it
	}
	if token.Client, err = c.register(ctx, purpose); err != nil {
		return token, err
	}
	return begin(ctx, token, l)
}

// registrationLeft is how long a kept registration must last, as for the AWS CLI.
const registrationLeft = 15 * time.Minute

// registration returns the registration that chaim or the AWS CLI has kept for a purpose. It is empty if there is none.
func (c *Center) registration(p ssotoken.Purpose) ssotoken.Client {
	text, err := c.SignIn.ReadBeside(p.FileName())
	if err != nil {
		return ssotoken.Client{}
	}
	return p.Registration(text, registrationLeft, time.Now())
}

// register registers this program for a purpose, and keeps the registration for the next sign-in.
func (c *Center) register(ctx context.Context, p ssotoken.Purpose) (client ssotoken.Client, err error) {
	in := &ssooidc.RegisterClientInput{ClientName: aws.String(clientName), ClientType: aws.String("public"), Scopes: p.Scopes}
	if p.GrantTypes != nil {
		in.GrantTypes, in.RedirectUris, in.IssuerUrl = p.GrantTypes, []string{callback.URI("", callbackPath)}, &p.StartURL
	}
	oidc, err := c.oidc(ctx)
	if err != nil {
		return client, err
	}
	defer awaiting.For(ctx, service+" in "+c.Region)()
	out, err := oidc.RegisterClient(ctx, in)
	if err != nil {
		return client, c.aboutRegion(c.failure(ctx, err), p.StartURL)
	}
	client = ssotoken.Client{ID: aws.ToString(out.ClientId), Secret: aws.ToString(out.ClientSecret)}
	if client.ID == "" || client.Secret == "" {
		return client, errors.New("reply has no client")
	}
	if out.ClientSecretExpiresAt > 0 {
		client.Expires = time.Unix(out.ClientSecretExpiresAt, 0)
		c.keepRegistration(p, client)
	}
	return client, nil
}

// keepRegistration keeps a registration. Errors are only logged: the sign-in works without it.
func (c *Center) keepRegistration(p ssotoken.Purpose, client ssotoken.Client) {
	text, err := p.Render(client)
	if err == nil {
		err = c.SignIn.WriteBeside(p.FileName(), text)
	}
	if err != nil {
		c.Log.Warn("chaim: registration at IAM Identity Center is not kept", "error", err)
	}
}

// aboutRegion adds the usual reason to an error.
func (c *Center) aboutRegion(err error, startURL string) error {
	for _, code := range []string{"InvalidRequestException", "InvalidClientMetadataException"} {
		if isCode(err, code) {
			return errtext.Chain(fmt.Sprintf("%v; is %s the start URL, and %s the region of the Identity Center?", err, startURL, c.Region), err)
		}
	}
	return err
}

// byBrowser lets a browser on this machine bring an authorization code, which PKCE binds to this program.
//
// https://www.rfc-editor.org/rfc/rfc7636
func (c *Center) byBrowser(ctx context.Context, token ssotoken.Token, l Login) (ssotoken.Token, error) {
	oidc, err := c.oidc(ctx)
	if err != nil {
		return token, err
	}
	endpoint, err := endpointOf(ctx, oidc)
	if err != nil {
		return token, err
	}
	back, err := callback.Listen(callback.Config{Path: callbackPath, Port: l.Port, IsForeign: l.IsForeign})
	if err != nil {
		return token, err
	}
	defer back.Close()
	verifier := rand.Text() + rand.Text() // 52 characters; the rule is 43 to 128
	challenge := sha256.Sum256([]byte(verifier))
	page := strings.TrimSuffix(endpoint, "/") + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {token.Client.ID}, "redirect_uri": {back.URI}, "state": {back.State},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"scopes": {strings.Join(l.Scopes, " ")}, // not "scope", as elsewhere
	}.Encode()
	l.Show(page, "")
	code, err := back.Wait(ctx)
	if err != nil {
		return token, err
	}
	return c.createToken(ctx, oidc, token, &ssooidc.CreateTokenInput{
		GrantType: aws.String(codeGrant), Code: &code, CodeVerifier: &verifier, RedirectUri: &back.URI,
	})
}

// endpointOf returns the URL of the service.
func endpointOf(ctx context.Context, oidc *ssooidc.Client) (string, error) {
	o := oidc.Options()
	endpoint, err := o.EndpointResolverV2.ResolveEndpoint(ctx, ssooidc.EndpointParameters{
		Region: &o.Region, Endpoint: o.BaseEndpoint,
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	})
	return endpoint.URI.String(), err
}

// slowDown is how much longer the pauses between two questions become if the center asks for that.
//
// https://www.rfc-editor.org/rfc/rfc8628#section-3.5
const slowDown = 5 * time.Second

// byDevice lets a person type a code into a browser anywhere.
func (c *Center) byDevice(ctx context.Context, token ssotoken.Token, l Login) (ssotoken.Token, error) {
	oidc, err := c.oidc(ctx)
	if err != nil {
		return token, err
	}
	device, err := oidc.StartDeviceAuthorization(ctx, &ssooidc.StartDeviceAuthorizationInput{ClientId: &token.Client.ID, ClientSecret: &token.Client.Secret, StartUrl: &l.PortalURL})
	if err != nil {
		return token, c.aboutRegion(c.failure(ctx, err, token.Client.Secret), l.PortalURL)
	}
	if lifetime := time.Duration(device.ExpiresIn) * time.Second; lifetime > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, lifetime, fmt.Errorf("no sign-in within %s, when the code ended", lifetime))
		defer stop()
	}
	l.Show(keys.Printable(aws.ToString(device.VerificationUri)), keys.Printable(aws.ToString(device.UserCode)))
	interval := max(time.Duration(device.Interval)*time.Second, time.Second)
	for {
		next, err := c.createToken(ctx, oidc, token, &ssooidc.CreateTokenInput{GrantType: aws.String(deviceGrant), DeviceCode: device.DeviceCode})
		switch {
		case isCode(err, (&types.AuthorizationPendingException{}).ErrorCode()):
		case isCode(err, (&types.SlowDownException{}).ErrorCode()):
			interval += slowDown
		case isCode(err, (&types.ExpiredTokenException{}).ErrorCode()):
			return token, errors.New("the code has ended")
		case isCode(err, (&types.AccessDeniedException{}).ErrorCode()):
			return token, errtext.Because(keys.ErrDenied, errors.New("the sign-in was refused in the browser"))
		default:
			return next, err
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return token, context.Cause(ctx)
		}
	}
}
