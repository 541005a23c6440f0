// Package lease tells live scopes from dead ones, and removes what the dead left beside and in a credentials file.
//
// A scope has a random id. In a folder beside the credentials file a lease, a file named after that id, is locked for as
// long as the scope lives; however its process ends, the lock ends with it. The section carries the id, and a hash by
// which anybody can tell whether it still is what the scope wrote. So what the dead left can be found and removed without
// a record of it.
package lease

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	folderName       = "chaim"
	Extension        = ".lease"
	ProcessExtension = ".json"

	timeout = 10 * time.Second
	poll    = time.Millisecond
)

var (
	markRule = lazyregexp.New(`^([A-Z2-7]{26})-[0-9a-f]{16}-([0-9a-f]{16})$`)
	fileRule = lazyregexp.New(`^-([A-Z2-7]{26})(\.lease|\.json)$`)
)

// Scope is what a section tells of the scope that wrote it.
type Scope struct {
	ID     string // empty if none did
	access string // hash of the id and of what gives access
	place  string // hash of what tells the folder of the lease from others
}

// New is the scope of an id with a lease in folder, which wrote pairs.
func New(id, folder string, pairs map[string]string) Scope {
	return Scope{id, accessHash(id, pairs), shortHash(sharedfile.Identity(folder))}
}

// CopyOf is what tells whether keys in [default] are still the ones that were copied there for good.
func CopyOf(pairs map[string]string) string { return accessHash("", pairs) }

// HasCopy reports whether what gives access in [default] is a copy of a profile's.
func HasCopy(doc []byte) bool {
	pairs, _, err := inifile.ReadManaged(doc, inifile.DefaultSection)
	if err != nil || !inifile.HasAccess(pairs) {
		return false
	}
	_, isIntact := Of(pairs)
	if isIntact || pairs[inifile.CopyKey] != "" {
		return isIntact || pairs[inifile.CopyKey] == CopyOf(pairs)
	}
	// Other tools leave no mark.
	held, _, err := inifile.ReadManaged(doc, inifile.DefaultName(pairs))
	return err == nil && held[inifile.MarkerKey] != "" && held["aws_access_key_id"] == pairs["aws_access_key_id"]
}

func accessHash(id string, pairs map[string]string) string {
	return shortHash(id + "\n" + pairs["aws_access_key_id"] + "\n" + pairs[inifile.ProcessKey])
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// String is the mark that the section carries.
func (s Scope) String() string { return s.ID + "-" + s.access + "-" + s.place }

// Of returns the scope of a section, and whether the section is still as that wrote it.
func Of(pairs map[string]string) (s Scope, isIntact bool) {
	match := markRule().FindStringSubmatch(pairs[inifile.ScopeKey])
	if match == nil {
		return Scope{}, false
	}
	s = Scope{match[1], accessHash(match[1], pairs), match[2]}
	return s, s.String() == match[0]
}

// Files are the files of all scopes of one credentials file.
type Files struct {
	Folder string // beside the file that the credentials are really in
	base   string // name of that, as two of them may be in one folder
}

// Beside returns those of the credentials file of that path.
func Beside(path string) (Files, error) {
	target, err := sharedfile.Resolve(path)
	dir, base := filepath.Split(target)
	return Files{filepath.Join(dir, folderName), base}, err
}

// Path is that of a file of a scope.
func (f Files) Path(id, extension string) string {
	return filepath.Join(f.Folder, f.base+"-"+id+extension)
}

// idIn returns the id of the scope that the name of a file is made of, or "".
func (f Files) idIn(name string) string {
	rest, isOurs := strings.CutPrefix(name, f.base)
	match := fileRule().FindStringSubmatch(rest)
	if !isOurs || match == nil {
		return ""
	}
	return match[1]
}

// Take makes the lease of a scope and locks it. The caller has the lock of the credentials file, and so nobody
// sweeps between the two.
func (f Files) Take(id string) (*flock.Flock, error) {
	path := f.Path(id, Extension)
	if err := sharedfile.MakeFolder(f.Folder); err != nil {
		return nil, err
	}
	if err := sharedfile.CheckOwner(path); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	l := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	// Somebody may be looking whether it is locked.
	_, err := l.TryLockContext(ctx, poll)
	if err == nil {
		err = os.Chmod(path, 0o600) // whatever the umask
	}
	if err == nil {
		// After a power cut, a profile without a lease would stay until it expires.
		err = sharedfile.SyncDir(f.Folder)
	}
	if err != nil {
		return nil, errors.Join(errtext.Wrap(err, "cannot make lease %s", path), l.Close(), sharedfile.Remove(path))
	}
	return l, nil
}

// end removes the files of a scope that has ended, and returns those there were.
func (f Files) end(id string) (gone []string, err error) {
	lease, process := f.Path(id, Extension), f.Path(id, ProcessExtension)
	l := flock.New(lease, flock.SetFlag(os.O_RDWR))
	isFree, err := l.TryLock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, errtext.Wrap(err, "cannot lock lease %s", lease)
	case !isFree:
		return nil, nil // somebody else is ending it
	}
	for _, path := range []string{process, lease} {
		if _, err := os.Lstat(path); err == nil {
			gone = append(gone, path)
		}
	}
	if err := errors.Join(sharedfile.Remove(process), sharedfile.RemoveLocked(l)); err != nil {
		return nil, errtext.Wrap(err, "cannot remove what a dead process left")
	}
	return gone, nil
}

