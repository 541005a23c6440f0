package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/profiles"
)

// suggestTime bounds the wait for the list of accounts after a refusal.
const suggestTime = 5 * time.Second

// OtherCaseError means that no account has the name Asked, and exactly one has it in another case: Exact.
type OtherCaseError struct {
	Asked, Exact string
	why          error
}

func (e *OtherCaseError) Error() string { return didYouMean(e.why, keys.Printable(e.Exact)).Error() }
func (e *OtherCaseError) Unwrap() error { return e.why }

func didYouMean(err error, alike string) error {
	return errtext.Chain(fmt.Sprintf("%v; did you mean %s?", err, alike), err)
}

// RequestKeys gets keys for the account of a client. To the refusal of an unknown account or role it adds similar names. The
// error is an [OtherCaseError] if only the case of the account's name is wrong.
func (a *App) RequestKeys(ctx context.Context, c *chaim.Client, account string) (chaim.AwsCreds, error) {
	a.logBroker(ctx, c)
	creds, err := c.RequestKeys(ctx)
	if err == nil {
		return creds, nil
	}
	if errors.Is(err, chaim.ErrSignedOut) && a.CenterOf(c) != nil && keys.IsAccountID(account) && hasOwnKeys() {
		return creds, errtext.Chain(err.Error()+"; to ask AWS STS with the keys of [default] instead, set AWS_PROFILE=default", err)
	}
	if roles, isRole := rolesFor(err); isRole {
		if alike := DidYouMean(c.Role(), roles); alike != "" {
			err = didYouMean(err, alike)
		}
		return creds, err
	}
	known, isUnknown := a.accountsFor(ctx, c, err)
	if !isUnknown {
		return creds, err
	}
	if text := noProfile(account); text != "" {
		return creds, errtext.Chain(err.Error()+"; "+text, err)
	}
	files, _ := profiles.AWSFiles{}.Profiles()
	if exact := otherCase(account, known, files.Leading()); exact != "" {
		return creds, &OtherCaseError{account, exact, err}
	}
	var all []string
	for _, one := range known {
		all = append(all, one.Name, one.ID)
	}
	if alike := DidYouMean(account, append(all, files.Leading()...)); alike != "" {
		return creds, didYouMean(err, alike)
	}
	return creds, errtext.Chain(err.Error()+"; 'chaim listall' lists the accounts", err)
}

// hasOwnKeys reports whether [default] has keys of the user.
func hasOwnKeys() bool {
	files, err := profiles.AWSFiles{}.Profiles()
	return err == nil && files.Has("default") && files.Profiles["default"]["aws_access_key_id"] != ""
}

// rolesFor returns the known roles, if err says that a role is unknown.
func rolesFor(err error) (roles []string, isRole bool) {
	noRole, refusal := (*idcenter.NoRoleError)(nil), (*chaim.GatewayError)(nil)
	switch {
	case errors.As(err, &noRole):
		return noRole.Roles, true
	case !errors.As(err, &refusal) || refusal.Kind != "no_role" && !strings.Contains(refusal.Message, "Role not "):
		return nil, false
	}
	for _, alias := range CommonRoles {
		roles = append(roles, alias, partition.RoleName(alias))
	}
	return roles, true
}

// accountsFor returns the known accounts, and remembers them, if err says that an account is unknown.
func (a *App) accountsFor(ctx context.Context, c *chaim.Client, err error) (known []chaim.Account, isUnknown bool) {
	noAccount, refusal := (*idcenter.NoAccountError)(nil), (*chaim.GatewayError)(nil)
	switch {
	case errors.As(err, &noAccount):
		known = noAccount.Accounts
	case errors.As(err, &refusal) && (refusal.Kind == "no_account" || strings.Contains(refusal.Message, "Account not found")):
		ctx, cancel := context.WithTimeout(ctx, suggestTime)
		defer cancel()
		if known, err = c.RequestList(ctx); err != nil {
			return nil, false
		}
	default:
		return nil, false
	}
	a.Remember(ctx, c, known)
	return known, true
}

// otherCase returns the exact name of the only account whose name differs from name in case alone, or else of the only such
// profile. It is empty if there is none or more than one, and for an id.
func otherCase(name string, accounts []chaim.Account, profiles []string) string {
	var found []string
	for _, a := range accounts {
		if strings.EqualFold(a.Name, name) {
			found = append(found, a.Name)
		}
	}
	if len(found) == 0 {
		return OtherCase(name, profiles)
	}
	return only(name, found)
}

// OtherCase returns the only one of names that differs from name in case alone, or "".
func OtherCase(name string, names []string) string {
	var found []string
	for _, one := range names {
		if strings.EqualFold(one, name) {
			found = append(found, one)
		}
	}
	return only(name, found)
}

func only(name string, found []string) string {
	if len(found) != 1 || found[0] == name || keys.IsAccountID(name) {
		return ""
	}
	return found[0]
}

// Remember keeps the names of accounts that a client's broker has just listed, for completions.
func (a *App) Remember(ctx context.Context, c *chaim.Client, accounts []chaim.Account) {
	source, isLister := names.Of(ctx, c)
	if !isLister {
		return
	}
	if err := source.Store(accounts); err != nil {
		a.Log.Debug(err.Error())
	}
}

// likeProfile explains the error of a client without a broker: why the profile of that name gives no keys, which profile has
// a similar name, or why chaim asks no Identity Center.
func likeProfile(account string, err error) error {
	if !errors.Is(err, chaim.ErrNotConfigured) || LacksToken() || account == "" || keys.IsAccountID(account) {
		return err
	}
	if text := noProfile(account); text != "" {
		return Usage(text)
	}
	files, _ := profiles.AWSFiles{}.Profiles()
	also := whyNotAsked("")
	if also != "" {
		also = "; " + also
	}
	if alike := DidYouMean(account, files.Leading()); alike != "" && !files.Has(account) {
		return Usagef("the AWS config file has no profile %s; did you mean %s?%s", keys.QuoteShort(account), alike, strings.TrimPrefix(also, ";"))
	}
	return errtext.Chain(err.Error()+also, err)
}

// noProfile says why a section of the AWS files gives no keys. It is empty if there is no such section, or if it is a
// profile.
func noProfile(name string) string {
	files, err := profiles.AWSFiles{}.Profiles()
	isThere := files.Bare[name] || len(files.Profiles[name]) > 0
	if err != nil || !isThere || files.Has(name) || files.Lent[name] {
		return ""
	}
	_, err = files.Chain(name)
	return errtext.Unprefixed(err)
}
