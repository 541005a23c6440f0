// Package idcenter signs in to IAM Identity Center, and gets keys of its accounts.
package idcenter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/sso/types"
	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

const service = "IAM Identity Center"

// ErrSignedOut means that there is no sign-in, or that it has ended.
var ErrSignedOut = keys.ErrSignedOut

// NoAccountError is the cause of an error about an account that the user does not have.
type NoAccountError struct {
	Accounts []keys.Account // that the user has
}

func (*NoAccountError) Error() string { return "chaim: no such account" }

// NoRoleError is the cause of an error about a permission set that the user does not have in an account.
type NoRoleError struct {
	Roles []string // that the user has there
}

func (*NoRoleError) Error() string { return "chaim: no such role" }

// SignIn is where the sign-in of a session is kept.
type SignIn interface {
	Path() string
	// Read returns the token. The error wraps [fs.ErrNotExist] if there is none.
	Read(ctx context.Context) (ssotoken.Token, error)
	Write(ctx context.Context, token ssotoken.Token) error
	// CheckWrite returns the error that Write would return now, as far as that is known without writing.
	CheckWrite(ctx context.Context) error
	Remove() error
	// ReadBeside returns the text of a file in the same folder, which is empty if there is none.
	ReadBeside(name string) ([]byte, error)
	// WriteBeside replaces such a file. Without a text it removes it.
	WriteBeside(name string, text []byte) error
	// Lock makes other chaims wait until unlock is called. The error wraps [ssotoken.ErrReadOnly] if nothing can be written.
	Lock(ctx context.Context) (unlock func(), err error)
}

// Center is an IAM Identity Center.
type Center struct {
	Session  string // its name in the AWS config file; may be empty
	StartURL string // of the portal
	Region   string // of the center
	SignIn   SignIn
	Route
	Files     awssts.Files
	Log       *slog.Logger
	IsPassive bool // use the sign-in as it is, and never renew it
}

// Route says how requests reach a center.
type Route struct {
	HTTP     *http.Client // nil means chaim's own
	Profile  string       // of the AWS config file, which may name endpoints and certificates; may be empty
	Insecure bool         // accept plain http
}

// config reads the SDK's configuration for the services of the center. It touches no network.
func (c *Center) config(ctx context.Context) (aws.Config, *http.Client, error) {
	cfg, err := awssts.TokenConfig(ctx, c.Files, c.Profile, c.Region)
	if err != nil {
		return cfg, nil, err
	}
	return cfg, awssts.ServiceClient(c.HTTP, cfg), nil
}

// portal returns the client of the portal.
func (c *Center) portal(ctx context.Context) (*sso.Client, error) {
	cfg, client, err := c.config(ctx)
	if err != nil {
		return nil, err
	}
	portal := sso.NewFromConfig(cfg, func(o *sso.Options) { o.HTTPClient = client })
	return portal, httpx.CheckEndpoint(service, portal.Options().BaseEndpoint, c.Insecure, c.Log)
}

// ask calls send with a valid access token, at the pace that the center allows. If the center refuses the token, it calls
// send once more with a new one.
func (c *Center) ask(ctx context.Context, what string, send func(ctx context.Context, portal *sso.Client, access *string) error) error {
	portal, err := c.portal(ctx)
	if err != nil {
		return err
	}
	defer awaiting.For(ctx, service+" in "+c.Region)()
	s := sharedOf(c)
	refused := ""
	for {
		token, err := c.token(ctx, refused)
		if err != nil {
			return err
		}
		err = s.pace.Do(ctx, func(ctx context.Context) error {
			if err := send(ctx, portal, &token.Access); err != nil {
				return awssts.Failure(ctx, service, c.Files, err, token.Access)
			}
			return nil
		})
		switch {
		case err == nil:
			return nil
		case !isCode(err, "UnauthorizedException"):
			return errtext.Wrap(err, "asking %s in %s for %s", service, c.Region, what)
		case refused != "":
			return c.signedOut(errors.New("it accepts neither the sign-in nor its renewal"))
		}
		refused = token.Access
	}
}

func isCode(err error, code string) bool {
	var refusal smithy.APIError
	return errors.As(err, &refusal) && strings.HasSuffix(refusal.ErrorCode(), code)
}