// isDead reports whether the scope of an id has ended. A lease that is not there has ended, if it ever was.
func (f Files) isDead(id string) (isDead, isThere bool) {
	l := flock.New(f.Path(id, Extension), flock.SetFlag(os.O_RDWR))
	isFree, err := l.TryRLock()
	if errors.Is(err, fs.ErrNotExist) {
		return true, false
	}
	return errors.Join(err, l.Close()) == nil && isFree, true
}

// isOver reports whether the scope that wrote a section has ended. In doubt it has not: its lease may be in another
// folder, where a container or another machine has mounted the credentials file, and then only the end of the keys tells.
func (f Files) isOver(s Scope, pairs map[string]string) bool {
	isDead, isThere := f.isDead(s.ID)
	return isDead && (isThere || s.place == shortHash(sharedfile.Identity(f.Folder)) || hasExpired(pairs))
}

// IsLive reports whether the section belongs to a scope that may still run.
func (f Files) IsLive(pairs map[string]string) bool {
	s, _ := Of(pairs)
	if s.ID == "" {
		return !hasExpired(pairs) // written by something else
	}
	return !f.isOver(s, pairs)
}

// Swept is one thing that is gone.
type Swept struct {
	Path    string // the file that was removed, or the credentials file
	Profile string // the profile that was removed from it; empty for a file
}

// Sweep removes what the dead left in and beside file, and returns that. It looks without the lock first, into doc. Then it
// cannot tell temporary files of the dead from those of whoever has the lock, and without isThorough it leaves them to
// that.
func Sweep(ctx context.Context, file sharedfile.File, doc []byte, isThorough bool) ([]Swept, error) {
	scopes, err := Beside(file.Path)
	if err != nil {
		return nil, err
	}
	withTemps := isThorough || !file.IsLocked()
	if scopes.remains(doc, withTemps).isEmpty() && !file.IsInterrupted() {
		return nil, nil
	}

	var gone []string
	var dead, left remains
	var refusals error
	remove := func(doc []byte) (_ []byte, err error) {
		refusals = nil
		dead = scopes.remains(doc, true)
		for _, name := range dead.profiles {
			after, err := inifile.Delete(doc, name)
			if err != nil {
				refusals = errors.Join(refusals, err)
				continue
			}
			doc = after
			if !slices.Contains(gone, name) {
				gone = append(gone, name)
			}
		}
		left = scopes.remains(doc, true)
		return doc, nil
	}
	err = file.Erase(ctx, remove, inifile.Blank(remove))
	switch {
	case sharedfile.IsFull(err): // the profiles keep their leases, by which they are known later
		gone, left.ids, refusals = nil, dead.ids, errors.Join(err, refusals)
	case err != nil:
		return nil, err
	}
	var swept []Swept
	for _, name := range gone {
		swept = append(swept, Swept{file.Path, name})
	}
	var paths []string
	for _, id := range dead.over { // whose profiles stay, which must not give keys
		path := scopes.Path(id, ProcessExtension)
		if _, err := os.Lstat(path); err == nil && !slices.Contains(left.ids, id) {
			left.temps = append(left.temps, path)
		}
	}
	for _, id := range left.ids {
		files, err := scopes.end(id)
		paths, refusals = append(paths, files...), errors.Join(refusals, err)
	}
	for _, path := range left.temps { // of which nobody makes another of the same name
		if err := sharedfile.Remove(path); err != nil {
			refusals = errors.Join(refusals, errtext.Wrap(err, "cannot remove what a dead process left"))
			continue
		}
		paths = append(paths, path)
	}
	for _, path := range paths {
		swept = append(swept, Swept{Path: path})
	}
	return swept, refusals
}

// remains are what the dead left.
type remains struct {
	profiles []string
	over     []string // ids of the scopes that those are of
	ids      []string // of scopes that have files, and no profile any more
	temps    []string // paths
}

func (r remains) isEmpty() bool { return len(r.profiles)+len(r.ids)+len(r.temps) == 0 }

func (f Files) remains(doc []byte, withTemps bool) remains {
	var r remains
	hasProfile := map[string]bool{}
	for _, section := range inifile.Scan(doc) {
		if !section.HasScope(doc) {
			continue
		}
		pairs := section.Managed(doc)
		s, isIntact := Of(pairs)
		if !isIntact {
			continue
		}
		hasProfile[s.ID] = true
		if f.isOver(s, pairs) {
			r.profiles, r.over = append(r.profiles, section.Name()), append(r.over, s.ID)
		}
	}
	for _, dir := range []string{filepath.Dir(f.Folder), f.Folder} {
		entries, _ := os.ReadDir(dir) // what cannot be listed holds nothing of ours
		for _, e := range entries {
			name, isTemp := sharedfile.TempFor(e.Name())
			if !isTemp {
				name = e.Name()
			}
			id := f.idIn(name)
			switch isOurs := dir == f.Folder && id != "" || dir != f.Folder && isTemp && name == f.base; {
			case isOurs && isTemp && withTemps:
				r.temps = append(r.temps, filepath.Join(dir, e.Name()))
			case isOurs && !isTemp && !hasProfile[id] && !slices.Contains(r.ids, id):
				if isDead, _ := f.isDead(id); isDead {
					r.ids = append(r.ids, id)
				}
			}
		}
	}
	return r
}

// hasExpired reports whether the keys of a section are known to be past their end.
func hasExpired(pairs map[string]string) bool {
	end, isKnown := humantime.Instant(pairs["expires"])
	return isKnown && !time.Now().Before(end)
}
