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

func takeSnapshot(path string) (snapshot, error) { return readFile(path, false) }

// holdSnapshot also makes programs that would write the file wait, where the system can do that, until release.
func holdSnapshot(path string) (snapshot, error) { return readFile(path, true) }

func readFile(path string, holding bool) (s snapshot, err error) {
	defer func() {
		if err != nil {
			s.release()
			s, err = snapshot{}, errtext.Wrap(err, "cannot read %s", path)
		}
	}()
	// Looked at first, because opening a named pipe would wait for a writer.
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if !info.Mode().IsRegular() {
		return s, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
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
	text := bytes.NewBuffer(make([]byte, 0, min(s.info.Size(), maxFileSize)+bytes.MinRead))
	if _, err := text.ReadFrom(io.LimitReader(f, maxFileSize+1)); err != nil {
		return s, err
	}
	s.text = text.Bytes()
	if len(s.text) > maxFileSize {
		return s, tooLarge(path)
	}
	return s, nil
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
	start := path
	for range maxLinks {
		// Not cleaned: "a/../b" is elsewhere than "b" if a is a link.
		dir, base := filepath.Split(path)
		dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", errtext.Wrap(err, "cannot resolve %s", path)
		}
		path = filepath.Join(dir, base)
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", errtext.Wrap(err, "cannot resolve %s", path)
		}
		if !filepath.IsAbs(link) {
			link = dir + string(filepath.Separator) + link
		}
		path = link
	}
	return "", refusal(start, fmt.Sprintf("cannot resolve %s: more than %d symbolic links", start, maxLinks), syscall.ELOOP)
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
