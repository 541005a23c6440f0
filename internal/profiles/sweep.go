package profiles

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

// sweep removes what the dead left in and beside file, and returns that. It looks without the lock first, into doc. Then it
// cannot tell temporary files of the dead from those of a process that has the lock, and without isThorough it leaves them
// alone while there is one. What is gone when ctx ends stays gone: the next call goes on from there.
//
// It wraps [sharedfile.ErrUnsafe] where something else stands under the name of a side file, and passes over a store of
// another user.
func sweep(ctx context.Context, file sharedfile.File, doc *inifile.Document, isThorough bool) ([]Swept, error) {
	scopes, err := leasesBeside(file.Path)
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
	if err := errors.Join(lockErr, backupErr, sharedfile.CheckFolder(scopes.folder)); err != nil {
		return nil, err
	}
	hasTemps := (isThorough || !isLocked) && slices.ContainsFunc(temps, isOwnFile)
	if len(found.dead) == 0 && !isInterrupted && !hasTemps {
		gone, err := scopes.endAll(ctx, ids, found.hasProfile)
		return gone, errors.Join(found.err, err)
	}
	if _, err := file.Pinned(); err != nil { // as of a link that another user has set
		return nil, errors.Join(found.err, err)
	}
	var gone []Swept
	for isAgain := false; ; isAgain = true {
		swept, left, fileErr := scopes.sweepFile(ctx, file, notes, found)
		rest, err := scopes.endAll(ctx, ids, left.hasProfile)
		gone = slices.Concat(gone, swept, rest)
		// Scopes without a profile may have held the space that the file needs.
		if fileErr == nil || isAgain || len(rest) == 0 || errors.Is(fileErr, sharedfile.ErrLocked) {
			return gone, errors.Join(left.err, fileErr, err)
		}
		found = left
	}
}

// giveBack frees what the lease of a dead scope has set aside for the removal of its profile.
func (f leases) giveBack(p deadProfile) {
	if p.isNoted {
		return // only the lease tells of it
	}
	l, err := sharedfile.LockSide(f.path(p.id, leaseExtension), os.O_RDWR, false)
	if err != nil || l == nil {
		return // without that the removal may still work
	}
	_ = l.Discard() // the removal of the profile says what is wrong with it
}

// sweepFile removes the profiles of the dead, what must not be left beside those that stay, and temporary files. found is
// what the file held when it was last read. It returns what the file holds then.
func (f leases) sweepFile(ctx context.Context, file sharedfile.File, notes map[note]string, found scopesIn) (swept []Swept, left scopesIn, err error) {
	s := sweeping{leases: f, notes: notes, left: found}
	write := func() error { // also when ctx has ended by then
		target := f.pinned(file)
		target.IsApart = s.isFull
		return target.Edit(ctx, onDocument(s.change))
	}
	err = write()
	var files []Swept
	if s.isFull = sharedfile.IsFull(err); s.isFull || err != nil && len(s.temps) > 0 { // which may take the space that is needed
		files = s.removeTemps(ctx)
		err = write()
	}
	if err != nil {
		s.gone = nil
		for _, id := range s.over { // their profiles are still there
			s.left.hasProfile[id] = true
		}
	}
	for _, name := range s.gone {
		swept = append(swept, Swept{file.Path, name})
	}
	for _, id := range s.over {
		if path := f.path(id, processExtension); s.left.hasProfile[id] && isThere(path) { // which must not give keys
			s.temps = append(s.temps, path)
		}
	}
	files = append(files, s.removeTemps(ctx)...)
	return append(swept, files...), s.left, errors.Join(err, s.refusals)
}

// sweeping is what one sweep finds in a file, and does to it.
type sweeping struct {
	leases   leases
	notes    map[note]string
	gone     []string // profiles that were removed
	over     []string // ids of the scopes that they were of, and of those whose profiles could not be removed
	temps    []string // paths of temporary files
	left     scopesIn
	refusals error
	isFull   bool // there is no space but what the dead have set aside
}

