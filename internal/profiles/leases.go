package profiles

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	folderName       = "chaim"
	leaseExtension   = ".lease"
	processExtension = ".json"

	leaseTimeout = 10 * time.Second
	leasePoll    = time.Millisecond
)

var (
	markRule = lazyregexp.New(`^([A-Z2-7]{26})-[0-9a-f]{16}-([0-9a-f]{16})$`)
	fileRule = lazyregexp.New(`^-([A-Z2-7]{26})(\.lease|\.json)$`)
)

// A scope has a random id. In a folder beside the credentials file a lease, a file named after that id, is locked for as
// long as the scope lives; however its process ends, the lock ends with it. The section carries the id, and a hash by
// which any process can tell whether it still is what the scope wrote. So what the dead left can be found and removed without
// a record of it.

// mark is what a section tells of the scope that wrote it.
type mark struct {
	id     string // empty if none did
	access string // hash of the id and of what gives access
	place  string // hash of what tells the folder of the lease from others
}

// newMark is the mark of the scope of an id with a lease in folder, which wrote pairs.
func newMark(id, folder string, pairs map[string]string) mark {
	return mark{id, accessHash(id, pairs), shortHash(sharedfile.Identity(folder))}
}

// copyOf is what tells whether keys in [default] are still the ones that were copied there for good.
func copyOf(pairs map[string]string) string { return accessHash("", pairs) }

// hasCopy reports whether what gives access in [default] is a copy of a profile's.
func hasCopy(doc *inifile.Document) bool {
	pairs, err := doc.Default()
	if err != nil {
		return false
	}
	var held map[string]string
	sections := doc.Sections()
	for i := range sections {
		s := &sections[i]
		isNamed := held == nil && s.Name() == inifile.DefaultName(pairs)
		if !isNamed && !s.MayHave(inifile.MarkerKey) {
			continue
		}
		p := s.Managed()
		isSame := p[inifile.MarkerKey] != "" && p["aws_access_key_id"] == pairs["aws_access_key_id"]
		if isSame || isNamed {
			held = p
		}
		if isSame {
			break
		}
	}
	return isCopy(pairs, held)
}

// isCopy reports whether what gives access in [default] is a copy of a profile's: chaim's own, the keys that stand in that
// profile, or what cca writes there: temporary keys and their expiry beside the name of a profile, which may be gone. Over
// a copy of chaim's, keys that are not the profile's are the user's.
func isCopy(copied, held map[string]string) bool {
	_, isIntact := markOf(copied)
	id := copied["aws_access_key_id"]
	switch {
	case !inifile.HasAccess(copied):
		return false
	case isIntact || copied[inifile.CopyKey] != "" && copied[inifile.CopyKey] == copyOf(copied):
		return true
	case id == "" || keys.IsLongLived(id):
		return false
	case held[inifile.MarkerKey] != "" && held["aws_access_key_id"] == id:
		return true
	}
	_, hasExpiry := copied["expires"]
	isOver := copied[inifile.CopyKey] != "" && held[inifile.MarkerKey] != ""
	return inifile.DefaultName(copied) != "" && copied["aws_session_token"] != "" && hasExpiry && !isOver
}

