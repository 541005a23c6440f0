package sharedfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/chaim-go/chaim/internal/errtext"
)

const maxLinks = 8

// snapshot is a file as it was at one moment; info is nil for a missing file.
type snapshot struct {
	info fs.FileInfo
	text []byte
	held *os.File // on which writers wait; may be nil
	busy bool     // somebody has the file open for writing
}

func (s *snapshot) release() {
	if s.held != nil {
		_ = s.held.Close() // only read from
		s.held = nil
	}
}

func (s *snapshot) equal(t snapshot) bool {
	if s.info == nil || t.info == nil {
		return s.info == t.info
	}
	return SameVersion(s.info, t.info) && bytes.Equal(s.text, t.text)
}

// SameVersion reports whether a file looks as if nobody has written it or put another in its place between a and b.
func SameVersion(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func takeSnapshot(path string) (snapshot, error) { return readFile(path, false, false) }

// holdSnapshot also makes programs that would write the file wait, where the system can do that, until release.
func holdSnapshot(path string, isOwn bool) (snapshot, error) { return readFile(path, true, isOwn) }

func readFile(path string, holding, isOwn bool) (s snapshot, err error) {
	defer func() {
		if err != nil {
			s.release()
			if s = (snapshot{}); !errors.Is(err, ErrUnsafe) {
				err = errtext.Wrap(err, "cannot read %s", path)
			}
		}
	}()
	f, err := OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if isOwn {
		if err := checkOwn(f, path); err != nil {
			return s, errors.Join(err, f.Close())
		}
	}
	if holding {
		var isHeld bool
		if isHeld, s.busy = holdOffWriters(f); isHeld {
			s.held = f
		}
	}
	if s.held == nil {
		defer f.Close()
	}
	if s.info, err = f.Stat(); err != nil {
		return s, err
	}
	if s.info.Size() > maxReadSize {
		return s, tooLarge(path, maxReadSize)
	}
	text := bytes.NewBuffer(make([]byte, 0, s.info.Size()+bytes.MinRead))
	if _, err := text.ReadFrom(io.LimitReader(f, maxReadSize+1)); err != nil {
		return s, err
	}
	s.text = text.Bytes()
	if len(s.text) > maxReadSize {
		return s, tooLarge(path, maxReadSize)
	}
	return s, nil
}

// OpenRegular opens a file of the user's for reading, by whatever links. It waits for nothing: what is not a regular file is
// refused.
func OpenRegular(path string) (*os.File, error) {
	// Looked at first, because opening a device may do something.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(path, info); err != nil {
		return nil, err
	}
	f, err := openAtOnce(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = checkRegular(path, info)
	}
	if err != nil {
		_ = f.Close() // only read from
		return nil, err
	}
	return f, nil
}

// openSeen opens a file whose path has no link at its end, and that was looked at before. It is errChanged where another one
// has taken its place.
func openSeen(path string, flag int, seen fs.FileInfo) (*os.File, error) {
	f, err := openAtOnce(path, flag|noFollow)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || seen == nil || !os.SameFile(info, seen) {
		_ = f.Close() // nothing was written
		return nil, errors.Join(errChanged, err)
	}
	return f, nil
}

func checkRegular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
}

// countHeaders is about how many sections a text has.
func countHeaders(text []byte) int {
	n := 0
	for i := 0; ; i++ {
		next := bytes.IndexByte(text[i:], '[')
		if next < 0 {
			return n
		}
		if i += next; i == 0 || text[i-1] == '\n' {
			n++
		}
	}
}

// Resolve follows symbolic links by hand: the file is replaced where it is, the link stays, and a link to a file that
// does not exist yet is followed too.
func Resolve(path string) (string, error) {
	target, _, err := follow(path)
	return target, err
}

// follow also returns the links.
func follow(path string) (target string, links []string, err error) {
	start := path
	for range maxLinks {
		// Not cleaned: "a/../b" is elsewhere than "b" if a is a link.
		dir, base := filepath.Split(path)
		dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
		if errors.Is(err, fs.ErrNotExist) {
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
		links = append(links, path)
		if !filepath.IsAbs(link) {
			link = dir + string(filepath.Separator) + link
		}
		path = link
	}
	return "", nil, refusal(start, fmt.Sprintf("cannot resolve %s: more than %d symbolic links", start, maxLinks), syscall.ELOOP)
}

// CredentialsPath is the file that the AWS SDKs read, unless a folder is given.
func CredentialsPath(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(filepath.Join(dir, "credentials"))
	}
	return awsFile("AWS_SHARED_CREDENTIALS_FILE", "credentials")
}

// ConfigPath is the config file that the AWS SDKs read.
func ConfigPath() (string, error) { return awsFile("AWS_CONFIG_FILE", "config") }

// awsFile is the file that an environment variable names, with a leading tilde expanded as the AWS CLI does, or the one
// of that name in ~/.aws.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
func awsFile(variable, name string) (string, error) {
	path := cmp.Or(os.Getenv(variable), filepath.Join("~", ".aws", name))
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errtext.Wrap(err, "cannot tell where the AWS file %q is", name)
		}
		path = home + rest
	}
	if filepath.IsAbs(path) {
		return path, nil // as it is, for Resolve to follow
	}
	return filepath.Abs(path)
}
