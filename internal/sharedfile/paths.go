package sharedfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/chaim-go/chaim/internal/errtext"
)

const maxLinks = 8

// isMissing reports whether err means that a file is not there, or that a folder of its path is a file, such as /dev/null.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Resolve follows the symbolic links of a path, even to a file that does not exist yet. An edit replaces the file there, and
// the links stay.
func Resolve(path string) (string, error) {
	target, _, err := follow(path)
	return target, err
}

// leadsTo reports whether a link leads to the path in its text. The link of an open file, such as /dev/fd/63 of a shell, may
// have a text that is no path.
func leadsTo(path, text string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return true // the file does not exist yet
	}
	there, err := os.Stat(text)
	return err == nil && os.SameFile(info, there)
}

// follow is Resolve, and also returns the links on the way.
func follow(path string) (target string, links []string, err error) {
	start := path
	for range maxLinks {
		// Not cleaned: if a is a link, "a/../b" is not "b".
		dir, base := filepath.Split(path)
		dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
		if isMissing(err) {
			return path, links, nil
		}
		if err != nil {
			return "", nil, errtext.Wrap(err, "cannot resolve %s", path)
		}
		path = filepath.Join(dir, base)
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, links, nil
		}
		if err := checkLink(path, info); err != nil {
			return "", nil, err
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", nil, errtext.Wrap(err, "cannot resolve %s", path)
		}
		if !filepath.IsAbs(link) {
			link = dir + string(filepath.Separator) + link
		}
		if !leadsTo(path, link) {
			return path, links, nil
		}
		links, path = append(links, path), link
	}
	return "", nil, refusal(start, fmt.Sprintf("cannot resolve %s: more than %d symbolic links", start, maxLinks), syscall.ELOOP)
}

func (f File) follow() (target string, links []string, err error) {
	if f.Unknown != nil {
		return "", nil, f.Unknown
	}
	return follow(f.Path)
}

// ErrNoStore means that nothing can be stored under a path, because a device, a pipe or a folder is there.
var ErrNoStore = errors.New("chaim: no place to store in")

// CanStore returns nil for a regular file and for a missing one. Under any other path nothing can be stored: the error is
// [ErrNoStore], and says what to do.
func (f File) CanStore() error {
	target, _, err := f.follow()
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return noStore(f.Path, "whose folder is a file", syscall.ENOTDIR)
	case err == nil && !info.Mode().IsRegular():
		return noStore(f.Path, "which is "+kindOf(info)+" and not a regular file", syscall.EINVAL)
	}
	return nil // the write itself reports all else
}

func noStore(path, why string, kind error) error {
	text := fmt.Sprintf("chaim: nothing can be stored in %s, %s: name a file in AWS_SHARED_CREDENTIALS_FILE, or use keys without a profile", path, why)
	return errtext.Chain(text, ErrNoStore, &fs.PathError{Op: "write", Path: path, Err: kind})
}
