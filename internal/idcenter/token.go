package idcenter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"

	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/ssotoken"
	"github.com/chaim-go/chaim/internal/turn"
)

const (
	// refreshLeft is how long before its end a token is refreshed. botocore and the AWS CLI do it then too.
	refreshLeft = 15 * time.Minute
	// refreshPause is the time between two attempts while the token is still valid.
	refreshPause = time.Minute
	// refreshTime is how long a refresh may take while other processes wait for the lock.
	refreshTime = 30 * time.Second
	// lockPatience is how long a caller with a valid token waits until it may refresh it.
	lockPatience = time.Second
	// answerTime is how long the answer to a refresh is awaited after the caller has given up.
	answerTime = 3 * time.Second
	// anotherPatience is how long another program may take to write the token that it has got.
	anotherPatience = time.Second
)

var (
	errRefreshTime = fmt.Errorf("no new token within %s", refreshTime)
	errHeld        = fmt.Errorf("another process has held it for %s", lockPatience)
)

// shared is the state that all Centers of a process with the same start URL, region and HTTP client share: AWS limits their
// requests together.
type shared struct {
	pace     httpx.Pace
	renewing turn.Lock // held while a goroutine renews a sign-in

	mu     sync.Mutex // guards what follows
	failed failure
	held   map[string]ssotoken.Token // by the access token in the file, which cannot be written
}

// failure is the last renewal that failed.
type failure struct {
	n     int // how many have failed
	at    time.Time
	token string // the access token that was not renewed
	err   error
}

// sharedKey names what Centers share. It does not keep the HTTP client from being collected.
type sharedKey struct {
	startURL, region string
	client           weak.Pointer[http.Client]
}

var allShared sync.Map // of *shared, by sharedKey

func sharedOf(c *Center) *shared {
	key := sharedKey{c.StartURL, c.Region, weak.Make(c.HTTP)}
	s, isKnown := allShared.Load(key)
	if !isKnown {
		if s, isKnown = allShared.LoadOrStore(key, &shared{held: map[string]ssotoken.Token{}}); !isKnown && c.HTTP != nil {
			runtime.AddCleanup(c.HTTP, func(key sharedKey) { allShared.Delete(key) }, key)
		}
	}
	return s.(*shared)
}

// mayTry reports whether a refresh of a valid token may be tried again, and how many have failed so far.
func (s *shared) mayTry(token ssotoken.Token, now time.Time) (mayTry bool, failures int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return token.Access != s.failed.token || now.Sub(s.failed.at) >= refreshPause || now.Before(s.failed.at), s.failed.n
}

// fails notes that a token was not refreshed.
func (s *shared) fails(token ssotoken.Token, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = failure{s.failed.n + 1, time.Now(), token.Access, err}
}

// failedSince returns why a token was not refreshed, if a refresh has failed since the caller saw that many failures.
func (s *shared) failedSince(failures int, token ssotoken.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed.n == failures || s.failed.token != token.Access {
		return nil
	}
	return s.failed.err
}

// hold keeps a token in memory, in place of one whose file cannot be written.
func (s *shared) hold(old, token ssotoken.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	isHeld := false
	for inFile, held := range s.held {
		if held.Access == old.Access {
			s.held[inFile], isHeld = token, true
		}
	}
	if !isHeld {
		s.held[old.Access] = token
	}
}

// newest returns the token that is held in place of one in a file, or else the one in the file.
func (s *shared) newest(token ssotoken.Token) ssotoken.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held, isHeld := s.held[token.Access]; isHeld {
		return held
	}
	return token
}

// token returns a valid access token, and not the one that the center has refused. One goroutine renews it for all.
func (c *Center) token(ctx context.Context, refused string) (ssotoken.Token, error) {
	s := sharedOf(c)
	token, err := c.read(ctx)
	if err != nil {
		return token, err
	}
	now := time.Now()
	isUsable := isValid(token, refused, now)
	mayTry, failures := s.mayTry(token, now)
	switch {
	case !isDue(token, refused, now), isUsable && (c.IsPassive || !mayTry || !token.CanRefresh(now)):
		return token, nil
	case c.IsPassive:
		return token, errors.New("chaim: the sign-in has to be renewed first")
	}
	wait := ctx
	if isUsable {
		var stop context.CancelFunc
		wait, stop = context.WithTimeoutCause(ctx, lockPatience, errHeld)
		defer stop()
	}
	if err := s.renewing.Take(wait); err != nil {
		if isUsable && ctx.Err() == nil {
			return token, nil
		}
		return token, errtext.Wrap(err, "waiting for the renewal of the sign-in to %s", c.StartURL)
	}
	defer s.renewing.Give()
	if err := s.failedSince(failures, token); err != nil {
		if isValid(token, refused, time.Now()) {
			return token, nil
		}
		return token, err
	}
	unlock, err := c.SignIn.Lock(wait)
	switch {
	case errors.Is(err, ssotoken.ErrReadOnly): // then the new token stays in memory
	case err != nil:
		return c.notRenewed(ctx, token, refused, err)
	default:
		defer unlock()
	}
	return c.renewed(ctx, refused)
}

