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

// The lengths of the parts are compared beside the rules, as counts in rules take long to compile.
var (
	markRule = lazyregexp.New(`^([A-Z2-7]+)-([0-9a-f]+)-([0-9a-f]+)$`)
	fileRule = lazyregexp.New(`^-([A-Z2-7]+)(\.lease|\.json)$`)
)

const idSize, hashSize = 26, 16

// A scope has a random id and a lease: a file named after the id, in a folder beside the credentials file. The lease is
// locked as long as the scope lives. However the process ends, the lock ends with it. The section of the scope holds the
// id, and a hash that tells whether the section is still as the scope wrote it. So every process can find and remove what
// a dead one left.

// mark is the line of a section that names the scope that wrote it.
type mark struct {
	id     string // of the scope; empty without one
	access string // hash of the id and of the keys
	place  string // hash of the identity of the folder with the lease
}

// newMark returns the mark of a scope that has its lease in folder and wrote pairs.
func newMark(id, folder string, pairs map[string]string) mark {
	return mark{id, accessHash(id, pairs), shortHash(sharedfile.Identity(folder))}
}

// copyHash tells keys in [default] that were copied there from other keys.
func copyHash(pairs map[string]string) string { return accessHash("", pairs) }

// hasCopy reports whether the keys in [default] are a copy of those of a profile.
func hasCopy(doc *inifile.Document) bool {
	pairs, err := doc.Default()
	if err != nil {
		return false
	}
	var held map[string]string
	for _, s := range doc.Sections() {
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

// isCopy reports whether the keys in [default] are a copy of those of a profile, of which held are the pairs. They are if
// chaim copied them, if the profile has the same keys, or if they are as cca writes them: temporary keys and their expiry
// beside the name of a profile, which may be gone. If they have replaced a copy of chaim's, and the profile is still there
// with other keys, they are the user's.
func isCopy(copied, held map[string]string) bool {
	_, isIntact := markOf(copied)
	id := copied["aws_access_key_id"]
	switch {
	case !inifile.HasAccess(copied):
		return false
	case isIntact || copied[inifile.CopyKey] != "" && copied[inifile.CopyKey] == copyHash(copied):
		return true
	case id == "" || keys.IsLongLived(id):
		return false
	case held[inifile.MarkerKey] != "" && held["aws_access_key_id"] == id:
		return true
	}
	_, hasExpiry := copied["expires"]
	isReplaced := copied[inifile.CopyKey] != "" && held[inifile.MarkerKey] != ""
	return inifile.DefaultName(copied) != "" && copied["aws_session_token"] != "" && hasExpiry && !isReplaced
}

func accessHash(id string, pairs map[string]string) string {
	return shortHash(id + "\n" + pairs["aws_access_key_id"] + "\n" + pairs[inifile.ProcessKey])
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// String is the value in the section.
func (m mark) String() string { return m.id + "-" + m.access + "-" + m.place }

// markOf returns the mark of a section, and whether the section still has the keys that the scope wrote.
func markOf(pairs map[string]string) (m mark, isIntact bool) {
	match := markRule().FindStringSubmatch(pairs[inifile.ScopeKey])
	if match == nil || len(match[1]) != idSize || len(match[2]) != hashSize || len(match[3]) != hashSize {
		return mark{}, false
	}
	m = mark{match[1], accessHash(match[1], pairs), match[3]}
	return m, m.String() == match[0]
}

// leases are the files of all scopes of one credentials file.
type leases struct {
	folder string // beside the credentials file, behind all links
	base   string // name of the credentials file, as a folder may have several
}

// leasesBeside returns the leases of the credentials file at path.
func leasesBeside(path string) (leases, error) {
	target, err := sharedfile.Resolve(path)
	dir, base := filepath.Split(target)
	return leases{filepath.Join(dir, folderName), base}, err
}

// path is the path of a file of a scope.
func (f leases) path(id, extension string) string {
	return filepath.Join(f.folder, f.base+"-"+id+extension)
}

// pinned returns the credentials file without its links, which may lead elsewhere by now. The leases are about scopes in
// this file only.
func (f leases) pinned(file sharedfile.File) sharedfile.File {
	file.Path = filepath.Join(filepath.Dir(f.folder), f.base)
	return file
}

// idIn returns the id in the name of a scope's file, or "" for any other file.
func (f leases) idIn(name string) string {
	rest, isOurs := strings.CutPrefix(name, f.base)
	match := fileRule().FindStringSubmatch(rest)
	if !isOurs || match == nil || len(match[1]) != idSize {
		return ""
	}
	return match[1]
}

// take opens the lease of a scope, makes it if it is missing, and locks it. If a sweep of another process removes the file
// before it is locked, take makes it again.
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
		case l == nil && err == nil && time.Since(start) < leaseTimeout: // another process is checking the lock
			continue
		case l == nil && err == nil:
			err = fmt.Errorf("another process has held it for %s", leaseTimeout)
		case err == nil:
			// A profile that lost its lease in a power cut would stay until its keys expire.
			if err = sharedfile.SyncDir(f.folder); err == nil {
				return l, nil
			}
			err = errors.Join(err, l.Remove())
		}
		return nil, errtext.Wrap(err, "cannot make lease %s", path)
	}
}

// end removes the files of a scope that has ended, and returns their paths.
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

// isDead reports whether a scope has ended, and whether its lease is there. A scope without a lease has ended. If the
// lease is not a side file of this user, that is an error, and the scope may live.
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

// isOver reports whether the scope that wrote a section has ended. Its lease may be in another folder, where a container or
// another machine has mounted the credentials file. Then the scope counts as live until its keys expire.
func (f leases) isOver(m mark, pairs map[string]string) (bool, error) {
	isDead, isThere, err := f.isDead(m.id)
	return isDead && (isThere || m.place == shortHash(sharedfile.Identity(f.folder)) || hasExpired(pairs)), err
}

// isLive reports whether a section belongs to a scope that may still run.
func (f leases) isLive(pairs map[string]string) bool {
	m, _ := markOf(pairs)
	if m.id == "" {
		return !hasExpired(pairs) // not written by a scope of chaim
	}
	isOver, _ := f.isOver(m, pairs)
	return !isOver
}

// hasExpired reports whether the keys of a section are known to have expired.
func hasExpired(pairs map[string]string) bool {
	end, isKnown := humantime.Expiry(pairs["expires"])
	return isKnown && !time.Now().Before(end)
}
