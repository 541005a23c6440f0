package profiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// Park removes a profile from the credentials file and keeps its definition, without the keys, in chaim-parked.
func (b *Book) Park(ctx context.Context, name string) error {
	if err := CheckHeld(name); err != nil {
		return err
	}
	return b.take(ctx, name, func(pairs map[string]string) error { return b.park(ctx, name, pairs) })
}

// park writes the definition of a section to chaim-parked. pairs are nil if the section is not there. Then park removes the
// keys from a definition that another tool has written.
func (b *Book) park(ctx context.Context, name string, pairs map[string]string) error {
	if pairs == nil {
		var err error
		if pairs, err = b.parkedPairs(name); err != nil {
			return err
		}
	}
	return b.editParked(ctx, func(doc *inifile.Document) error {
		if err := canHold(doc, name, HolderOf(pairs)); err != nil {
			return err
		}
		return doc.Set(name, definitionOf(pairs))
	})
}

// ListParked returns the names of the parked accounts, sorted.
func (b *Book) ListParked() ([]string, error) {
	doc, err := b.Read()
	if err != nil {
		return nil, err
	}
	parked, err := read(b.parked)
	if err != nil {
		return nil, err
	}
	held := map[string][]Holder{}
	for _, s := range doc.Sections() {
		held[s.Name()] = append(held[s.Name()], HolderOf(s.Managed()))
	}
	var names []string
	for _, s := range parked.Sections() {
		name, account := s.Name(), HolderOf(s.Managed())
		if name != "" && account.Name != "" && !slices.ContainsFunc(held[name], account.isSame) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Unpark brings a parked account back as a profile that is kept, and then removes its definition. obtain gets the keys by
// the definition or, if the account has such a profile already, by that of the profile. The profile may be back even
// after an error, which then is about the definition: isBack tells.
func (b *Book) Unpark(ctx context.Context, name string, obtain func(Definition) (keys.Grant, error)) (isBack bool, err error) {
	err = b.bringBack(ctx, name, obtain)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, errtext.Wrap(err, "unparking %q", name)
	case err != nil:
		return false, errtext.Wrap(err, "unparking %q, which stays parked", name)
	}
	err = b.withParked(ctx, func() error {
		return b.Edit(ctx, func(doc *inifile.Document) error { return b.unparkHeld(ctx, doc, name) })
	})
	if err != nil {
		return true, errtext.Wrap(err, "profile %q has new keys, but its definition is still in %s", name, b.ParkedPath())
	}
	return true, nil
}

// bringBack gets keys for a parked account and writes them into the credentials file.
func (b *Book) bringBack(ctx context.Context, name string, obtain func(Definition) (keys.Grant, error)) error {
	if rival := ReadConfig().rival(name); rival != "" {
		return fmt.Errorf("%w: %s", keys.ErrInUse, rival)
	}
	doc, err := b.Read()
	if err != nil {
		return err
	}
	_, asked, err := b.resolve(doc, name)
	if err != nil {
		return err
	}
	d, err := define(asked)
	if err != nil {
		return err
	}
	g, err := obtain(d)
	if err == nil {
		err = checkKept(g)
	}
	if err != nil {
		return err
	}
	return b.Edit(ctx, func(doc *inifile.Document) error {
		pairs, definition, err := b.resolve(doc, name)
		switch {
		case err != nil:
			return err
		case pairs["aws_access_key_id"] != g.AccessKeyID && !isSameDefinition(definition, asked):
			return fmt.Errorf("%w: the definition of [%s] has changed meanwhile", keys.ErrInUse, name)
		}
		return d.rewrite(doc, name, pairs, g)
	})
}

// resolve returns the managed keys of the profile of a parked account, and the definition of the keys that it is to get. It
// refuses a profile that must not be written to doc. Call it again in the edit: it reads chaim-parked anew, because another
// process may have brought the account back meanwhile.
func (b *Book) resolve(doc *inifile.Document, name string) (pairs, definition map[string]string, err error) {
	if definition, err = b.parkedPairs(name); err != nil {
		return nil, nil, err
	}
	pairs, exists, err := doc.Managed(name)
	if err != nil {
		return nil, nil, err
	}
	account := HolderOf(definition)
	if account.isSame(HolderOf(pairs)) {
		definition = pairs
	}
	unusable := inifile.Parse(doc.Bytes()).Set(name, definitionOf(definition)) // because of other lines there
	switch {
	case pairs[inifile.ScopeKey]+pairs[inifile.ProcessKey] != "":
		err = fmt.Errorf("%w: [%s] belongs to a scope", keys.ErrInUse, name)
	case keys.IsLongLived(pairs["aws_access_key_id"]):
		err = errtext.Because(keys.ErrInUse, checkOurs(name, pairs))
	case unusable != nil && exists:
		err = errtext.Because(keys.ErrInUse, unusable)
	case unusable != nil:
		err = unusable
	default:
		err = canHold(doc, name, account)
	}
	return pairs, definition, err
}

// unparkHeld removes the definition of an account that is in the credentials file.
func (b *Book) unparkHeld(ctx context.Context, doc *inifile.Document, name string) error {
	pairs, _, err := doc.Managed(name)
	if err != nil {
		return err
	}
	onDisk, err := b.Read() // doc may have edits that are not written yet
	if err != nil {
		return err
	}
	written, _, err := onDisk.Managed(name)
	account := HolderOf(pairs)
	if err != nil || !account.isSame(HolderOf(written)) {
		return err
	}
	return b.removeParked(ctx, name, account)
}

// removeParked removes the definition of that name, if it is the account's.
func (b *Book) removeParked(ctx context.Context, name string, account Holder) error {
	doc, err := read(b.parked)
	if err != nil {
		return err
	}
	definition, _, err := doc.Managed(name)
	if err != nil || !account.isSame(HolderOf(definition)) {
		return err
	}
	return b.editParked(ctx, func(doc *inifile.Document) error { return doc.Delete(name) })
}

// parkedPairs returns the managed keys of the definition of a parked account.
func (b *Book) parkedPairs(name string) (map[string]string, error) {
	doc, err := read(b.parked)
	if err != nil {
		return nil, err
	}
	pairs, exists, err := doc.Managed(name)
	switch {
	case err != nil:
	case !exists:
		err = notThere(name)
	case pairs[inifile.MarkerKey] == "":
		err = fmt.Errorf("%w: [%s] is yours and stays", ErrUnmanaged, name)
	}
	return pairs, err
}

// AccountOf returns the account of a profile that is held or else parked. It is zero without one.
func (b *Book) AccountOf(name string) Holder {
	if doc, err := b.Read(); err == nil {
		if pairs, isHeld, err := doc.Managed(name); err == nil && isHeld {
			return HolderOf(pairs)
		}
	}
	pairs, _ := b.parkedPairs(name)
	return HolderOf(pairs)
}

// isParked reports whether there is a definition of that name.
func (b *Book) isParked(name string) bool {
	_, err := b.parkedPairs(name)
	return err == nil
}

// canHold returns nil if a section may be written for an account. The section does not exist, is that account's already,
// or has nothing but lines of the user that were left when its profile was removed.
func canHold(doc *inifile.Document, name string, account Holder) error {
	pairs, exists, err := doc.Managed(name)
	held := HolderOf(pairs)
	switch {
	case err != nil || !exists || held.isSame(account) || isLeft(doc, name, pairs):
		return err
	case held.Name != "":
		return fmt.Errorf("%w: [%s] is one for %s", keys.ErrInUse, name, held.apartFrom(account.Name))
	}
	return errtext.Because(keys.ErrInUse, fmt.Errorf("%w: [%s] is yours", ErrUnmanaged, name))
}
