package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// Profiles is a [Broker] that gives the keys of the profiles of the AWS config file and the credentials file. The account of
// a request is the name of a profile. The zero value works. Any number of goroutines may use it.
//
// The profile decides about the role and the account: a request for others is refused, and so is a profile that gives other
// keys than when its client began. Keys of a role are valid for an hour if neither the request nor duration_seconds says
// otherwise. The owner of all other keys decides how long they are valid.
//
// A profile may have keys, a role with a source_profile or credential_source, a web identity, a credential_process, a
// sign-in by IAM Identity Center or 'aws login', and the endpoints and services that go with these. chaim reads the files
// for each request, and checks the profile before it asks AWS. If a profile has two kinds of keys, a warning says which one
// is used. Keys that chaim has lent are never used, and a credential_process gets no user token of a gateway.
//
// If the profile has an mfa_serial, chaim begins an MFA session of 12 hours. One code is then enough for all roles of that
// device and user in this process. A role for more than an hour needs a code of its own, because AWS gives keys of a role
// for an hour at most if keys of a session ask for them.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
type Profiles struct {
	// TokenCode asks a person for the code of an MFA device, one code of a device at a time. If it fails, or AWS refuses three
	// codes, other requests for the device fail too for 30 seconds. It is not called if the profile has an mfa_process, or
	// CHAIM_MFA_COMMAND is set: these are commands that print the code. Nil means that only they do.
	TokenCode func(ctx context.Context, d MFADevice) (string, error)
	// Sessions keep MFA sessions longer than the process lives. Nil means that they end with it.
	Sessions MFASessions
	// AllowInsecure accepts plain http to services that are not on a loopback address. The network can then read keys.
	AllowInsecure bool
	// HTTPClient sends the requests to STS and IAM Identity Center, as [STS].HTTPClient does. Nil means chaim's own client.
	HTTPClient *http.Client
	// Logger gets warnings, without secrets. Nil means silence.
	Logger *slog.Logger

	gives string // what the profile of a client gave at first
}

var (
	_ Broker    = Profiles{}
	_ completer = Profiles{}
)

// asker returns the part that asks AWS.
func (p Profiles) asker() awssts.Profiles {
	s := STS{HTTPClient: p.HTTPClient, AllowInsecure: p.AllowInsecure, Logger: p.Logger}
	return awssts.Profiles{Asker: s.asker(), Ask: p.TokenCode, Store: p.Sessions, Center: p.askCenter, Gives: p.gives}
}

// askCenter gets keys of IAM Identity Center, with the sign-in that the SDKs use too.
func (p Profiles) askCenter(ctx context.Context, s awsprofile.Session) (aws.Credentials, error) {
	center, err := IdentityCenter{
		Session: s.Name, StartURL: s.StartURL, Region: s.Region, AllowInsecure: p.AllowInsecure, HTTPClient: p.HTTPClient, Logger: p.Logger,
	}.center()
	if err != nil {
		return aws.Credentials{}, err
	}
	center.Profile = s.Profile
	creds, err := center.Keys(ctx, s.AccountID, s.Role)
	if s.Name == "" && errors.Is(err, ErrSignedOut) {
		err = errtext.Chain(fmt.Sprintf("%v or 'aws sso login --profile %s'", err, keys.Printable(s.Profile)), err)
	}
	return creds, err
}

// Keys gets the keys of a profile. The error wraps [ErrNotConfigured] if there is no such profile, and [ErrSignedOut] or
// [ErrDenied] if a person must sign in again. Otherwise it is one of [STS.Retrieve], or says what the profile lacks.
func (p Profiles) Keys(ctx context.Context, r Request) (Grant, error) { return p.asker().Keys(ctx, r) }

// Accounts returns the names of the profiles that lead to keys, in the order of the files. It touches no network. Without
// files there are none. The error is about reading the files.
func (p Profiles) Accounts(context.Context) ([]Account, error) {
	files, err := profiles.AWSFiles{}.Profiles()
	if err != nil {
		return nil, err
	}
	var accounts []Account
	for _, name := range files.Leading() {
		accounts = append(accounts, Account{Name: name})
	}
	return accounts, nil
}

// bound returns Profiles for a client: keys of another kind, account or role than the profile gives now are refused.
func (p Profiles) bound(account string) (Profiles, error) {
	c, err := p.asker().Chain(account)
	p.gives = c.Gives()
	return p, err
}

// complete fills in a request from its profile, and logs what other programs may read differently.
func (p Profiles) complete(r Request) (full Request, decides string, err error) {
	full, c, err := p.asker().Complete(r)
	for _, note := range c.Notes {
		cmp.Or(p.Logger, silent).Warn("chaim: " + note)
	}
	return full, c.Decides(), err
}

// isFixed reports whether the lifetime of a profile's keys cannot be chosen.
func (p Profiles) isFixed(account string) bool {
	c, err := p.asker().Chain(account)
	return err == nil && c.Decides() != ""
}

// Format prints the type only, whatever the verb: the fields may lead to secrets.
func (p Profiles) Format(f fmt.State, _ rune) { fmt.Fprint(f, "chaim.Profiles{}") }

// isProfiles reports whether a broker gives the keys of profiles of the AWS config file.
func isProfiles(broker Broker) bool {
	switch broker.(type) {
	case Profiles, *Profiles:
		return true
	}
	return false
}

// completer is a broker that knows what a request for an account leaves open: the role, the id, the lifetime.
type completer interface {
	// complete touches no network. decides is empty if the lifetime can be chosen, or else says what decides about it.
	complete(r Request) (full Request, decides string, err error)
	// isFixed reports whether the lifetime of the account's keys cannot be chosen.
	isFixed(account string) bool
}

// completeBy fills in what the broker of opts knows about the account.
func (o *Options) completeBy(broker Broker) (field string, err error) {
	known, isCompleter := broker.(completer)
	if !isCompleter || o.Account == "" {
		return "", nil
	}
	full, decides, err := known.complete(o.request(""))
	switch {
	case err != nil:
		return "Account", err
	case decides != "" && o.Duration != 0:
		return "Duration", errtext.Wrap(fmt.Errorf("%s decides how long the keys are valid: leave the duration out", decides), "account %q", o.Account)
	}
	o.AccountID, o.Role, o.Duration = full.AccountID, full.Role, full.Duration
	return "", nil
}
