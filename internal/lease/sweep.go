package lease

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// leastRemoved is how many temporary files a sweep looks at even without time, which the listing of very many may have used
// up: so each sweep comes on.
const leastRemoved = 1000

// Swept is one thing that is gone.
type Swept struct {
	Path    string // the file that was removed, or the credentials file
	Profile string // the profile that was removed from it; empty for a file
}

// Sweep removes what the dead left in and beside file, and returns that. It looks without the lock first, into doc. Then it
// cannot tell temporary files of the dead from those of a process that has the lock, and without isThorough it leaves them
// alone while there is one. What is gone when ctx ends stays gone: the next call goes on from there.
//
// It wraps [sharedfile.ErrUnsafe] where something else stands under the name of a side file, and passes over a store of
// another user.
func Sweep(ctx context.Context, file sharedfile.File, doc []byte, isThorough bool) ([]Swept, error) {
	scopes, err := Beside(file.Path)
	if err != nil {
		return nil, err
	}
	ids, temps := scopes.files()
	notes := scopes.notes(doc, ids)
	found := scopes.in(doc, notes)
	target := scopes.pinned(file)
	if err := sharedfile.CheckOwner(target.Path); err != nil {
		if len(found.dead) > 0 {
			return nil, err
		}
		return nil, nil
	}
	isLocked, lockErr := target.IsLocked()
	isInterrupted, backupErr := target.IsInterrupted()
	if err := errors.Join(lockErr, backupErr, sharedfile.CheckFolder(scopes.Folder)); err != nil {
		return nil, err
	}
	var gone []Swept
	if len(found.dead) > 0 || isInterrupted || (isThorough || !isLocked) && slices.ContainsFunc(temps, isOwnFile) {
		var err error
		if gone, found, err = scopes.sweepFile(ctx, file, notes); err != nil {
			found.err = errors.Join(found.err, err)
			if !sharedfile.IsFull(err) {
				return gone, found.err
			}
		}
	}
	rest, err := scopes.endAll(ctx, ids, found.hasProfile)
	return append(gone, rest...), errors.Join(found.err, err)
}

// sweepFile removes the profiles of the dead, what must not be left beside those that stay, and temporary files. It returns
// what the file holds then.
func (f Files) sweepFile(ctx context.Context, file sharedfile.File, notes map[Note]string) (swept []Swept, left profiles, err error) {
	var gone, over, temps []string
	var refusals error
	isGone := map[string]bool{}
	remove := func(doc []byte) ([]byte, error) {
		refusals, over = nil, nil
		for _, p := range f.in(doc, notes).dead {
			after, err := inifile.Delete(doc, p.name)
			over = append(over, p.id)
			switch {
			case err != nil:
				refusals = errors.Join(refusals, err)
				continue
			case !isGone[p.name]:
				gone = append(gone, p.name)
			}
			doc, isGone[p.name] = after, true
		}
		left = f.in(doc, notes)
		_, temps = f.files() // of which a process that dies from now on leaves others
		return doc, nil
	}
	if _, err := file.Pinned(); err != nil { // as of a link that another user has set
		return nil, left, err
	}
	err = f.pinned(file).Erase(ctx, remove, inifile.Blank(remove))
	switch {
	case sharedfile.IsFull(err): // the profiles keep their leases, by which they are known later
		gone = nil
		for _, id := range over {
			left.hasProfile[id] = true
		}
	case err != nil:
		return nil, left, err
	}
	for _, name := range gone {
		swept = append(swept, Swept{file.Path, name})
	}
	for _, id := range over {
		if path := f.Path(id, ProcessExtension); left.hasProfile[id] && isThere(path) { // which must not give keys
			temps = append(temps, path)
		}
	}
	for i, path := range temps {
		if i >= leastRemoved && ctx.Err() != nil {
			break // the rest is left to another sweep
		}
		if !isOwnFile(path) {
			continue
		}
		if removeErr := sharedfile.Remove(path); removeErr != nil {
			refusals = errors.Join(refusals, errtext.Wrap(removeErr, "cannot remove what a dead process left"))
			continue
		}
		swept = append(swept, Swept{Path: path})
	}
	return swept, left, errors.Join(err, refusals)
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// endAll removes the files of the scopes that have ended and have no profile any more.
func (f Files) endAll(ctx context.Context, ids []string, hasProfile map[string]bool) (swept []Swept, err error) {
	refused := 0
	for _, id := range ids {
		if hasProfile[id] {
			continue
		}
		if ctx.Err() != nil {
			return swept, errtext.Wrap(errors.Join(err, context.Cause(ctx)), "not all is removed that dead processes left in %s", f.Folder)
		}
		gone, endErr := f.end(id)
		for _, path := range gone {
			swept = append(swept, Swept{Path: path})
		}
		if endErr != nil {
			refused++
		}
		if refused == 1 && err == nil {
			err = endErr
		}
	}
	if refused > 1 {
		err = errtext.Wrap(err, "the first of %d files that cannot be removed from %s", refused, f.Folder)
	}
	return swept, err
}

// profiles are those of scopes that a credentials file holds.
type profiles struct {
	dead       []profile
	hasProfile map[string]bool // by the id of a scope
	err        error           // what hinders telling live ones from dead ones
}

type profile struct{ name, id string }

// in finds the profiles of scopes in doc: by their marks, and by the notes of the dead.
func (f Files) in(doc []byte, notes map[Note]string) profiles {
	found := profiles{hasProfile: map[string]bool{}}
	for _, section := range inifile.Scan(doc) {
		if !section.MayHave(doc, inifile.ScopeKey) && (len(notes) == 0 || !section.MayHave(doc, inifile.MarkerKey)) {
			continue
		}
		pairs := section.Managed(doc)
		s, isIntact := Of(pairs)
		if !isIntact {
			if id := notes[Note{section.Name(), pairs[inifile.MarkerKey]}]; id != "" && isRenewed(pairs) {
				found.hasProfile[id] = true
				found.dead = append(found.dead, profile{section.Name(), id})
			}
			continue
		}
		found.hasProfile[s.ID] = true
		isOver, err := f.isOver(s, pairs)
		if isOver {
			found.dead = append(found.dead, profile{section.Name(), s.ID})
		}
		if errors.Is(err, sharedfile.ErrUnsafe) && found.err == nil {
			found.err = err
		}
	}
	return found
}

// files lists the scopes that have files, live or not, and the paths of temporary files.
func (f Files) files() (ids, temps []string) {
	isListed := map[string]bool{}
	for _, dir := range []string{filepath.Dir(f.Folder), f.Folder} {
		entries, _ := os.ReadDir(dir) // what cannot be listed holds nothing of ours
		for _, e := range entries {
			name, isTemp := sharedfile.TempFor(e.Name())
			if !isTemp {
				name = e.Name()
			}
			id := f.idIn(name)
			switch isOurs := dir == f.Folder && id != "" || dir != f.Folder && isTemp && name == f.base; {
			case isOurs && isTemp:
				temps = append(temps, filepath.Join(dir, e.Name()))
			case isOurs && !isTemp && !isListed[id]:
				isListed[id] = true
				ids = append(ids, id)
			}
		}
	}
	return ids, temps
}

// isOwnFile reports whether a temporary file can be one that this user's processes left. It is asked of those to be removed
// only, as that takes longer than to list them.
func isOwnFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && sharedfile.IsOwnFile(info)
}
