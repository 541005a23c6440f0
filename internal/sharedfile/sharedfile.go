// Package sharedfile edits a small file that other programs read and write too, most of them without a lock and in
// place. An edit replaces the file in one step, keeps what another program wrote meanwhile, as far as the system can tell
// of that, and is on disk when it returns.
//
// Edits of one process that come while another is being written are written together. Between processes that use this
// package a lock beside the file makes one edit wait for the other.
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
	maxFileSize = 16 << 20  // that an edit may make a file grow to
	maxReadSize = 256 << 20 // of a file that another program made that large, so that keys can still be removed from it
	lockTimeout = 10 * time.Second
)

// ErrHeld means that the lock is held at the moment.
var ErrHeld = errors.New("chaim: file is locked at the moment")

// ErrLocked means that another process has held the lock for the whole time-out.
var ErrLocked = errors.New("chaim: credentials file is locked")

// File is a file that other programs read and write too. Its methods may be called from many goroutines and processes
// at once. Their errors wrap those of the system; what the system would have allowed is refused with an [*fs.PathError]
// that wraps [fs.ErrPermission] or a [syscall.Errno] too.
type File struct {
	Path string
	// IsOwn says that only chaim writes the file: one that another user could have put there or written is [ErrUnsafe].
	IsOwn bool
	// IsApart says that this process makes the edits apart from those of files for which it is not set: an edit that frees
	// space gets it.
	IsApart bool
	// Unknown is why there is no Path, and the error of each method.
	Unknown error
}

// Read returns the text of the file, empty for a missing one and for the null device. Of a pipe it returns what came when it
// was first read. Where the system tells that another program is writing it
// in place, Read waits a moment for that; elsewhere the text may be a part of what is written.
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

// IsInterrupted reports whether a process died while it wrote the file in place, which the next Edit puts right.
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

// Edit replaces the text of the file by what change makes of it, in one step: readers see the old text or the new. It
// returns once the new text is on disk.
//
// change is called while the lock is held, with an empty text for a missing file. It may be called again, with a text
// in which what it does is done already, and must not do it twice. Nothing is written where it returns what it got.
func (f File) Edit(ctx context.Context, change func([]byte) ([]byte, error)) error {
	return f.edit(ctx, change, false)
}

// TryEdit is Edit but does not wait for the lock: where that is held the error wraps [ErrHeld]. It is for those who hold
// another lock, for which others wait.
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
	return f.enqueue(ctx, queueKey{target: target, isOwn: f.IsOwn, isApart: f.IsApart}, change, isTry)
}

// Pinned returns the file that the links of f lead to now, for edits that are to reach the same file when they lead elsewhere.
// It refuses what Edit does.
func (f File) Pinned() (File, error) {
	target, err := f.editable()
	f.Path = target
	return f, err
}

// editable returns where the links of the file lead, if this user may write there and no other has set a link on the way.
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

func (f File) enqueue(ctx context.Context, key queueKey, change func([]byte) ([]byte, error), isTry bool) error {
	e := &edit{file: f, ctx: ctx, change: change, isTry: isTry, start: time.Now(), lead: make(chan struct{}, 1), done: make(chan error, 1)}
	return join(key, e).wait(e)
}

// IsLocked reports whether another process has the lock right now.
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

// MakeFolder makes a private folder where there is none, whatever the umask.
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

// refusal is an error about a file that the system would have let us write.
func refusal(path, why string, kind error) error {
	return errtext.Wrap(&fs.PathError{Op: "write", Path: path, Err: kind}, "%s", why)
}

func tooLarge(path string, limit int) error {
	return refusal(path, fmt.Sprintf("%s is larger than %d MiB", path, limit>>20), syscall.EFBIG)
}
