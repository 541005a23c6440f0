package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// parkedName is that of the file beside the credentials file that holds the definitions of parked accounts, and begins it
// where that is not called "credentials". It is written only while the lock of the credentials file is held too, so that
// no account is ever in neither of them.
const parkedName = "chaim-parked"

// notSet stands in a definition for the token of an account that is to have one under aws_security_token.
const notSet = "notset"

// ParkAccount takes a profile out of the credentials file and keeps its definition, without the keys, in the file
// chaim-parked beside that, with mode 0600. What others have put into the section stays where it is. An account that is
// parked already stays so, without keys that another tool may have left in the definition.
//
// The error wraps [fs.ErrNotExist] when there is no such profile, and [ErrInUse] also when another account is parked under
// that name. Otherwise errors, and what becomes of the client's own profile, are as for [Client.DeleteAccount]; on a full
// disk the profile stays as its own definition, with keys that are of no use. After an error or a crash the account may be
// in both files, as it is after its profile was stored again by [Options].Keep. It then counts as not parked until it is
// parked, which replaces the definition, unparked or deleted.
func (c *Client) ParkAccount(ctx context.Context, profile string) error {
	if err := checkHeld(profile); err != nil {
		return err
	}
	return c.take(ctx, profile, func(pairs map[string]string) error { return c.park(ctx, profile, pairs) })
}

