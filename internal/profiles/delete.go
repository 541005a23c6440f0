package profiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// Delete removes a profile, and its copy in [default]. Then it removes the definition if the account is parked under that
// name too. Without such a profile it removes the definition that is parked under that name.
func (b *Book) Delete(ctx context.Context, name string) error {
	var account Holder
	err := b.take(ctx, name, func(pairs map[string]string) error {
		if held := HolderOf(pairs); held.Name != "" {
			account = held
		}
		if pairs != nil || account.Name != "" {
			return nil
		}
		definition, err := b.parkedPairs(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return b.removeParked(ctx, name, HolderOf(definition))
	})
	if err != nil || account.Name == "" {
		return err
	}
	return b.Forget(ctx, name, account)
}

// Forget removes the definition of an account that is parked under a name. Call it after the profile is removed.
func (b *Book) Forget(ctx context.Context, name string, account Holder) error {
	err := b.withParked(ctx, func() error {
		return b.Edit(ctx, func(*inifile.Document) error { return b.removeParked(ctx, name, account) })
	})
	if err != nil {
		return errtext.Wrap(err, "profile %q is deleted, but the account may still be parked, without keys, in %s", name, b.ParkedPath())
	}
	return nil
}

// take removes a profile. Before that, in the same edit, it calls also with the managed keys of the section, or with nil
// if the section is gone, or if only lines of the user are left of it.
func (b *Book) take(ctx context.Context, name string, also func(pairs map[string]string) error) error {
	if err := CheckSection(name); err != nil {
		return err
	}
	if _, err := os.Stat(b.file.Path); errors.Is(err, fs.ErrNotExist) {
		return b.withParked(ctx, func() error { return also(nil) }) // without making a lock file
	}
	var isTaken, isScopes bool
	err := b.withParked(ctx, func() error {
		return b.edit(ctx, func(l leases, doc *inifile.Document) error {
			pairs, exists, err := doc.Managed(name)
			switch {
			case err != nil:
				return err
			case !exists || isLeft(doc, name, pairs) && (isTaken || b.isParked(name)):
				if err := also(nil); err != nil || isTaken {
					return err
				}
				return followDefault(doc, name, nil, nil)
			case pairs[inifile.MarkerKey] != "" && pairs[inifile.ScopeKey] != "" && l.isLive(pairs):
				return fmt.Errorf("%w: [%s] belongs to a scope that may still run", keys.ErrInUse, name)
			}
			if err := checkOurs(name, pairs); err != nil {
				return err
			}
			if err := also(pairs); err != nil {
				return err
			}
			isTaken, isScopes = true, pairs[inifile.ScopeKey] != ""
			return deleteSection(doc, name, pairs)
		})
	})
	if err != nil || !isScopes {
		return err
	}
	doc, err := b.Read() // for the other files of the scope
	if err == nil {
		_, err = sweep(ctx, b.file, doc, true)
	}
	return err
}

// isLeft reports whether a section has nothing but lines of the user that were left when its profile was removed.
func isLeft(doc *inifile.Document, name string, pairs map[string]string) bool {
	for _, value := range pairs { // a missing scope key is an empty one
		if value != "" {
			return false
		}
	}
	s, err := doc.Section(name)
	return s != nil && err == nil && s.HasOthers()
}
