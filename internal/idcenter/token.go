package idcenter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"

	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

const (
	// refreshLeft is how long before its end a token is refreshed. botocore and the AWS CLI do it then too.
	refreshLeft = 15 * time.Minute
	// refreshPause is the time between two attempts while the token is still valid.
	refreshPause = time.Minute
	// refreshTime is how long a refresh may take while other processes wait for the lock.
	refreshTime = 30 * time.Second
	// anotherPatience is how long another program may take to write the token that it has got.
	anotherPatience = time.Second
)

var errRefreshTime = fmt.Errorf("no new token within %s", refreshTime)

// shared is what all Centers of a process with the same start URL have in common: AWS limits their requests together.
type shared struct {
	pace *httpx.Pace

	mu     sync.Mutex // guards what follows
	failed time.Time  // when a refresh failed for the last time
	token  string     // that was not refreshed then

	unsaved map[string]ssotoken.Token // by the access token that stays in a file that cannot be written
}

var allShared sync.Map // of *shared, by start URL and region

func sharedOf(c *Center) *shared {
	s, _ := allShared.LoadOrStore([2]string{c.StartURL, c.Region}, &shared{pace: new(httpx.Pace), unsaved: map[string]ssotoken.Token{}})
	return s.(*shared)
}

// mayTry reports whether a refresh of a valid token may be tried again.
func (s *shared) mayTry(token ssotoken.Token, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return token.Access != s.token || now.Sub(s.failed) >= refreshPause || now.Before(s.failed)
}

func (s *shared) hasFailed(token ssotoken.Token, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed, s.token = now, token.Access
}

// hold keeps a token in memory, in place of one whose file cannot be written.
func (s *shared) hold(old, token ssotoken.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved[old.Access] = token
}

// newest returns the token that is held in place of one in a file, or the latter.
func (s *shared) newest(token ssotoken.Token) ssotoken.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	for next, isHeld := s.unsaved[token.Access]; isHeld; next, isHeld = s.unsaved[token.Access] {
		token = next
	}
	return token
}

// token returns a valid access token, and not the one that the center has refused.
func (c *Center) token(ctx context.Context, refused string) (ssotoken.Token, error) {
	token, err := c.read(ctx)
	if err != nil {
		return token, err
	}
	if now := time.Now(); !isDue(token, refused, now) || isValid(token, refused, now) && (!token.CanRefresh(now) || !sharedOf(c).mayTry(token, now)) {
		return token, nil
	}
	unlock, err := c.SignIn.Lock(ctx)
	switch {
	case errors.Is(err, ssotoken.ErrReadOnly): // then the new token stays in memory
	case err != nil && isValid(token, refused, time.Now()) && ctx.Err() == nil:
		c.notRenewed(token, err)
		return token, nil
	case err != nil:
		return token, err
	default:
		defer unlock()
	}
	return c.renewed(ctx, refused)
}

