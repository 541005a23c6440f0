package sharedfile

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
)

const (
	lockPoll    = time.Millisecond       // at least; a pause is up to twice as long
	lookPause   = 100 * time.Millisecond // between looks at who has the lock
	maxLockWait = time.Minute            // even if other processes get the lock one after the other
)

// lockPath is the file that is locked in place of the target, because a rename replaces the target's inode.
func lockPath(target string) string { return target + ".lock" }

// lock waits for the lock of the target as long as patience lasts. Whenever another process gets the lock, lock calls
// advanced and waits for lockTimeout more. So it gives up soon only if one process keeps the lock.
func lock(ctx context.Context, target string, patience time.Duration, advanced func()) (*Side, error) {
	path := lockPath(target)
	start := time.Now()
	deadline := start.Add(max(patience, lockPoll))
	var holder []byte // text of the lock file at the last look
	var looked time.Time
	over := func() {}
	defer func() { over() }()
	for isFirst := true; ; isFirst = false {
		// Not opened for writing, or knowsWriters would find a writer.
		l, err := LockSide(path, os.O_CREATE|os.O_RDONLY, false)
		switch {
		case err != nil:
			return nil, errtext.Wrap(err, "cannot lock %s", target)
		case l != nil:
			return l, nil
		case isFirst:
			over = awaiting.For(ctx, "the process that holds "+path)
		}
		now := time.Now()
		if now.Sub(looked) > lookPause {
			text, _ := ReadSide(path, MaxLockSize) // empty if it cannot be read
			if !looked.IsZero() && !bytes.Equal(text, holder) && patience > 0 {
				deadline = now.Add(lockTimeout)
				advanced()
			}
			holder, looked = text, now
		}
		switch {
		case !now.Before(deadline):
			return nil, lockedError(target)
		case now.Sub(start) > maxLockWait:
			return nil, fmt.Errorf("%w: other processes have taken turns with %s for %s: try again", ErrLocked, path, maxLockWait)
		}
		select {
		case <-time.After(min(lockPoll+rand.N(lockPoll), deadline.Sub(now))):
		case <-ctx.Done():
			return nil, errtext.Wrap(context.Cause(ctx), "waiting for %s", path)
		}
	}
}

func lockedError(target string) error {
	path := lockPath(target)
	return fmt.Errorf("%w: %s has held %s for %s", ErrLocked, LockHolder(path), path, lockTimeout)
}

// LockHolder is the process that a lock file names, for people.
func LockHolder(path string) string {
	text, err := ReadSide(path, MaxLockSize)
	if err != nil || !recordRule().Match(text) {
		return "another process"
	}
	holder, _, _ := strings.Cut(string(text), "\n")
	return holder
}

// thisProcess names this process for the error of one that waits for its lock.
var thisProcess = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
})

// record is the content of the lock file: which process took the lock last, and how the target looked after the last edit.
// If the target still looks like that, no other program has changed it since.
type record struct {
	lock        *Side
	modTime     int64 // nanoseconds since 1970
	size        int64
	headers     int       // see countHeaders
	length      int64     // of the lock file
	opened      time.Time // when it was opened, by the clock of the file system; zero if unknown
	isKnown     bool
	isWriteable bool
}

var (
	recordRule = lazyregexp.New(`^process [^\n]*\n(?:(-?\d+) (\d+) (\d+)\n)?$`)
	// A killed process may leave a part of a record, and a power cut NUL bytes.
	ownRule = lazyregexp.New(`^(\x00*$|process )`)
)

// openRecord writes the name of this process into the lock file, unless that holds a text of the user's. Errors are ignored:
// without a record an edit only takes longer.
func openRecord(lock *Side) record {
	r := record{lock: lock}
	text, err := lock.Read()
	if err != nil {
		return r
	}
	r.length = int64(len(text))
	match := recordRule().FindSubmatch(text)
	r.isWriteable = ownRule().Match(text)
	if match != nil && len(match[1]) > 0 {
		var errs [3]error
		r.modTime, errs[0] = strconv.ParseInt(string(match[1]), 10, 64)
		r.size, errs[1] = strconv.ParseInt(string(match[2]), 10, 64)
		r.headers, errs[2] = strconv.Atoi(string(match[3]))
		r.isKnown = errs == [3]error{}
	}
	r.write()
	if info, err := lock.file.Stat(); err == nil && r.isWriteable {
		r.opened = info.ModTime()
	}
	return r
}

func (r *record) write() {
	if !r.isWriteable {
		return
	}
	text := thisProcess() + "\n"
	if r.isKnown {
		text += fmt.Sprintf("%d %d %d\n", r.modTime, r.size, r.headers)
	}
	w, err := OpenSide(r.lock.path, os.O_WRONLY, MaxLockSize)
	if err != nil {
		return
	}
	defer w.Close()
	if !os.SameFile(w.info, r.lock.info) {
		return
	}
	// Overwritten, because ext4 flushes a file that is emptied first.
	if n, err := w.file.WriteString(text); err == nil && int64(n) < r.length {
		_ = w.file.Truncate(int64(n))
	}
	r.length = int64(len(text))
}

// leave notes how the target looks after an edit.
func (r *record) leave(info fs.FileInfo, text []byte) {
	r.modTime, r.size, r.headers, r.isKnown = info.ModTime().UnixNano(), info.Size(), countHeaders(text), true
	r.write()
}

func (r *record) matches(info fs.FileInfo) bool {
	return r.isKnown && info.ModTime().UnixNano() == r.modTime && info.Size() == r.size
}