// change removes the profiles of the dead. The temporary files that are there while it has the lock are of the dead too.
func (s *sweeping) change(doc *inifile.Document) error {
	s.refusals, s.over = nil, nil
	for _, p := range s.leases.in(doc, s.notes).dead {
		s.over = append(s.over, p.id)
		if s.isFull {
			s.leases.giveBack(p) // with the lock, so that no other program takes the space while we wait
		}
		if err := doc.Delete(p.name); err != nil {
			s.refusals = errors.Join(s.refusals, err)
			continue
		}
		if !slices.Contains(s.gone, p.name) {
			s.gone = append(s.gone, p.name)
		}
	}
	s.left = s.leases.in(doc, s.notes)
	_, s.temps = s.leases.files()
	return nil
}

// removeTemps removes temporary files, and returns those that are gone. Without time the rest is left to another sweep.
func (s *sweeping) removeTemps(ctx context.Context) (gone []Swept) {
	for i, path := range s.temps {
		if i >= leastRemoved && ctx.Err() != nil {
			break
		}
		if !isOwnFile(path) {
			continue
		}
		if err := sharedfile.Remove(path); err != nil {
			s.refusals = errors.Join(s.refusals, errtext.Wrap(err, "cannot remove what a dead process left"))
			continue
		}
		gone = append(gone, Swept{Path: path})
	}
	s.temps = nil
	return gone
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// endAll removes the files of the scopes that have ended and have no profile any more.
func (f leases) endAll(ctx context.Context, ids []string, hasProfile map[string]bool) (swept []Swept, err error) {
	refused := 0
	for _, id := range ids {
		if hasProfile[id] {
			continue
		}
		if ctx.Err() != nil {
			return swept, errtext.Wrap(errors.Join(err, context.Cause(ctx)), "not all is removed that dead processes left in %s", f.folder)
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
		err = errtext.Wrap(err, "the first of %d files that cannot be removed from %s", refused, f.folder)
	}
	return swept, err
}

// scopesIn are the profiles of scopes that a credentials file holds.
type scopesIn struct {
	dead       []deadProfile
	hasProfile map[string]bool // by the id of a scope
	err        error           // what hinders telling live ones from dead ones
}

type deadProfile struct {
	name, id string
	isNoted  bool // only the note of its scope tells
}

// in finds the profiles of scopes in doc: by their marks, and by the notes of the dead.
func (f leases) in(doc *inifile.Document, notes map[note]string) scopesIn {
	found := scopesIn{hasProfile: map[string]bool{}}
	sections := doc.Sections()
	for i := range sections {
		section := &sections[i]
		if !section.MayHave(inifile.ScopeKey) && (len(notes) == 0 || !section.MayHave(inifile.MarkerKey)) {
			continue
		}
		pairs := section.Managed()
		m, isIntact := markOf(pairs)
		if !isIntact {
			if id := notes[note{section.Name(), pairs[inifile.MarkerKey]}]; id != "" && isRenewed(pairs) {
				found.hasProfile[id] = true
				found.dead = append(found.dead, deadProfile{section.Name(), id, true})
			}
			continue
		}
		found.hasProfile[m.id] = true
		isOver, err := f.isOver(m, pairs)
		if isOver {
			found.dead = append(found.dead, deadProfile{section.Name(), m.id, false})
		}
		if errors.Is(err, sharedfile.ErrUnsafe) && found.err == nil {
			found.err = err
		}
	}
	return found
}

// files lists the scopes that have files, live or not, and the paths of temporary files.
func (f leases) files() (ids, temps []string) {
	isListed := map[string]bool{}
	for _, dir := range []string{filepath.Dir(f.folder), f.folder} {
		entries, _ := os.ReadDir(dir) // what cannot be listed holds nothing of ours
		for _, e := range entries {
			name, isTemp := sharedfile.TempFor(e.Name())
			if !isTemp {
				name = e.Name()
			}
			id := f.idIn(name)
			switch isOurs := dir == f.folder && id != "" || dir != f.folder && isTemp && name == f.base; {
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
