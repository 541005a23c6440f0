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

	"github.com/gofrs/flock"

	"github.com/chaim-go/chaim/internal/errtext"
)

const (
	maxFileSize = 16 << 20
	lockTimeout = 10 * time.Second
)

// ErrLocked means that somebody else has held the lock for the whole time-out.
var ErrLocked = errors.New("chaim: credentials file is locked")

// File is a file that other programs read and write too. Its methods may be called from many goroutines and processes
// at once. Their errors wrap those of the system; what the system would have allowed is refused with an [*fs.PathError]
// that wraps [fs.ErrPermission] or a [syscall.Errno] too.
type File struct{ Path string }

// Read returns the text of the file, empty for a missing one. Where the system tells that another program is writing it
// in place, Read waits a moment for that; elsewhere the text may be a part of what is written.
func (f File) Read() ([]byte, error) {
	target, err := Resolve(f.Path)
	if err != nil {
		return nil, err
	}
	for start := time.Now(); ; {
		s, err := holdSnapshot(target)
		s.release()
		if err != nil || !s.busy || time.Since(start) > doubtTime || !knowsWriters(lockPath(target)) {
			return s.text, err
		}
		<-time.After(settlePoll)
	}
}

// IsInterrupted reports whether a process died while it wrote the file in place, which the next Edit puts right.
func (f File) IsInterrupted() bool {
	target, err := Resolve(f.Path)
	if err == nil {
		_, err = os.Lstat(backupPath(target))
	}
	return err == nil
}

// Edit replaces the text of the file by what change makes of it, in one step: readers see the old text or the new. It
// returns once the new text is on disk.
//
// change is called while the lock is held, with an empty text for a missing file. It may be called again, with a text
// in which what it does is done already, and must not do it twice. Nothing is written where it returns what it got.
func (f File) Edit(ctx context.Context, change func([]byte) ([]byte, error)) error {
	target, err := Resolve(f.Path)
	if err != nil {
		return err
	}
	if err := CheckOwner(target); err != nil {
		return err
	}
	if err := MakeFolder(filepath.Dir(target)); err != nil {
		return err
	}
	return f.enqueue(ctx, queueKey{target: target}, change)
}

func (f File) enqueue(ctx context.Context, key queueKey, change func([]byte) ([]byte, error)) error {
	e := &edit{file: f, ctx: ctx, change: change, start: time.Now(), lead: make(chan struct{}, 1), done: make(chan error, 1)}
	return join(key, e).wait(e)
}

// IsLocked reports whether somebody has the lock right now.
func (f File) IsLocked() bool {
	target, err := Resolve(f.Path)
	if err != nil {
		return false
	}
	l := flock.New(lockPath(target), flock.SetFlag(os.O_RDONLY))
	isFree, err := l.TryRLock()
	return err == nil && (!isFree || l.Close() != nil)
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

func tooLarge(path string) error {
	return refusal(path, fmt.Sprintf("%s is larger than %d MiB", path, maxFileSize>>20), syscall.EFBIG)
}
