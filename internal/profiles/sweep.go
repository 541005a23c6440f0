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

// leastRemoved is how many temporary files a sweep looks at even if its time is over. Listing very many files may take
// all of that time, and still each sweep must get further.
const leastRemoved = 1000

// Swept is a file or a profile that a sweep removed.
type Swept struct {
	Path    string // of the file, or of the credentials file that had the profile
	Profile string // empty for a file
}

// sweep removes what dead processes left in file and beside it, and returns that. First it looks at doc without the lock.
// Then it cannot tell the temporary files of the dead from those of a process that has the lock. So without isThorough it
// leaves temporary files alone while the lock is held. If ctx ends, the next call continues.
//
// The error wraps [sharedfile.ErrUnsafe] if a side file is not one of this user. A credentials file that this user may not
// write is left alone. It is an error only if dead scopes have profiles in it.
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
	if _, err := file.Pinned(); err != nil { // as for a link that another user has set
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

// giveBack frees the space that a dead scope has set aside for the removal of its profile.
func (f leases) giveBack(p deadProfile) {
	if p.isNoted {
		return // without its lease no sweep would find the profile
	}
	l, err := sharedfile.LockSide(f.path(p.id, leaseExtension), os.O_RDWR, false)
	if err != nil || l == nil {
		return // the removal may work without the space
	}
	_ = l.Discard() // the removal of the profile reports what fails
}

// sweepFile removes the profiles of the dead, the temporary files, and the process files of profiles that could not be
// removed. found is what the file held when it was last read, and left is what it holds now.
func (f leases) sweepFile(ctx context.Context, file sharedfile.File, notes map[note]string, found scopesIn) (swept []Swept, left scopesIn, err error) {
	s := sweeping{leases: f, notes: notes, left: found}
	write := func() error { // even if ctx has ended, change finds the temporary files
		target := f.pinned(file)
		target.IsApart = s.isFull
		return target.Edit(ctx, onDocument(s.change))
	}
	err = write()
	var files []Swept
	if s.isFull = sharedfile.IsFull(err); s.isFull || err != nil && len(s.temps) > 0 { // they may take the space that is needed
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
		if s.left.hasProfile[id] { // its process file must not give keys any more
			s.temps = append(s.temps, f.path(id, processExtension))
		}
	}
	files = append(files, s.removeTemps(ctx)...)
	return append(swept, files...), s.left, errors.Join(err, s.refusals)
}

// sweeping is what one sweep has found in a file, and has done to it.
type sweeping struct {
	leases   leases
	notes    map[note]string
	gone     []string // profiles that were removed
	over     []string // ids of the dead scopes that had a profile, removed or not
	temps    []string // paths of temporary files
	left     scopesIn
	refusals error // of what could not be removed
	isFull   bool  // the disk has no space but what dead scopes have set aside
}

// change removes the profiles of the dead. Temporary files that are there while this edit has the lock are of the dead too.
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

// removeTemps removes temporary files, and returns those that it removed. If ctx ends, it leaves the rest to another sweep.
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

// scopesIn are the profiles of scopes in a credentials file.
type scopesIn struct {
	dead       []deadProfile
	hasProfile map[string]bool // by the id of a scope
	err        error           // of a lease that is unsafe, so that its scope may live
}

type deadProfile struct {
	name, id string
	isNoted  bool // only the note of the scope tells that the profile is its own
}

// in finds the profiles of scopes in doc: by their marks, and by the notes of dead scopes.
func (f leases) in(doc *inifile.Document, notes map[note]string) scopesIn {
	found := scopesIn{hasProfile: map[string]bool{}}
	for _, section := range doc.Sections() {
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
		entries, _ := os.ReadDir(dir) // an unreadable folder counts as empty
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

// isOwnFile reports whether a temporary file may be one of a process of this user. That takes longer than listing the
// file, so it is asked only for files to be removed.
func isOwnFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && sharedfile.IsOwnFile(info)
}