// UnparkAccount brings a parked account back: it gets new keys by the definition, as [Client.RenewSection] does, puts them
// into the credentials file as a profile that is kept, and then removes the definition. Where the account has such a profile
// there already, that tells which keys to get, and what is parked is only removed.
//
// The error wraps [fs.ErrNotExist] when no such account is parked, [ErrInUse] when the name is taken by now, and otherwise
// what RenewSection says. Unless it says something else, the account is parked as before.
func (c *Client) UnparkAccount(ctx context.Context, profile string) (AwsCreds, error) {
	if err := cmp.Or(c.checkOpen(), checkHeld(profile)); err != nil {
		return AwsCreds{}, err
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	creds, err := c.bringBack(ctx, profile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return AwsCreds{}, errtext.Wrap(err, "unparking %q", profile)
	case err != nil:
		return AwsCreds{}, errtext.Wrap(err, "unparking %q, which stays parked", profile)
	}
	err = c.withParked(ctx, func() error {
		return c.edit(ctx, func(doc []byte) ([]byte, error) { return doc, c.unparkHeld(ctx, doc, profile) })
	})
	if err != nil {
		return creds, errtext.Wrap(err, "profile %q has new keys, but its definition is still in %s", profile, c.parked().Path)
	}
	return creds, nil
}

// ListParkAccounts returns the names of the accounts that are parked, sorted. It only reads.
func (c *Client) ListParkAccounts(ctx context.Context) ([]string, error) {
	doc, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	parked, err := c.parked().Read()
	if err != nil {
		return nil, err
	}
	held := map[string][]holder{}
	for _, s := range inifile.Scan(doc) {
		held[s.Name()] = append(held[s.Name()], holderOf(s.Managed(doc)))
	}
	var names []string
	for _, s := range inifile.Scan(parked) {
		name, account := s.Name(), holderOf(s.Managed(parked))
		if name != "" && account.name != "" && !slices.ContainsFunc(held[name], account.isSame) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (c *Client) parked() sharedfile.File { return parkedBeside(c.file) }

// withParked makes an edit of the credentials file within which chaim-parked is edited too. While that is locked it is waited
// for outside the edit: others want the credentials file meanwhile.
func (c *Client) withParked(ctx context.Context, edit func() error) error {
	for {
		err := edit()
		if !errors.Is(err, sharedfile.ErrHeld) {
			return err
		}
		if err := c.parked().Edit(ctx, func(doc []byte) ([]byte, error) { return doc, nil }); err != nil {
			return err
		}
	}
}

func parkedBeside(file sharedfile.File) sharedfile.File {
	dir, base := filepath.Split(file.Path)
	name := parkedName
	if base != "credentials" { // there may be several in one folder
		name += "-" + base
	}
	return sharedfile.File{Path: filepath.Join(dir, name), IsOwn: true, Unknown: file.Unknown}
}

// park writes the definition of a section of those pairs. They may be nil for one that is not there: then it takes the
// keys out of a definition that another tool has written.
func (c *Client) park(ctx context.Context, profile string, pairs map[string]string) error {
	if pairs == nil {
		var err error
		if pairs, err = c.definition(profile); err != nil {
			return err
		}
	}
	return c.parked().TryEdit(ctx, func(doc []byte) ([]byte, error) {
		if err := canHold(doc, profile, holderOf(pairs)); err != nil {
			return nil, err
		}
		return inifile.Set(doc, profile, definitionOf(pairs))
	})
}

// definitionOf is what of a section's keys says how to get new ones.
func definitionOf(pairs map[string]string) []inifile.Pair {
	var definition []inifile.Pair
	for _, key := range []string{"duration", "role", inifile.MarkerKey, inifile.IDKey, "region"} {
		if pairs[key] != "" {
			definition = append(definition, inifile.Pair{Key: key, Value: pairs[key]})
		}
	}
	if pairs["aws_security_token"] != "" {
		definition = append(definition, inifile.Pair{Key: "aws_security_token", Value: notSet})
	}
	return definition
}

// isSameDefinition reports whether two sections are for the same keys. An account id that one of them lacks is no
// difference: profiles of older versions get theirs when they are renewed.
func isSameDefinition(a, b map[string]string) bool {
	isKnown := a[inifile.IDKey] != "" && b[inifile.IDKey] != ""
	return slices.Equal(
		slices.DeleteFunc(definitionOf(a), func(p inifile.Pair) bool { return p.Key == inifile.IDKey && !isKnown }),
		slices.DeleteFunc(definitionOf(b), func(p inifile.Pair) bool { return p.Key == inifile.IDKey && !isKnown }))
}

// unparkHeld removes the definition of an account that is in the credentials file.
func (c *Client) unparkHeld(ctx context.Context, doc []byte, profile string) error {
	pairs, _, err := inifile.ReadManaged(doc, profile)
	if err != nil {
		return err
	}
	onDisk, err := c.file.Read() // those pairs may be yet to be written, together with this
	if err != nil {
		return err
	}
	written, _, err := inifile.ReadManaged(onDisk, profile)
	account := holderOf(pairs)
	if err != nil || !account.isSame(holderOf(written)) {
		return err
	}
	return c.unpark(ctx, profile, account)
}

// unpark removes the definition of an account, if there is one of that name.
func (c *Client) unpark(ctx context.Context, profile string, account holder) error {
	doc, err := c.parked().Read()
	if err != nil {
		return err
	}
	definition, _, err := inifile.ReadManaged(doc, profile)
	if err != nil || !account.isSame(holderOf(definition)) {
		return err
	}
	return c.parked().TryEdit(ctx, func(doc []byte) ([]byte, error) { return inifile.Delete(doc, profile) })
}

// definition returns what is known of a parked account.
func (c *Client) definition(profile string) (map[string]string, error) {
	doc, err := c.parked().Read()
	if err != nil {
		return nil, err
	}
	pairs, exists, err := inifile.ReadManaged(doc, profile)
	switch {
	case err != nil:
	case !exists:
		err = notThere(profile)
	case pairs[inifile.MarkerKey] == "":
		err = fmt.Errorf("%w: [%s] is yours and stays", ErrUnmanagedAccount, profile)
	}
	return pairs, err
}

// isLeft reports whether a section of those managed keys has nothing but what was left in it for its owner. A section that
// never had more would have gone.
func isLeft(doc []byte, name string, pairs map[string]string) bool {
	for _, value := range pairs { // that of the scope's key is empty where there is none
		if value != "" {
			return false
		}
	}
	return inifile.HasOthers(doc, name)
}

// isParked reports whether there is a definition of that name.
func (c *Client) isParked(profile string) bool {
	_, err := c.definition(profile)
	return err == nil
}

// canHold reports whether a section may be written for an account: it is not there, is for that account already, or has
// nothing but what parking it or deleting it has left for its owner.
func canHold(doc []byte, name string, account holder) error {
	pairs, exists, err := inifile.ReadManaged(doc, name)
	held := holderOf(pairs)
	switch {
	case err != nil || !exists || held.isSame(account) || isLeft(doc, name, pairs):
		return err
	case held.name != "":
		return fmt.Errorf("%w: [%s] is one for %s", ErrInUse, name, held.apartFrom(account.name))
	}
	return errtext.Because(ErrInUse, fmt.Errorf("%w: [%s] is yours", ErrUnmanagedAccount, name))
}

// bringBack gets keys for a parked account and puts them into the credentials file.
func (c *Client) bringBack(ctx context.Context, profile string) (AwsCreds, error) {
	if rival := readConfig().rival(profile); rival != "" {
		return AwsCreds{}, fmt.Errorf("%w: %s", ErrInUse, rival)
	}
	// free returns the managed keys of the profile, if it may be written to doc, and what tells which keys it is to get.
	free := func(doc []byte) (pairs, definition map[string]string, err error) {
		definition, err = c.definition(profile)
		if err != nil {
			return nil, nil, err // in an edit, because another process has brought it back meanwhile
		}
		pairs, exists, err := inifile.ReadManaged(doc, profile)
		if err != nil {
			return nil, nil, err
		}
		account := holderOf(definition)
		if account.isSame(holderOf(pairs)) {
			definition = pairs
		}
		_, unusable := inifile.Set(doc, profile, definitionOf(definition)) // for what else stands there
		switch {
		case pairs[inifile.ScopeKey]+pairs[inifile.ProcessKey] != "":
			err = fmt.Errorf("%w: [%s] belongs to a scope", ErrInUse, profile)
		case lease.IsLongLived(pairs["aws_access_key_id"]):
			err = errtext.Because(ErrInUse, checkOurs(profile, pairs))
		case unusable != nil && exists:
			err = errtext.Because(ErrInUse, unusable)
		case unusable != nil:
			err = unusable
		default:
			err = canHold(doc, profile, account)
		}
		return pairs, definition, err
	}
	doc, err := c.file.Read()
	if err != nil {
		return AwsCreds{}, err
	}
	_, asked, err := free(doc)
	if err != nil {
		return AwsCreds{}, err
	}
	g, opts, err := c.requestFor(ctx, profile, asked)
	if err != nil {
		return AwsCreds{}, err
	}
	err = c.edit(ctx, func(doc []byte) ([]byte, error) {
		pairs, definition, err := free(doc)
		switch {
		case err != nil:
			return nil, err
		case pairs["aws_access_key_id"] != g.creds.AccessKeyID && !isSameDefinition(definition, asked):
			return nil, fmt.Errorf("%w: the definition of [%s] has changed meanwhile", ErrInUse, profile)
		}
		return c.rewrite(doc, profile, pairs, g, opts)
	})
	return g.creds, err
}
