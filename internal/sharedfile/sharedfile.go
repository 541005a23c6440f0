// Package sharedfile edits a small file that other programs read and write too, most of them in place and without a lock.
// An edit replaces the file in one step, and is on disk when it returns. It keeps what another program wrote meanwhile, as
// far as the system lets it notice that.
//
// Edits of one process that wait for the same lock are written together. Processes that use this package wait for each
// other by a lock file beside the file.
package sharedfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
)

const (
	maxFileSize = 16 << 20  // an edit does not make a file larger
	maxReadSize = 256 << 20 // larger than maxFileSize, so that keys can be removed from a file that another program made large
	lockTimeout = 10 * time.Second
)

// ErrHeld means that the lock is not free, and that the caller does not wait for it.
var ErrHeld = errors.New("chaim: file is locked at the moment")

// ErrLocked means that the lock did not become free in time.
var ErrLocked = errors.New("chaim: credentials file is locked")

// File is a file that other programs read and write too. Many goroutines and processes may call its methods at once.
// Errors wrap those of the system. Where only chaim refuses a write, the error wraps an [*fs.PathError] too.
type File struct {
	Path string
	// IsOwn says that only this user writes the file. A file that another user could have made or changed is then [ErrUnsafe].
	IsOwn bool
	// IsApart keeps an edit out of the batches of other edits, so that none of them takes the space that this one frees.
	IsApart bool
	// Unknown is why there is no Path. Each method returns it.
	Unknown error
}

// Read returns the text of the file, which is empty for a missing file and for the null device. A pipe is read once, and
// later calls return the same text. While another program writes the file in place, Read waits half a second for it, if
// the system can tell. Otherwise the text may be incomplete.
func (f File) Read() ([]byte, error) {
	target, _, err := f.follow()
	if err != nil {
		return nil, err
	}
	if !f.IsOwn {
		ctx, stop := context.WithTimeout(context.Background(), lockTimeout)
		defer stop()
		if text, isSpecial, err := readSpecial(ctx, target); isSpecial {
			return text, err
		}
	}
	for start := time.Now(); ; {
		s, err := holdSnapshot(target, f.IsOwn)
		s.release()
		if err != nil || !s.busy || time.Since(start) > doubtTime || !knowsWriters(lockPath(target)) {
			return s.text, err
		}
		<-time.After(settlePoll)
	}
}

// IsInterrupted reports whether a process died while it wrote the file in place. The next Edit repairs the file.
func (f File) IsInterrupted() (bool, error) {
	target, _, err := f.follow()
	if err != nil {
		return false, err
	}
	backup, err := OpenSide(backupPath(target), os.O_RDONLY, maxBackupSize)
	if isMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, backup.Close()
}

// Edit replaces the text of the file by what change returns for it, in one step: readers see the old text or the new. Edit
// returns once the new text is on disk.
//
// change is called while the lock is held, with an empty text for a missing file. It may be called again with a text that
// it has changed already, and must not change that twice. If it returns the text that it got, nothing is written.
func (f File) Edit(ctx context.Context, change func([]byte) ([]byte, error)) error {
	return f.edit(ctx, change, false)
}

// TryEdit is Edit, but does not wait for the lock: if that is not free, the error wraps [ErrHeld]. It is for a caller that
// holds another lock, for which other processes wait.
func (f File) TryEdit(ctx context.Context, change func([]byte) ([]byte, error)) error {
	return f.edit(ctx, change, true)
}

func (f File) edit(ctx context.Context, change func([]byte) ([]byte, error), isTry bool) error {
	target, err := f.editable()
	if err != nil {
		return err
	}
	if err := MakeFolder(filepath.Dir(target)); err != nil {
		return err
	}
	e := &edit{file: f, ctx: ctx, change: change, isTry: isTry, start: time.Now(), lead: make(chan struct{}, 1), done: make(chan error, 1)}
	return join(queueKey{target: target, isOwn: f.IsOwn, isApart: f.IsApart}, e).wait(e)
}

// Pinned returns the file to which the links of f lead now. Its edits reach that file even if the links change later. Pinned
// refuses the same files as Edit.
func (f File) Pinned() (File, error) {
	target, err := f.editable()
	f.Path = target
	return f, err
}

// editable returns where the links of the file lead. It refuses a file that this user may not write, and links and folders
// that other users control.
func (f File) editable() (target string, err error) {
	target, links, err := f.follow()
	if err == nil {
		err = f.CanStore()
	}
	if err != nil {
		return "", err
	}
	for _, link := range links {
		if err := checkFolders(link, filepath.Dir(link)); err != nil {
			return "", err
		}
	}
	return target, CheckOwner(target)
}

// IsLocked reports whether the lock is held now.
func (f File) IsLocked() (bool, error) {
	target, _, err := f.follow()
	if err != nil {
		return false, err
	}
	l, err := LockSide(lockPath(target), os.O_RDONLY, true)
	switch {
	case isMissing(err):
		return false, nil
	case err != nil:
		return false, err
	case l == nil:
		return true, nil
	}
	return false, l.Close()
}

// MakeFolder makes a folder that is missing, with mode 0700 whatever the umask.
func MakeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Chmod(dir, 0o700)
	}
	if err != nil {
		return errtext.Wrap(err, "cannot make folder %s", dir)
	}
	return nil
}

// MakeSideFolder makes a folder of side files with mode 0700, below the one of chaim's own files, which it makes too. It
// refuses folders that are not private to this user.
func MakeSideFolder(folder string) error {
	above := filepath.Dir(folder)
	if err := CheckFolder(above); err != nil { // before anything is made in it
		return err
	}
	info, err := os.Lstat(folder)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%w: %s is no folder: remove it", ErrUnsafe, folder)
	}
	isOpen := err == nil && info.Mode().Perm() != 0o700
	// One by one: a umask may leave too few rights in a folder to make another in it.
	for _, dir := range []string{filepath.Dir(above), above, folder} {
		if err := MakeFolder(dir); err != nil {
			return err
		}
	}
	if err := CheckFolder(folder); err != nil || !isOpen {
		return err
	}
	return os.Chmod(folder, 0o700)
}

// refusal is the error of a write that the system would allow.
func refusal(path, why string, kind error) error {
	return errtext.Wrap(&fs.PathError{Op: "write", Path: path, Err: kind}, "%s", why)
}

func tooLarge(path string, limit int) error {
	return refusal(path, fmt.Sprintf("%s is larger than %d MiB", path, limit>>20), syscall.EFBIG)
}
