// Package names remembers the names of accounts and roles that a broker has listed, so that completions and suggestions need
// no network. Each broker and user has a file of its own in a private folder beside the credentials file. The files hold no
// secrets.
package names

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	folderName = "names"
	extension  = ".names"
	version    = "1"
	maxSize    = 16 << 20

	maxAge    = 24 * time.Hour // older names are listed again
	minAge    = time.Hour      // the same names are not written again before that
	forgetAge = 30 * 24 * time.Hour
)

// Known are the names that a broker has listed.
type Known struct {
	Listed   time.Time // zero if nothing is known
	Accounts []Account
}

// Account is an account, and the roles that the user has there.
type Account struct {
	ID, Name string
	Roles    []string
	Asked    time.Time // when the broker listed Roles; zero if it has not
}

// Find returns the account of a name or an id, or else the only one whose name differs in case alone.
func (k Known) Find(name string) (found Account, isKnown bool) {
	count := 0
	for _, a := range k.Accounts {
		switch {
		case a.ID == name, a.Name == name:
			return a, true
		case strings.EqualFold(a.Name, name):
			found = a
			count++
		}
	}
	return found, count == 1
}

// Has reports whether an account has exactly that name or id.
func (k Known) Has(name string) bool {
	return slices.ContainsFunc(k.Accounts, func(a Account) bool { return a.ID == name || a.Name == name })
}

// Roles returns the roles that the user has in any account, sorted.
func (k Known) Roles() (roles []string) {
	for _, a := range k.Accounts {
		roles = append(roles, a.Roles...)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// isFresh reports whether the accounts need not be listed again.
func (k Known) isFresh(now time.Time) bool { return isWithin(k.Listed, now, maxAge) }

// isWithin reports whether at was less than age ago. It is false for a time in the future: the clock was wrong.
func isWithin(at, now time.Time, age time.Duration) bool { return !at.After(now) && now.Sub(at) < age }

// with returns the names after the accounts were listed again. Accounts with an id keep their roles.
func (k Known) with(accounts []chaim.Account, now time.Time) Known {
	before := map[string]Account{}
	for _, a := range k.Accounts {
		before[a.ID] = a
	}
	next := Known{Listed: now}
	for _, a := range accounts {
		one := Account{ID: a.ID, Name: a.Name}
		if one.ID != "" {
			one.Roles, one.Asked = before[a.ID].Roles, before[a.ID].Asked
		}
		if one.isFit() {
			next.Accounts = append(next.Accounts, one)
		}
	}
	return next
}

// isFit reports whether chaim accepts the texts as names of accounts and roles.
func (a Account) isFit() bool {
	isOdd := func(text string) bool { return keys.CheckAccount(text) != nil }
	if a.ID != "" && !keys.IsAccountID(a.ID) {
		return false
	}
	return !isOdd(cmp.Or(a.Name, a.ID)) && !slices.ContainsFunc(a.Roles, isOdd)
}

// A file is text, because a shell waits while a completion reads it. The first line has the version, the key and the time of
// the list. The last line is a dot. Each line between them is an account: id, name, time of the roles, and roles. Tabs
// separate the fields, because no name has one.
const lastLine = "."

// render returns the text of the file for a key.
func (k Known) render(key string) []byte {
	b := fmt.Appendf(nil, "%s\t%s\t%s\n", version, key, stamp(k.Listed))
	for _, a := range k.Accounts {
		b = append(b, strings.Join(append([]string{a.ID, a.Name, stamp(a.Asked)}, a.Roles...), "\t")...)
		b = append(b, '\n')
	}
	return append(b, lastLine+"\n"...)
}

// parse reads the names in a file. Text that chaim did not write has none.
func parse(key, text string) (k Known) {
	text, isFirst := strings.CutPrefix(text, version+"\t"+key+"\t")
	text, isWhole := strings.CutSuffix(text, "\n"+lastLine+"\n")
	if !isFirst || !isWhole {
		return Known{}
	}
	lines := strings.Split(text, "\n")
	k.Listed = timeOf(lines[0])
	k.Accounts = make([]Account, 0, len(lines)-1)
	for _, line := range lines[1:] {
		fields := strings.Split(line, "\t")
		if len(fields) < 3 {
			return Known{}
		}
		a := Account{ID: fields[0], Name: fields[1], Asked: timeOf(fields[2]), Roles: fields[3:]}
		if !a.isFit() {
			return Known{}
		}
		k.Accounts = append(k.Accounts, a)
	}
	if k.Listed.IsZero() {
		return Known{}
	}
	return k
}

// stamp returns a time as text, and timeOf reads it. The zero time is "-". timeOf returns it for a text that is no time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return strconv.FormatInt(t.UnixNano(), 10)
}

func timeOf(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, n)
}

// folder returns the folder of the files. The error wraps [sharedfile.ErrNoStore] if the user chose to store nothing.
func folder() (string, error) {
	path, err := awsenv.CredentialsPath("")
	if err == nil {
		err = sharedfile.File{Path: path}.CanStore()
	}
	if err != nil {
		return "", err
	}
	beside, err := profiles.FolderBeside(path)
	return filepath.Join(beside, folderName), err
}

// read returns the names in the file at path. A file that is missing, broken or not private has none.
func read(path string) Known {
	text, err := sharedfile.ReadSide(path, maxSize)
	if err != nil {
		return Known{}
	}
	return parse(strings.TrimSuffix(filepath.Base(path), extension), string(text))
}

// write writes names into the file at path.
func write(path string, known Known) error {
	text := known.render(strings.TrimSuffix(filepath.Base(path), extension))
	err := sharedfile.CheckOwner(path)
	if len(text) > maxSize {
		err = errors.New("there are too many")
	}
	if err == nil {
		err = sharedfile.MakeSideFolder(filepath.Dir(path))
	}
	if err == nil {
		err = sharedfile.WriteCache(path, text)
	}
	if err != nil {
		return errtext.Wrap(err, "remembering the names of accounts")
	}
	return nil
}

// tempAge is longer than a write takes.
const tempAge = time.Hour

// Sweep removes files that are older than 30 days or broken, and temporary files of killed processes. It returns the paths
// of removed files.
func Sweep() (gone []string, err error) {
	dir, err := folder()
	if errors.Is(err, sharedfile.ErrNoStore) {
		return nil, nil
	}
	if err == nil {
		err = sharedfile.CheckFolder(dir)
	}
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, f := range files {
		if !f.Type().IsRegular() || !isOld(dir, f, time.Now()) {
			continue
		}
		path := filepath.Join(dir, f.Name())
		if oneErr := sharedfile.Remove(path); oneErr != nil {
			err = errors.Join(err, errtext.Wrap(oneErr, "cannot remove names of accounts"))
			continue
		}
		gone = append(gone, path)
	}
	return gone, err
}

// isOld reports whether a file of the folder is chaim's and can go.
func isOld(dir string, f fs.DirEntry, now time.Time) bool {
	if base, isTemp := sharedfile.TempFor(f.Name()); isTemp {
		info, err := f.Info()
		return err == nil && isName(base) && now.Sub(info.ModTime()) > tempAge
	}
	return isName(f.Name()) && !isWithin(read(filepath.Join(dir, f.Name())).Listed, now, forgetAge)
}

// isName reports whether chaim gives files that name.
func isName(name string) bool {
	key, isOurs := strings.CutSuffix(name, extension)
	return isOurs && len(key) == keySize && strings.Trim(key, "0123456789abcdef") == ""
}