// renewed is token for a caller that holds the locks. Another process may have refreshed the token before.
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
	return c.notRenewed(ctx, token, refused, err)
}

// another returns a valid token that another program has got by refreshing the old one. That program may not have written it
// yet.
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

// notRenewed returns a token that was not renewed, with a warning. If the token is no longer valid, it returns the error.
func (c *Center) notRenewed(ctx context.Context, token ssotoken.Token, refused string, err error) (ssotoken.Token, error) {
	if ctx.Err() != nil { // which says nothing about the sign-in
		return token, err
	}
	switch {
	case hasEnded(err):
		err = c.signedOut(errors.New("the session has ended"))
	case isCode(err, "InvalidClientException"), isCode(err, "UnauthorizedClientException"):
		err = c.signedOut(errors.New("the registration of this program has ended"))
	default:
		err = errtext.Wrap(err, "renewing the sign-in to %s", c.StartURL)
	}
	sharedOf(c).fails(token, err)
	if !isValid(token, refused, time.Now()) {
		return token, err
	}
	c.Log.Warn("chaim: the sign-in to IAM Identity Center is not renewed", "url", c.StartURL, "ends", token.Expires.UTC(), "error", err)
	return token, nil
}

// hasEnded reports whether a refresh failed because the session has ended.
func hasEnded(err error) bool {
	return isCode(err, "InvalidGrantException") || isCode(err, "ExpiredTokenException")
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
		return token, c.signedOut(c.otherSignIn(token))
	}
	return sharedOf(c).newest(token), nil
}

func (c *Center) otherSignIn(token ssotoken.Token) error {
	return fmt.Errorf("%s is a sign-in to %s in %s", c.SignIn.Path(), token.StartURL, token.Region)
}

// Standing returns the kept sign-in. The error wraps [ErrSignedOut] if the file shows that a person must sign in. It touches
// no network.
func (c *Center) Standing(ctx context.Context) (ssotoken.Token, error) {
	token, err := c.read(ctx)
	if now := time.Now(); err == nil && !isValid(token, "", now) && !token.CanRefresh(now) {
		err = c.signedOut(whyNot(token, now))
	}
	return token, err
}

// refresh gets a new token for an old one, and keeps it: in memory if its file cannot be written.
func (c *Center) refresh(ctx context.Context, token ssotoken.Token) (ssotoken.Token, error) {
	next, err := c.exchange(ctx, token)
	if err != nil {
		return token, err
	}
	if err := c.SignIn.Write(context.WithoutCancel(ctx), next); err != nil { // the old one may be used up
		c.Log.Warn("chaim: the renewed sign-in stays in this process only, so that others may have to sign in again", "url", c.StartURL, "error", err)
		sharedOf(c).hold(token, next)
	}
	return next, nil
}

// exchange asks for a new token with an old one. It waits if the center throttles. The request may use up the old token, so
// exchange awaits the answer even if ctx ends.
func (c *Center) exchange(ctx context.Context, token ssotoken.Token) (next ssotoken.Token, err error) {
	ctx, stop := context.WithTimeoutCause(ctx, refreshTime, errRefreshTime)
	defer stop()
	oidc, err := c.oidc(ctx)
	if err != nil {
		return token, err
	}
	err = sharedOf(c).pace.Do(ctx, func(ctx context.Context) (err error) {
		ctx, stop := outlasting(ctx, answerTime)
		defer stop()
		next, err = c.createToken(ctx, oidc, token, &ssooidc.CreateTokenInput{GrantType: aws.String("refresh_token"), RefreshToken: &token.Refresh})
		return err
	})
	return next, err
}

// outlasting returns a context that ends later than ctx by extra. stop must be called.
func outlasting(ctx context.Context, extra time.Duration) (longer context.Context, stop func()) {
	longer, end := context.WithCancelCause(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(extra):
			end(context.Cause(ctx))
		case <-longer.Done():
		}
	})
	return longer, func() {
		forget()
		end(nil)
	}
}

// createToken asks for a token for the same client, and returns it in place of the old one.
func (c *Center) createToken(ctx context.Context, oidc *ssooidc.Client, token ssotoken.Token, in *ssooidc.CreateTokenInput) (ssotoken.Token, error) {
	in.ClientId, in.ClientSecret = &token.Client.ID, &token.Client.Secret
	at := time.Now()
	out, err := oidc.CreateToken(ctx, in)
	if err != nil {
		secrets := []string{token.Client.Secret, aws.ToString(in.RefreshToken), aws.ToString(in.Code), aws.ToString(in.CodeVerifier), aws.ToString(in.DeviceCode)}
		return token, c.failure(ctx, err, secrets...)
	}
	if aws.ToString(out.AccessToken) == "" || out.ExpiresIn <= 0 {
		return token, errors.New("reply has no access token or no lifetime")
	}
	token.Access, token.Refresh = aws.ToString(out.AccessToken), aws.ToString(out.RefreshToken)
	token.Expires = at.Add(time.Duration(out.ExpiresIn) * time.Second)
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
