package sharedfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/chaim-go/chaim/internal/errtext"
)

// snapshot is a file as it was at one moment; info is nil for a missing file.
type snapshot struct {
	info fs.FileInfo
	text []byte
	held *os.File // makes writers wait while it is open; may be nil
	busy bool     // another program has the file open for writing
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

// SameVersion reports whether a file seems to have been neither written nor replaced between a and b.
func SameVersion(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func takeSnapshot(path string) (snapshot, error) { return readFile(path, false, false) }

// holdSnapshot also makes programs that want to write the file wait until release, if the system can do that.
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
	f, err := openRegular(path)
	if isMissing(err) {
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

// openRegular opens a file for reading, and follows links. It refuses anything but a regular file, and never waits for the
// other end of a pipe.
func openRegular(path string) (*os.File, error) {
	// Checked before opening too, because opening a device may have effects.
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

// openSeen opens the file at path, and follows no link. If that is not the file that was seen, the error is errChanged.
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

// countHeaders returns roughly how many sections a text has.
func countHeaders(text []byte) int {
	n := bytes.Count(text, []byte("\n["))
	if bytes.HasPrefix(text, []byte("[")) {
		n++
	}
	return n
}
