// Package lease tells live scopes from dead ones, and removes what the dead left beside and in a credentials file.
//
// A scope has a random id. In a folder beside the credentials file a lease, a file named after that id, is locked for as
// long as the scope lives; however its process ends, the lock ends with it. The section carries the id, and a hash by
// which any process can tell whether it still is what the scope wrote. So what the dead left can be found and removed without
// a record of it.
package lease

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
	pairs, err := inifile.ReadDefault(doc)
	if err != nil {
		return false
	}
	var held map[string]string
	for _, s := range inifile.Scan(doc) {
		p := s.Managed(doc)
		isSame := p[inifile.MarkerKey] != "" && p["aws_access_key_id"] == pairs["aws_access_key_id"]
		if isSame || held == nil && s.Name() == inifile.DefaultName(pairs) {
			held = p
		}
		if isSame {
			break
		}
	}
	return IsCopy(pairs, held)
}

// IsCopy reports whether what gives access in [default] is a copy of a profile's: chaim's own, the keys that stand in that
// profile, or what cca writes there: temporary keys and their expiry beside the name of a profile, which may be gone. Over
// a copy of chaim's, keys that are not the profile's are the user's.
func IsCopy(copied, held map[string]string) bool {
	_, isIntact := Of(copied)
	id := copied["aws_access_key_id"]
	switch {
	case !inifile.HasAccess(copied):
		return false
	case isIntact || copied[inifile.CopyKey] != "" && copied[inifile.CopyKey] == CopyOf(copied):
		return true
	case id == "" || IsLongLived(id):
		return false
	case held[inifile.MarkerKey] != "" && held["aws_access_key_id"] == id:
		return true
	}
	_, hasExpiry := copied["expires"]
	isOver := copied[inifile.CopyKey] != "" && held[inifile.MarkerKey] != ""
	return inifile.DefaultName(copied) != "" && copied["aws_session_token"] != "" && hasExpiry && !isOver
}

// IsLongLived reports whether an access key id is that of an IAM user.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func IsLongLived(id string) bool { return strings.HasPrefix(id, "AKIA") }

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

// pinned is the credentials file reached without its links, as they may lead elsewhere meanwhile: leases tell only of the
// scopes in this one.
func (f Files) pinned(file sharedfile.File) sharedfile.File {
	file.Path = filepath.Join(filepath.Dir(f.Folder), f.base)
	return file
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

// Take makes the lease of a scope and locks it. A sweep of another process may remove the file before it is locked: then
// it is made again.
func (f Files) Take(id string) (*sharedfile.Side, error) {
	path := f.Path(id, Extension)
	if err := sharedfile.MakeFolder(f.Folder); err != nil {
		return nil, err
	}
	if err := errors.Join(sharedfile.CheckFolder(f.Folder), sharedfile.CheckOwner(path)); err != nil {
		return nil, err
	}
	for start := time.Now(); ; <-time.After(poll) {
		l, err := sharedfile.LockSide(path, os.O_CREATE|os.O_RDWR, false)
		switch {
		case l == nil && err == nil && time.Since(start) < timeout: // another process looks whether it is locked
			continue
		case l == nil && err == nil:
			err = fmt.Errorf("another process has held it for %s", timeout)
		case err == nil:
			// After a power cut, a profile without a lease would stay until it expires.
			if err = sharedfile.SyncDir(f.Folder); err == nil {
				return l, nil
			}
			err = errors.Join(err, l.Remove())
		}
		return nil, errtext.Wrap(err, "cannot make lease %s", path)
	}
}

// end removes the files of a scope that has ended, and returns those there were.
func (f Files) end(id string) (gone []string, err error) {
	path := f.Path(id, Extension)
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
	process := f.Path(id, ProcessExtension)
	if _, err := os.Lstat(process); err != nil {
		return nil, nil
	}
	if err := sharedfile.Remove(process); err != nil {
		return nil, errtext.Wrap(err, "cannot remove what a dead process left")
	}
	return []string{process}, nil
}

// isDead reports whether the scope of an id has ended. A lease that is not there has ended, if it ever was. One that is
// not chaim's is an error, and may be live.
func (f Files) isDead(id string) (isDead, isThere bool, err error) {
	l, err := sharedfile.LockSide(f.Path(id, Extension), os.O_RDONLY, true)
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
func (f Files) isOver(s Scope, pairs map[string]string) (bool, error) {
	isDead, isThere, err := f.isDead(s.ID)
	return isDead && (isThere || s.place == shortHash(sharedfile.Identity(f.Folder)) || HasExpired(pairs)), err
}

// IsLive reports whether the section belongs to a scope that may still run.
func (f Files) IsLive(pairs map[string]string) bool {
	s, _ := Of(pairs)
	if s.ID == "" {
		return !HasExpired(pairs) // written by something else
	}
	isOver, _ := f.isOver(s, pairs)
	return !isOver
}

// HasExpired reports whether the keys of a section are known to be past their end.
func HasExpired(pairs map[string]string) bool {
	end, isKnown := humantime.Expiry(pairs["expires"])
	return isKnown && !time.Now().Before(end)
}
