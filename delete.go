package chaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// DeleteAccount removes a profile from the credentials file, and its copy in [default] where it is the default account; one
// that is absent is not an error. For the client's own profile it is [Client.Close] too, also where that is kept. If the
// account is parked under that name too, its definition goes after that; after an error or a crash there the account stays
// parked. Without such a profile the definition parked under that name goes, with keys that another tool left in it.
//
// A section without accountname is the user's and is [ErrUnmanagedAccount]; the profile of another live scope is [ErrInUse].
// On a full disk the keys of the profile are overwritten where they stand, if the system allows that, and the profile stays,
// with an error that tells, until there is space to delete it by another call.
func (c *Client) DeleteAccount(ctx context.Context, profile string) error {
	var account holder
	err := c.take(ctx, profile, func(pairs map[string]string) error {
		if held := holderOf(pairs); held.name != "" {
			account = held
		}
		if pairs != nil || account.name != "" {
			return nil
		}
		definition, err := c.definition(profile)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return cmp.Or(err, c.unpark(ctx, profile, holderOf(definition)))
	})
	if err != nil || account.name == "" {
		return err
	}
	// First of all the keys are gone, whatever the other file is like.
	err = c.withParked(ctx, func() error {
		return c.edit(ctx, func(doc []byte) ([]byte, error) { return doc, c.unpark(ctx, profile, account) })
	})
	if err != nil {
		return errtext.Wrap(err, "profile %q is deleted, but the account may still be parked, without keys, in %s", profile, c.parked().Path)
	}
	return nil
}

// taking is the removal of a profile, for good or to park it.
type taking struct {
	*Client
	profile string
	also    func(pairs map[string]string) error

	// What the last edit found.
	isOwn    bool // the profile is the client's
	isTaken  bool
	isScopes bool // it was a scope's
}

// take removes a profile. In the same edit, but before, it calls also with the managed keys of the section, or with nil
// where there is none or only what was left of it; but not where the disk is full and the keys are only overwritten. A
// client whose own profile is taken is closed by that. After a full disk the same call may be made again.
func (c *Client) take(ctx context.Context, profile string, also func(pairs map[string]string) error) error {
	if err := checkSection(profile); err != nil {
		return err
	}
	closed := c.checkOpen()
	if closed != nil && !errors.Is(closed, ErrClosed) {
		return closed
	}
	t := &taking{Client: c, profile: profile, also: also}
	switch _, err := os.Stat(c.file.Path); {
	case closed != nil && c.isOwn(profile):
		return t.finish(ctx)
	case closed != nil:
		return closed
	case errors.Is(err, fs.ErrNotExist) && !c.hasWritten():
		return c.withParked(ctx, func() error { return also(nil) }) // and no lock file is made
	}
	bound, stop := c.bound(ctx)
	defer stop()
	err := t.erase(bound)
	isFull := sharedfile.IsFull(err)
	switch {
	case err != nil && !isFull:
		return err
	case t.isOwn:
		return t.finish(ctx)
	case t.isScopes:
		if sweepErr := c.sweep(bound); !sharedfile.IsFull(sweepErr) { // which is said already
			err = errors.Join(err, sweepErr)
		}
	}
	return err
}

// finish stops the client whose own profile is taken, and takes what was written since.
func (t *taking) finish(ctx context.Context) error {
	s := t.stop()
	defer s.wait()
	err := t.erase(ctx)
	if t.opts.Keep && t.isTaken && (errors.Is(err, ErrUnmanagedAccount) || errors.Is(err, fs.ErrNotExist)) {
		err = nil // it is another client's, which has brought it back
	}
	switch {
	case err != nil: // a definition that is not written yet stays
		return errors.Join(err, s.drop(false))
	case t.opts.Keep:
		return s.drop(true)
	}
	_, err = s.remove(ctx)
	return err
}

func (t *taking) erase(ctx context.Context) error {
	file := t.file
	if t.Client.isOwn(t.profile) {
		file = t.own()
	}
	return t.withParked(ctx, func() error {
		return t.Client.erase(ctx, file,
			func(doc []byte) ([]byte, error) { return t.remove(doc, t.also) },
			func(doc []byte) ([]byte, error) {
				return t.remove(doc, func(map[string]string) error { return nil })
			})
	})
}

// remove returns doc without the profile, unless that is another program's.
func (t *taking) remove(doc []byte, also func(pairs map[string]string) error) ([]byte, error) {
	pairs, exists, err := inifile.ReadManaged(doc, t.profile)
	t.isOwn = t.profile == t.written.section
	isOurs := t.isOwn && t.owns(pairs)
	switch {
	case err != nil:
		return nil, err
	case !exists || isLeft(doc, t.profile, pairs) && (t.isTaken || t.isParked(t.profile)):
		if err := also(nil); err != nil || t.isTaken {
			return doc, err
		}
		return t.followDefault(doc, t.profile, nil, nil)
	case t.isOwn && !isOurs && !(t.opts.Keep && pairs[inifile.ScopeKey] == ""):
		return nil, fmt.Errorf("%w: [%s] was changed by another program and stays", ErrUnmanagedAccount, t.profile)
	case !t.isOwn && pairs[inifile.MarkerKey] != "" && pairs[inifile.ScopeKey] != "" && t.scopes.IsLive(pairs):
		return nil, fmt.Errorf("%w: [%s] belongs to a scope that may still run", ErrInUse, t.profile)
	}
	if err := checkOurs(t.profile, pairs); err != nil && !isOurs {
		return nil, err
	}
	if err := also(pairs); err != nil {
		return nil, err
	}
	t.isTaken, t.isScopes = true, pairs[inifile.ScopeKey] != ""
	return t.deleteSection(doc, t.profile, pairs)
}
