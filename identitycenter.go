package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/profiles"
)

// IdentityCenter is an AWS IAM Identity Center as a [Broker]. The account of a request is the name or the 12-digit id of an
// account of the organisation, and the role the name of a permission set, which also decides how long keys are valid.
//
// A person signs in with 'chaim login' or 'aws sso login'; chaim, the AWS CLI and the SDKs share the sign-in, and chaim renews
// it while the center allows that. Without one the error wraps [ErrSignedOut].
//
// The zero value stands for the only [sso-session] of the AWS config file. Any number of goroutines may use it. All of a
// process share the requests per second that the center allows.
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

// Keys gets keys of a permission set in an account. The error wraps [ErrSignedOut] without a valid sign-in, and [ErrDenied] if
// the user does not have the permission set there.
func (i IdentityCenter) Keys(ctx context.Context, r Request) (Grant, error) {
	center, err := i.center()
	if err != nil {
		return Grant{}, err
	}
	account := Account{ID: r.ID(), Name: r.Account}
	if account.ID == "" {
		if account, err = i.find(ctx, center, r.Account); err != nil {
			return Grant{}, err
		}
	}
	creds, err := center.Keys(ctx, account.ID, r.Role)
	return Grant{Credentials: creds, Account: account.Name}, err
}

// find returns the account of that name.
func (i IdentityCenter) find(ctx context.Context, center *idcenter.Center, name string) (found Account, err error) {
	accounts, err := center.Accounts(ctx)
	if err != nil {
		return found, err
	}
	for _, a := range accounts {
		if a.Name != name {
			continue
		}
		if found.ID != "" {
			return found, fmt.Errorf("chaim: accounts %s and %s are both named %s: give the id", found.ID, a.ID, keys.QuoteShort(name))
		}
		found = a
	}
	if found.ID == "" {
		return found, fmt.Errorf("chaim: none of the %d accounts that you have at %s is named %s", len(accounts), center.StartURL, keys.QuoteShort(name))
	}
	return found, nil
}

// Accounts returns the accounts that the user may use.
func (i IdentityCenter) Accounts(ctx context.Context) ([]Account, error) {
	center, err := i.center()
	if err != nil {
		return nil, err
	}
	return center.Accounts(ctx)
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
	c := &idcenter.Center{
		StartURL: i.StartURL, Region: i.Region, HTTP: i.HTTPClient, Files: profiles.AWSFiles{}, Insecure: i.AllowInsecure, Log: cmp.Or(i.Logger, silent),
	}
	if i.Session != "" || i.StartURL == "" {
		files, err := profiles.AWSFiles{}.Profiles()
		if err != nil {
			return nil, err
		}
		if i.Session, err = i.session(slices.Sorted(maps.Keys(files.Sessions))); err != nil {
			return nil, err
		}
		known := files.Sessions[i.Session]
		c.StartURL, c.Region = cmp.Or(c.StartURL, known["sso_start_url"]), cmp.Or(c.Region, known["sso_region"])
	}
	switch {
	case c.StartURL == "":
		return nil, fmt.Errorf("chaim: [sso-session %s] of the AWS config file has no sso_start_url", i.Session)
	case c.Region == "":
		return nil, errors.New("chaim: the region of the Identity Center is missing: give IdentityCenter.Region, or sso_region in the AWS config file")
	}
	if err := partition.CheckRegionOf("the Identity Center", c.Region); err != nil {
		return nil, err
	}
	signIn, err := profiles.OpenSignIn(i.Session, c.StartURL)
	c.SignIn = signIn
	return c, err
}

// session returns the session that is meant, of those in the AWS config file.
func (i IdentityCenter) session(known []string) (string, error) {
	switch {
	case i.Session == "" && len(known) == 1:
		return known[0], nil
	case i.Session == "" && len(known) == 0:
		return "", errtext.Because(ErrNotConfigured, errors.New("the AWS config file has no [sso-session NAME]; 'aws configure sso' or 'chaim init' makes one"))
	case i.Session == "":
		return "", fmt.Errorf("chaim: the AWS config file has several sessions, %s: give IdentityCenter.Session", strings.Join(known, ", "))
	case !slices.Contains(known, i.Session) && (i.StartURL == "" || i.Region == ""):
		return "", errtext.Because(ErrNotConfigured, fmt.Errorf("the AWS config file has no [sso-session %s]; it has: %s", i.Session, cmp.Or(strings.Join(known, ", "), "none")))
	}
	return i.Session, nil
}

// Format prints where the center is, whatever the verb.
func (i IdentityCenter) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "chaim.IdentityCenter{Session:%q StartURL:%q Region:%q}", i.Session, i.StartURL, i.Region)
}