func accessHash(id string, pairs map[string]string) string {
	return shortHash(id + "\n" + pairs["aws_access_key_id"] + "\n" + pairs[inifile.ProcessKey])
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// String is what stands in the section.
func (m mark) String() string { return m.id + "-" + m.access + "-" + m.place }

// markOf returns the mark of a section, and whether the section is still as its scope wrote it.
func markOf(pairs map[string]string) (m mark, isIntact bool) {
	match := markRule().FindStringSubmatch(pairs[inifile.ScopeKey])
	if match == nil {
		return mark{}, false
	}
	m = mark{match[1], accessHash(match[1], pairs), match[2]}
	return m, m.String() == match[0]
}

// leases are the files of all scopes of one credentials file.
type leases struct {
	folder string // beside the file that the credentials are really in
	base   string // name of that, as two of them may be in one folder
}

// leasesBeside returns those of the credentials file of that path.
func leasesBeside(path string) (leases, error) {
	target, err := sharedfile.Resolve(path)
	dir, base := filepath.Split(target)
	return leases{filepath.Join(dir, folderName), base}, err
}

// path is that of a file of a scope.
func (f leases) path(id, extension string) string {
	return filepath.Join(f.folder, f.base+"-"+id+extension)
}

// pinned is the credentials file reached without its links, as they may lead elsewhere meanwhile: leases tell only of the
// scopes in this one.
func (f leases) pinned(file sharedfile.File) sharedfile.File {
	file.Path = filepath.Join(filepath.Dir(f.folder), f.base)
	return file
}

// idIn returns the id of the scope that the name of a file is made of, or "".
func (f leases) idIn(name string) string {
	rest, isOurs := strings.CutPrefix(name, f.base)
	match := fileRule().FindStringSubmatch(rest)
	if !isOurs || match == nil {
		return ""
	}
	return match[1]
}

// take makes the lease of a scope and locks it. A sweep of another process may remove the file before it is locked: then
// it is made again.
func (f leases) take(id string) (*sharedfile.Side, error) {
	path := f.path(id, leaseExtension)
	if err := sharedfile.MakeFolder(f.folder); err != nil {
		return nil, err
	}
	if err := errors.Join(sharedfile.CheckFolder(f.folder), sharedfile.CheckOwner(path)); err != nil {
		return nil, err
	}
	for start := time.Now(); ; <-time.After(leasePoll) {
		l, err := sharedfile.LockSide(path, os.O_CREATE|os.O_RDWR, false)
		switch {
		case l == nil && err == nil && time.Since(start) < leaseTimeout: // another process looks whether it is locked
			continue
		case l == nil && err == nil:
			err = fmt.Errorf("another process has held it for %s", leaseTimeout)
		case err == nil:
			// After a power cut, a profile without a lease would stay until it expires.
			if err = sharedfile.SyncDir(f.folder); err == nil {
				return l, nil
			}
			err = errors.Join(err, l.Remove())
		}
		return nil, errtext.Wrap(err, "cannot make lease %s", path)
	}
}

// end removes the files of a scope that has ended, and returns those there were.
func (f leases) end(id string) (gone []string, err error) {
	path := f.path(id, leaseExtension)
	l, err := sharedfile.LockSide(path, os.O_RDWR, false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case l == nil:
		return nil, nil // it lives, or another process is ending it
	default:
		defer func() {
			removeErr := l.Remove()
			if err = errors.Join(err, removeErr); removeErr == nil {
				gone = append(gone, path)
			}
		}()
	}
	process := f.path(id, processExtension)
	if _, err := os.Lstat(process); err != nil {
		return nil, nil
	}
	if err := sharedfile.Remove(process); err != nil {
		return nil, errtext.Wrap(err, "cannot remove what a dead process left")
	}
	return []string{process}, nil
}

// isDead reports whether the scope of an id has ended. A scope without a lease has ended. A lease
// that is not chaim's is an error, and may be live.
func (f leases) isDead(id string) (isDead, isThere bool, err error) {
	l, err := sharedfile.LockSide(f.path(id, leaseExtension), os.O_RDONLY, true)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, false, nil
	case err != nil, l == nil:
		return false, true, err
	}
	return true, true, l.Close()
}

// isOver reports whether the scope that wrote a section has ended. In doubt it has not: its lease may be in another
// folder, where a container or another machine has mounted the credentials file, and then only the end of the keys tells.
func (f leases) isOver(m mark, pairs map[string]string) (bool, error) {
	isDead, isThere, err := f.isDead(m.id)
	return isDead && (isThere || m.place == shortHash(sharedfile.Identity(f.folder)) || hasExpired(pairs)), err
}

// isLive reports whether the section belongs to a scope that may still run.
func (f leases) isLive(pairs map[string]string) bool {
	m, _ := markOf(pairs)
	if m.id == "" {
		return !hasExpired(pairs) // written by something else
	}
	isOver, _ := f.isOver(m, pairs)
	return !isOver
}

// hasExpired reports whether the keys of a section are known to be past their end.
func hasExpired(pairs map[string]string) bool {
	end, isKnown := humantime.Expiry(pairs["expires"])
	return isKnown && !time.Now().Before(end)
}