// renewed is token for a caller that holds the lock. Another process may have refreshed the token before.
func (c *Center) renewed(ctx context.Context, refused string) (ssotoken.Token, error) {
	token, err := c.read(ctx)
	if err != nil {
		return token, err
	}
	now := time.Now()
	switch {
	case !isDue(token, refused, now):
		return token, nil
	case !token.CanRefresh(now) && isValid(token, refused, now):
		return token, nil
	case !token.CanRefresh(now):
		return token, c.signedOut(whyNot(token, now))
	}
	next, err := c.refresh(keys.WithSingleAttempt(ctx, isValid(token, refused, now)), token)
	switch {
	case err == nil:
		return next, nil
	case isCode(err, "InvalidGrantException"): // another program may have used the refresh token
		if another, isThere := c.another(ctx, token, refused); isThere {
			return another, nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return token, err
	case isValid(token, refused, time.Now()):
		c.notRenewed(token, err)
		return token, nil
	case isCode(err, "InvalidGrantException"), isCode(err, "ExpiredTokenException"):
		return token, c.signedOut(errors.New("the session has ended"))
	case isCode(err, "InvalidClientException"), isCode(err, "UnauthorizedClientException"):
		return token, c.signedOut(errors.New("the registration of this program has ended"))
	}
	return token, errtext.Wrap(err, "renewing the sign-in to %s", c.StartURL)
}

// another returns a valid token that another program has got with the refresh token of an old one. That program may not have
// written it yet.
func (c *Center) another(ctx context.Context, old ssotoken.Token, refused string) (token ssotoken.Token, isThere bool) {
	for began := time.Now(); ; {
		token, err := c.read(ctx)
		if err == nil && token.Access != old.Access && isValid(token, refused, time.Now()) {
			return token, true
		}
		if err != nil || time.Since(began) >= anotherPatience {
			return token, false
		}
		select {
		case <-time.After(anotherPatience / 20):
		case <-ctx.Done():
			return token, false
		}
	}
}

// notRenewed warns that a token is used to its end.
func (c *Center) notRenewed(token ssotoken.Token, err error) {
	sharedOf(c).hasFailed(token, time.Now())
	c.Log.Warn("chaim: the sign-in to IAM Identity Center is not renewed", "url", c.StartURL, "ends", token.Expires.UTC(), "error", err)
}

func isValid(token ssotoken.Token, refused string, now time.Time) bool {
	return token.Access != refused && now.Before(token.Expires)
}

func isDue(token ssotoken.Token, refused string, now time.Time) bool {
	return token.Access == refused || token.Expires.Sub(now) < refreshLeft
}

// whyNot says why a token that has ended cannot be refreshed.
func whyNot(token ssotoken.Token, now time.Time) error {
	ended := "the sign-in has ended"
	if now.Before(token.Expires) {
		ended = "the sign-in is no longer accepted"
	}
	switch {
	case token.Refresh == "":
		return errors.New(ended + ", and has no refresh token")
	case token.Client.ID == "" || token.Client.Secret == "":
		return errors.New(ended + ", and the program that began it left no registration")
	}
	return fmt.Errorf("%s, and so has the registration of the program that began it", ended)
}

// read returns the sign-in of this center.
func (c *Center) read(ctx context.Context) (ssotoken.Token, error) {
	token, err := c.SignIn.Read(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return token, c.signedOut(errors.New("there is no sign-in"))
	case err != nil && ctx.Err() == nil:
		return token, c.signedOut(err)
	case err != nil:
		return token, err
	case token.StartURL != c.StartURL || token.Region != c.Region: // two sessions of one name share the file
		return token, c.signedOut(fmt.Errorf("%s is a sign-in to %s in %s", c.SignIn.Path(), token.StartURL, token.Region))
	}
	return sharedOf(c).newest(token), nil
}

// Standing returns the kept sign-in. The error wraps [ErrSignedOut] if a person must sign in, as far as the file tells: it touches
// no network.
func (c *Center) Standing(ctx context.Context) (ssotoken.Token, error) {
	token, err := c.read(ctx)
	if now := time.Now(); err == nil && !isValid(token, "", now) && !token.CanRefresh(now) {
		err = c.signedOut(whyNot(token, now))
	}
	return token, err
}

// refresh gets a new token for an old one, and keeps it: in memory if its file cannot be written. It waits if the center
// throttles.
func (c *Center) refresh(ctx context.Context, token ssotoken.Token) (ssotoken.Token, error) {
	ctx, stop := context.WithTimeoutCause(ctx, refreshTime, errRefreshTime)
	defer stop()
	var out *ssooidc.CreateTokenOutput
	var at time.Time
	oidc, err := c.oidc(ctx)
	if err != nil {
		return token, err
	}
	err = sharedOf(c).pace.Do(ctx, func(ctx context.Context) (err error) {
		out, at, err = c.createToken(ctx, oidc, token.Client, &ssooidc.CreateTokenInput{GrantType: aws.String("refresh_token"), RefreshToken: &token.Refresh})
		return err
	})
	if err != nil {
		return token, err
	}
	next, err := c.keep(ctx, token, out, at)
	if err != nil {
		c.Log.Warn("chaim: the renewed sign-in stays in this process only, so that others may have to sign in again", "url", c.StartURL, "error", err)
		sharedOf(c).hold(token, next)
	}
	return next, nil
}

// createToken asks for a token, and tells when the request was sent.
func (c *Center) createToken(ctx context.Context, oidc *ssooidc.Client, client ssotoken.Client, in *ssooidc.CreateTokenInput) (*ssooidc.CreateTokenOutput, time.Time, error) {
	in.ClientId, in.ClientSecret = &client.ID, &client.Secret
	at := time.Now()
	out, err := oidc.CreateToken(ctx, in)
	if err != nil {
		secrets := []string{client.Secret, aws.ToString(in.RefreshToken), aws.ToString(in.Code), aws.ToString(in.CodeVerifier), aws.ToString(in.DeviceCode)}
		return nil, at, c.failure(ctx, err, secrets...)
	}
	if aws.ToString(out.AccessToken) == "" || out.ExpiresIn <= 0 {
		return nil, at, errors.New("reply has no access token or no lifetime")
	}
	return out, at, nil
}

// keep writes a new token in place of an old one.
func (c *Center) keep(ctx context.Context, token ssotoken.Token, out *ssooidc.CreateTokenOutput, at time.Time) (ssotoken.Token, error) {
	token.Access, token.Refresh = aws.ToString(out.AccessToken), aws.ToString(out.RefreshToken)
	token.Expires = at.Add(time.Duration(out.ExpiresIn) * time.Second)
	if err := c.SignIn.Write(context.WithoutCancel(ctx), token); err != nil { // the old one may be used up
		return token, errtext.Wrap(err, "keeping the sign-in to %s", c.StartURL)
	}
	return token, nil
}

// oidc returns the client of the service that gives tokens.
func (c *Center) oidc(ctx context.Context) (*ssooidc.Client, error) {
	cfg, client, err := c.config(ctx)
	if err != nil {
		return nil, err
	}
	oidc := ssooidc.NewFromConfig(cfg, func(o *ssooidc.Options) { o.HTTPClient = client })
	return oidc, httpx.CheckEndpoint(service, oidc.Options().BaseEndpoint, c.Insecure, c.Log)
}

// failure redacts an error of the service that gives tokens.
func (c *Center) failure(ctx context.Context, err error, secrets ...string) error {
	return awssts.Failure(ctx, service, c.Files, err, secrets...)
}
