package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// IdentityCenter is a [Broker] that gives the keys of an AWS IAM Identity Center. The account of a request is the name or
// the 12-digit id of an account. The role is the name of a permission set, which also decides how long keys are valid. The
// zero value stands for the only [sso-session] of the AWS config file. Any number of goroutines may use it.
//
// A person signs in with 'chaim login' or 'aws sso login'. chaim, the AWS CLI and the SDKs share the sign-in. chaim renews
// it 15 minutes before its end, as the AWS CLI does, for as long as the center allows. The library opens no browser.
//
// AWS limits the requests per second. All IdentityCenters of a process with the same start URL, Region and HTTPClient slow
// down together, and repeat requests that were refused for that.
//
// https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html
type IdentityCenter struct {
	// Session is the name of a section [sso-session NAME] of the AWS config file. Empty means the only one, or StartURL.
	Session string
	// StartURL is the address of the access portal. Empty means that of the Session.
	StartURL string
	// Region is the AWS region of the Identity Center. Empty means that of the Session.
	Region string
	// AllowInsecure accepts plain http to services that are not on a loopback address. The network can then read keys.
	AllowInsecure bool
	// HTTPClient sends the requests, as [STS].HTTPClient does. Nil means chaim's own client.
	HTTPClient *http.Client
	// Logger gets warnings, without secrets. Nil means silence.
	Logger *slog.Logger
}

var (
	_ Broker    = IdentityCenter{}
	_ completer = IdentityCenter{}
)

// ownCenter returns the Identity Center of a client without a gateway. isOurs is false if STS gives the keys: for the ARN of
// a role and, unless CHAIM_SSO_SESSION names a session, if the environment has keys or a profile of the user's own.
func (o *Options) ownCenter() (center IdentityCenter, isOurs bool, err error) {
	center = IdentityCenter{
		Session: os.Getenv(idcenter.SessionVariable), AllowInsecure: o.AllowInsecure, HTTPClient: o.HTTPClient, Logger: o.Logger,
	}
	isChosen := center.Session != ""
	if o.Settings != nil || arn.IsARN(o.Role) || !isChosen && (profiles.AWSFiles{}).OwnSource() != "" {
		return center, false, nil
	}
	switch _, err = center.center(); {
	case err == nil:
		return center, true, nil
	case isChosen, errors.Is(err, idcenter.ErrSeveral) && o.Account != "" && !awssts.CanAsk(o.request("")):
		return center, false, err
	}
	return center, false, nil
}

// Keys gets keys of a permission set in an account. The error wraps [ErrSignedOut] without a valid sign-in, [ErrDenied] if
// the user does not have the permission set there, [ErrUnreachable] if the center does not answer, and [ErrNotConfigured] if
// the AWS config file has no such session. A name is an error too if no account has it, or more than one.
func (i IdentityCenter) Keys(ctx context.Context, r Request) (Grant, error) {
	center, id, err := i.find(ctx, r)
	if err != nil {
		return Grant{}, err
	}
	creds, err := center.Keys(ctx, id, r.Role)
	return Grant{Credentials: creds, Account: r.Account}, err
}

// find returns the center, and the id of the account of a request.
func (i IdentityCenter) find(ctx context.Context, r Request) (center *idcenter.Center, id string, err error) {
	center, err = i.center()
	if id = r.ID(); err != nil || id != "" {
		return center, id, err
	}
	accounts, err := center.Accounts(ctx)
	if err != nil {
		return center, "", err
	}
	for _, a := range accounts {
		if a.Name != r.Account {
			continue
		}
		if id != "" {
			return center, "", fmt.Errorf("chaim: accounts %s and %s are both named %s: give the id", id, a.ID, keys.QuoteShort(r.Account))
		}
		id = a.ID
	}
	if id == "" {
		text := fmt.Sprintf("chaim: none of the %d accounts that you have at %s is named %s", len(accounts), center.StartURL, keys.QuoteShort(r.Account))
		return center, "", errtext.Chain(text, &idcenter.NoAccountError{Accounts: accounts})
	}
	return center, id, nil
}

// Accounts returns the accounts that the user may use. Errors are those of [IdentityCenter.Keys].
func (i IdentityCenter) Accounts(ctx context.Context) ([]Account, error) {
	center, err := i.center()
	if err != nil {
		return nil, err
	}
	return center.Accounts(ctx)
}

// Roles returns the names of the permission sets that the user has in an account. account is its name or its 12-digit id.
// Errors are those of [IdentityCenter.Keys].
func (i IdentityCenter) Roles(ctx context.Context, account string) ([]string, error) {
	center, id, err := i.find(ctx, Request{Account: account})
	if err != nil {
		return nil, err
	}
	return center.Roles(ctx, id)
}

// complete refuses a request without a role.
func (i IdentityCenter) complete(r Request) (full Request, decides string, err error) {
	if _, err := i.center(); err != nil {
		return r, "", err
	}
	if r.Role == "" {
		return r, "", errors.New("chaim: give a role: the name of a permission set of the Identity Center")
	}
	return r, "the permission set", nil
}

// isFixed is true: the permission set decides about the lifetime.
func (i IdentityCenter) isFixed(string) bool { return true }

// center finds the center. It touches no network.
func (i IdentityCenter) center() (*idcenter.Center, error) {
	return idcenter.Find(idcenter.Center{
		Session: i.Session, StartURL: i.StartURL, Region: i.Region,
		Route: idcenter.Route{HTTP: i.HTTPClient, Insecure: i.AllowInsecure}, Files: profiles.AWSFiles{}, Log: cmp.Or(i.Logger, silent),
	}, profiles.OpenSignIn)
}

// Format prints where the center is, whatever the verb.
func (i IdentityCenter) Format(f fmt.State, _ rune) {
	if c, err := i.center(); err == nil {
		i.Session, i.StartURL, i.Region = c.Session, c.StartURL, c.Region
	}
	fmt.Fprintf(f, "chaim.IdentityCenter{Session:%q StartURL:%q Region:%q}", i.Session, i.StartURL, i.Region)
}
