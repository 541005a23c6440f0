package sharedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
)

// MaxLockSize is the limit of a lock or a lease, which holds a few lines or nothing.
const MaxLockSize = 64 << 10

// ErrUnsafe means that another user could have made or changed a file, or that it is not of the kind that chaim makes under
// its name. The error says what is wrong, and what to do.
var ErrUnsafe = errors.New("chaim: unsafe file")

// Side is an open side file. Only chaim writes side files, such as locks, leases, backups and keys. They are beside a shared
// file or in a folder beside it. Other users may be able to put something else under their names, so [OpenSide] and
// [LockSide] check what they open.
type Side struct {
	file  *os.File
	path  string
	limit int64
	info  fs.FileInfo
}

// OpenSide opens a side file with flags of [os.OpenFile]. It follows no link, and waits for no other end of a pipe. Before
// anything else it checks the file: a regular file of this user, of at most limit bytes, without a second name, that no
// other user may write. Anything else is [ErrUnsafe]. With [os.O_CREATE] the file gets mode 0600, whatever the umask.
func OpenSide(path string, flag int, limit int64) (*Side, error) {
	f, err := openAtOnce(path, flag|noFollow)
	if errors.Is(err, fs.ErrPermission) && flag&os.O_CREATE != 0 && repairMode(path) {
		f, err = openAtOnce(path, flag|noFollow)
	}
	if err != nil {
		if info, statErr := os.Lstat(path); statErr == nil {
			if unsafe := checkSide(path, info, limit); unsafe != nil {
				return nil, unsafe
			}
		}
		return nil, err
	}
	s := &Side{file: f, path: path, limit: limit}
	if s.info, err = f.Stat(); err == nil {
		err = checkSide(path, s.info, limit)
	}
	if err == nil && hasOtherName(f, s.info) {
		err = otherName(path)
	}
	if err == nil && flag&os.O_CREATE != 0 {
		err = makePrivate(f, s.info)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return s, nil
}

// openAtOnce opens a file without waiting for the other end of a named pipe. It waits while another chaim process keeps
// writers off the file, which takes moments.
func openAtOnce(path string, flag int) (*os.File, error) {
	for start := time.Now(); ; <-time.After(settlePoll) {
		f, err := os.OpenFile(path, flag|noWait, 0o600)
		if !isHeldOff(err) || time.Since(start) > lockTimeout {
			return f, err
		}
	}
}

// OpenLog opens a file for appending, and makes it if it is missing. It follows no link that another user has set. The file
// may be a terminal, a device or a pipe. A named pipe without a reader is an error.
func OpenLog(path string) (*os.File, error) {
	target, err := Resolve(path)
	if err != nil {
		return nil, err
	}
	flag := os.O_APPEND | os.O_WRONLY | noWait
	// Any other target may still be a link, that of an open file such as /dev/stderr.
	if info, err := os.Lstat(target); err != nil || info.Mode().IsRegular() {
		flag |= os.O_CREATE | noFollow
	}
	f, err := os.OpenFile(target, flag, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = checkOwn(f, target)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// checkSide refuses a file that is not a side file of this user.
func checkSide(path string, info fs.FileInfo, limit int64) error {
	if !info.Mode().IsRegular() {
		return unsafeFile(path, "is "+kindOf(info), "remove it", fs.ErrInvalid)
	}
	if err := checkPrivate(path, info); err != nil {
		return err
	}
	if info.Size() > limit {
		return unsafeFile(path, fmt.Sprintf("has %d bytes, more than chaim ever writes there", info.Size()), "remove it", errTooLarge)
	}
	return nil
}

// CheckFolder refuses a folder of side files that belongs to another user, or that other users may write. A missing folder
// is fine. So is a regular file of that name, as no side file can be in it.
func CheckFolder(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().IsRegular():
		return nil
	case !info.IsDir():
		return unsafeFile(dir, "is "+kindOf(info)+" and no folder", "remove it", fs.ErrInvalid)
	}
	return checkPrivate(dir, info)
}

// kindOf says what a file is that is not regular.
func kindOf(info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "not a regular file"
}

func unsafeFile(path, why, remedy string, kind error) error {
	text := fmt.Sprintf("chaim: %s %s, but chaim keeps something of its own under that name: %s", path, why, remedy)
	return errtext.Chain(text, ErrUnsafe, &fs.PathError{Op: "open", Path: path, Err: kind})
}

func otherName(path string) error {
	return unsafeFile(path, "has a second name, a hard link", "remove it", syscall.EMLINK)
}

// LockSide opens a side file and locks it. A shared lock excludes only those that do not share. LockSide does not wait: it
// returns nil if the lock is held, or if another process has just removed the file.
func LockSide(path string, flag int, isShared bool) (*Side, error) {
	s, err := OpenSide(path, flag, MaxLockSize)
	if err != nil {
		return nil, err
	}
	isFree, err := tryLock(s.file, isShared)
	if err == nil && isFree && s.IsThere() {
		return s, nil
	}
	_ = s.Close() // nothing was written
	switch {
	case err != nil && flag&os.O_RDWR == 0 && needsWriting(err):
		return LockSide(path, flag|os.O_RDWR, isShared)
	case err != nil:
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return nil, nil
}

// Path is the path with which the file was opened.
func (s *Side) Path() string { return s.path }

// Info describes the file as it was when it was opened.
func (s *Side) Info() fs.FileInfo { return s.info }

// IsThere reports whether the file is still the one under its name.
func (s *Side) IsThere() bool {
	there, err := os.Lstat(s.path)
	return err == nil && os.SameFile(s.info, there)
}

// Read returns all of the file. A file that has grown beyond its limit is an error.
func (s *Side) Read() ([]byte, error) {
	text, err := io.ReadAll(io.NewSectionReader(s.file, 0, s.limit+1))
	if err == nil && int64(len(text)) > s.limit {
		err = &fs.PathError{Op: "read", Path: s.path, Err: errTooLarge}
	}
	return text, err
}

// Write replaces the text of a file that is open for writing.
func (s *Side) Write(text []byte) error {
	if _, err := s.file.WriteAt(text, 0); err != nil {
		return err
	}
	info, err := s.file.Stat()
	if err != nil || info.Size() == int64(len(text)) { // truncating would free reserved space
		return err
	}
	return s.file.Truncate(int64(len(text)))
}

// Close closes the file, and with that ends its lock.
func (s *Side) Close() error { return s.file.Close() }

// ReadSide returns the text of a side file.
func ReadSide(path string, limit int64) ([]byte, error) {
	s, err := OpenSide(path, os.O_RDONLY, limit)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Read()
}