// signedOut says why a person must sign in.
func (c *Center) signedOut(why error) error {
	return errtext.Chain(fmt.Sprintf("%v to %s: %s: run %s", ErrSignedOut, c.StartURL, errtext.Unprefixed(why), c.Command()), ErrSignedOut, keys.ErrDenied, why)
}

// Command returns the commands that sign in to the center, for people.
func (c *Center) Command() string {
	if c.Session == "" {
		return fmt.Sprintf("'chaim login --start-url %s --region %s'", keys.Printable(c.StartURL), c.Region)
	}
	name := keys.Printable(c.Session)
	if strings.Contains(name, " ") {
		name = keys.QuoteShort(c.Session)
	}
	return fmt.Sprintf("'chaim login %s' or 'aws sso login --sso-session %[1]s'", name)
}

// Accounts returns the accounts that the user may use, in the order of the center.
func (c *Center) Accounts(ctx context.Context) (accounts []keys.Account, err error) {
	for page := (*string)(nil); ; {
		var out *sso.ListAccountsOutput
		err = c.ask(ctx, "the accounts", func(ctx context.Context, portal *sso.Client, access *string) (err error) {
			out, err = portal.ListAccounts(ctx, &sso.ListAccountsInput{AccessToken: access, MaxResults: aws.Int32(100), NextToken: page})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, a := range out.AccountList {
			accounts = append(accounts, keys.Account{ID: aws.ToString(a.AccountId), Name: aws.ToString(a.AccountName)})
		}
		if page = out.NextToken; aws.ToString(page) == "" {
			return accounts, nil
		}
	}
}

// Roles returns the permission sets that the user has in an account.
func (c *Center) Roles(ctx context.Context, id string) (roles []string, err error) {
	for page := (*string)(nil); ; {
		var out *sso.ListAccountRolesOutput
		err = c.ask(ctx, "the roles of account "+id, func(ctx context.Context, portal *sso.Client, access *string) (err error) {
			out, err = portal.ListAccountRoles(ctx, &sso.ListAccountRolesInput{AccessToken: access, AccountId: &id, MaxResults: aws.Int32(100), NextToken: page})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, r := range out.RoleList {
			roles = append(roles, aws.ToString(r.RoleName))
		}
		if page = out.NextToken; aws.ToString(page) == "" {
			return roles, nil
		}
	}
}

// Keys returns keys of a permission set in an account.
func (c *Center) Keys(ctx context.Context, id, role string) (creds aws.Credentials, err error) {
	var out *sso.GetRoleCredentialsOutput
	var sent time.Time
	err = c.ask(ctx, fmt.Sprintf("keys of account %s as %s", id, role), func(ctx context.Context, portal *sso.Client, access *string) (err error) {
		sent = time.Now()
		out, err = portal.GetRoleCredentials(ctx, &sso.GetRoleCredentialsInput{AccessToken: access, AccountId: &id, RoleName: &role})
		return err
	})
	switch {
	case isCode(err, "ForbiddenException"):
		return creds, c.withRoles(ctx, err, id)
	case err != nil:
		return creds, err
	}
	creds, err = keysIn(out.RoleCredentials)
	if err != nil {
		return creds, err
	}
	creds.AccountID = id
	server, _ := awsmiddleware.GetServerTime(out.ResultMetadata)
	creds.Expires, err = keys.ExpirationHere(creds.Expires, server, sent, keys.MaxDuration, c.Log)
	return creds, err
}

// withRoles adds to a refusal which permission sets the user has in the account. Work in many accounts goes without, because
// that would double the requests, and AWS allows few.
func (c *Center) withRoles(ctx context.Context, refusal error, id string) error {
	if keys.IsSingleAttempt(ctx) {
		return refusal
	}
	roles, err := c.Roles(ctx, id)
	switch {
	case err != nil:
		return refusal
	case len(roles) == 0:
		return errtext.Chain(fmt.Sprintf("%v; you have no role in that account, or were given one after the sign-in: then sign in again", refusal), refusal)
	}
	return errtext.Chain(fmt.Sprintf("%v; your roles in that account are %s, and those given to you after the sign-in: then sign in again", refusal, strings.Join(roles, ", ")), refusal, &NoRoleError{roles})
}

// keysIn returns the keys in a reply, complete or not at all.
func keysIn(reply *types.RoleCredentials) (aws.Credentials, error) {
	if reply == nil || reply.Expiration == 0 {
		return aws.Credentials{}, errors.New("reply has no credentials or no expiration")
	}
	creds := aws.Credentials{
		AccessKeyID: aws.ToString(reply.AccessKeyId), SecretAccessKey: aws.ToString(reply.SecretAccessKey), SessionToken: aws.ToString(reply.SessionToken),
		Source: "chaim", CanExpire: true, Expires: time.UnixMilli(reply.Expiration),
	}
	if field := keys.Malformed(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken); field != "" {
		return aws.Credentials{}, fmt.Errorf("%s of the reply is missing or malformed", field)
	}
	return creds, nil
}

// Logout ends the session at the center, and then removes the sign-in. Keys that were given stay valid until they expire. It
// reports whether there was a sign-in. If the session may live on, the error says so, and the sign-in stays.
func (c *Center) Logout(ctx context.Context) (wasSignedIn bool, err error) {
	s := sharedOf(c)
	if err := s.renewing.Take(ctx); err != nil {
		return false, c.notEnded(err)
	}
	defer s.renewing.Give()
	switch unlock, err := c.SignIn.Lock(ctx); {
	case err == nil:
		defer unlock()
	case !errors.Is(err, ssotoken.ErrReadOnly): // the session can be ended without writing
		return false, c.notEnded(err)
	}
	token, err := c.SignIn.Read(ctx)
	token = s.newest(token)
	canEnd := token.Access != "" || token.CanRefresh(time.Now())
	switch {
	case errors.Is(err, fs.ErrNotExist), token.StartURL != "" && token.StartURL != c.StartURL: // the latter of another session of that name
		return false, nil
	case errors.Is(err, ssotoken.ErrNoToken) && !canEnd:
		return false, c.SignIn.Remove()
	case !canEnd:
		return false, c.notEnded(err)
	case token.StartURL != c.StartURL || token.Region != c.Region:
		return false, c.notEnded(c.otherSignIn(token))
	}
	if err := c.end(ctx, token); err != nil {
		return true, c.notEnded(err)
	}
	if err := c.SignIn.Remove(); err != nil {
		return true, errtext.Wrap(err, "the session at %s has ended, but the sign-in is not removed", c.StartURL)
	}
	return true, nil
}

func (c *Center) notEnded(err error) error {
	return errtext.Wrap(err, "the session at %s has not been ended, and the sign-in in %s stays", c.StartURL, c.SignIn.Path())
}

// end ends the session of a token. If the token is no longer valid, it gets a new one first.
func (c *Center) end(ctx context.Context, token ssotoken.Token) error {
	defer awaiting.For(ctx, service+" in "+c.Region)()
	now := time.Now()
	isRenewable := token.CanRefresh(now)
	if isValid(token, "", now) || !isRenewable {
		err := c.logout(ctx, token)
		switch {
		case !isCode(err, "UnauthorizedException"):
			return err
		case !isRenewable: // it has ended
			return nil
		}
	}
	next, err := c.exchange(ctx, token)
	if err != nil {
		another, isThere := c.another(ctx, token, token.Access)
		switch {
		case isThere:
			return c.logout(ctx, another)
		case token.Access != "" && c.logout(ctx, token) == nil: // it was valid, whatever our clock says
			return nil
		case hasEnded(err):
			return nil
		}
		return err
	}
	if err = c.logout(ctx, next); err != nil {
		if keepErr := c.SignIn.Write(context.WithoutCancel(ctx), next); keepErr != nil { // the old one may be used up
			sharedOf(c).hold(token, next)
		}
	}
	return err
}

// logout ends the session of a valid token.
func (c *Center) logout(ctx context.Context, token ssotoken.Token) error {
	portal, err := c.portal(ctx)
	if err != nil {
		return err
	}
	return sharedOf(c).pace.Do(ctx, func(ctx context.Context) error {
		if _, err := portal.Logout(ctx, &sso.LogoutInput{AccessToken: &token.Access}); err != nil {
			return awssts.Failure(ctx, service, c.Files, err, token.Access)
		}
		return nil
	})
}
