package chaim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
)

const (
	maxFileSize   = 16 << 20
	maxLinks      = 8
	maxRestarts   = 50
	lockTimeout   = 10 * time.Second
	lockPoll      = 2 * time.Millisecond
	settlePoll    = 10 * time.Millisecond
	quietTime     = 100 * time.Millisecond // a file older than this has no writer half-way through
	maxEmptyTime  = 500 * time.Millisecond // how long a file just emptied is given to be filled again
	maxSettleTime = 5 * time.Second
	tempPattern   = ".chaim-tmp-*"
	lockExtension = ".lock"
)

// sharedFile is a file that other programs read and write too. Its methods may be called from many goroutines and
// processes at once; edits are made one at a time, under a lock that all users of this package share.
type sharedFile struct {
	path string
	log  *slog.Logger
}

// read returns the text of the file, empty for a missing one.
func (f sharedFile) read() ([]byte, error) {
	target, err := resolve(f.path)
	if err != nil {
		return nil, err
	}
	s, err := takeSnapshot(target)
	return s.text, err
}

// edit replaces the text of the file by what change makes of it, in one step: readers see the old text or the new. It
// returns once the new text is on disk. change gets an empty text for a missing file, and may be called again when
// another program writes at the same time. Nothing is written where change returns what it got.
func (f sharedFile) edit(ctx context.Context, change func([]byte) ([]byte, error)) error {
	target, err := resolve(f.path)
	if err != nil {
		return err
	}
	if err := checkOwner(target); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return wrap(err, "cannot create the folder of %s", f.path)
	}
	unlock, err := lock(ctx, target+lockExtension)
	if err != nil {
		return err
	}
	defer unlock()
	for range maxRestarts {
		before, err := settledSnapshot(ctx, target)
		if err != nil {
			return err
		}
		after, err := change(before.text)
		switch {
		case err != nil:
			return wrap(err, "%s", f.path)
		case bytes.Equal(before.text, after):
			return nil
		case len(after) > maxFileSize:
			return fmt.Errorf("chaim: %s would become larger than %d MiB", f.path, maxFileSize>>20)
		}
		done, err := f.replace(ctx, target, before, after)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("chaim: cannot write %s: another program keeps changing it", target)
}

// replace puts text at target if the file there is still the one that before shows.
func (f sharedFile) replace(ctx context.Context, target string, before snapshot, text []byte) (done bool, err error) {
	dir := filepath.Dir(target)
	defer func() {
		if err != nil {
			err = wrap(err, "cannot write %s", target)
		}
	}()
	tmp, err := os.CreateTemp(dir, tempPattern)
	if err != nil {
		return false, err
	}
	defer func() {
		if !done {
			err = errors.Join(err, removeTemp(tmp))
		}
	}()
	stamp, err := writeDurably(tmp, text)
	if err != nil {
		return false, err
	}
	now, err := takeSnapshot(target)
	if err != nil || !now.equal(before) {
		return false, err
	}
	// Whoever ends ctx and then has the lock in turn can rely on nothing coming after that.
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err := rename(tmp.Name(), target); err != nil {
		return false, err
	}
	leaveStamp(target+lockExtension, stamp)
	if before.info != nil && before.info.Mode().Perm()&0o077 != 0 {
		f.log.Warn("chaim: credentials file was open to other users and is now mode 0600", "path", target)
	}
	if err := syncDir(dir); err != nil {
		return true, fmt.Errorf("the new text is in place, but may not survive a power cut: %w", err)
	}
	return true, nil
}

// writeDurably fills and closes a temporary file, and reads it back before anything is built on it.
func writeDurably(tmp *os.File, text []byte) (stamp string, err error) {
	// Chmod, because the umask applies to the mode given at creation.
	if err := tmp.Chmod(0o600); err != nil {
		return "", err
	}
	if _, err := tmp.Write(text); err != nil {
		return "", err
	}
	if err := tmp.Sync(); err != nil {
		return "", err
	}
	back, err := io.ReadAll(io.NewSectionReader(tmp, 0, int64(len(text))+1))
	if err != nil {
		return "", err
	}
	if !bytes.Equal(back, text) {
		return "", errors.New("the temporary file does not hold what was written to it")
	}
	info, err := tmp.Stat()
	if err != nil {
		return "", err
	}
	return stampOf(info), tmp.Close()
}

// stampOf tells one version of a file from the others. The lock file holds that of the last edit: a file that still
// has it was not touched by anybody else since.
func stampOf(info os.FileInfo) string {
	return fmt.Sprintf("%d %d\n", info.ModTime().UnixNano(), info.Size())
}

var stampRule = regexp.MustCompile(`^(-?\d+ \d+\n)?$`)

// leaveStamp puts a stamp into the lock file, if that is ours and not, by a link or a name that others use too, some
// other file. Without a stamp the next edit only waits longer.
func leaveStamp(path, stamp string) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	if old, err := os.ReadFile(path); err == nil && stampRule.Match(old) {
		_ = os.WriteFile(path, []byte(stamp), 0o600)
	}
}

func removeTemp(tmp *os.File) error {
	_ = tmp.Close() // closed already where the write was complete
	if err := os.Remove(tmp.Name()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// snapshot is a file as it was at one moment; info is nil for a missing file.
type snapshot struct {
	info os.FileInfo
	text []byte
}

func (s snapshot) equal(t snapshot) bool {
	if s.info == nil || t.info == nil {
		return s.info == t.info
	}
	return os.SameFile(s.info, t.info) && s.info.ModTime().Equal(t.info.ModTime()) && bytes.Equal(s.text, t.text)
}

func takeSnapshot(path string) (_ snapshot, err error) {
	defer func() {
		if err != nil {
			err = wrap(err, "cannot read %s", path)
		}
	}()
	// Looked at first, because opening a named pipe would wait for a writer.
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot{}, nil
	}
	if err != nil {
		return snapshot{}, err
	}
	if !info.Mode().IsRegular() {
		return snapshot{}, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot{}, nil
	}
	if err != nil {
		return snapshot{}, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return snapshot{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return snapshot{}, err
	}
	if len(text) > maxFileSize {
		return snapshot{}, fmt.Errorf("it is larger than %d MiB", maxFileSize>>20)
	}
	return snapshot{info, text}, nil
}

// settledSnapshot reads the file when no writer seems half-way through. Programs that rewrite it in place, such as
// the AWS CLI, empty it first: building on what is there at that moment would lose the rest.
func settledSnapshot(ctx context.Context, path string) (snapshot, error) {
	stamp, _ := os.ReadFile(path + lockExtension)
	for start := time.Now(); ; {
		s, err := takeSnapshot(path)
		if err != nil || s.info == nil || stampOf(s.info) == string(stamp) {
			return s, err
		}
		needed := quietTime
		if len(s.text) == 0 {
			needed = maxEmptyTime
		}
		// The clock of a file server may be a little ahead.
		if age := time.Since(s.info.ModTime()); age < -quietTime || age >= needed {
			return s, nil
		}
		if time.Since(start) > maxSettleTime {
			return snapshot{}, fmt.Errorf("chaim: cannot read %s: another program keeps changing it", path)
		}
		select {
		case <-time.After(settlePoll):
		case <-ctx.Done():
			return snapshot{}, wrap(context.Cause(ctx), "cannot read %s", path)
		}
	}
}

// resolve follows symbolic links by hand: the file is replaced where it is, the link stays, and a link to a file that
// does not exist yet is followed too.
func resolve(path string) (string, error) {
	for range maxLinks {
		// Not cleaned: "a/../b" is elsewhere than "b" if a is a link.
		dir, base := filepath.Split(path)
		dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", wrap(err, "cannot resolve %s", path)
		}
		path = filepath.Join(dir, base)
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", wrap(err, "cannot resolve %s", path)
		}
		if !filepath.IsAbs(link) {
			link = dir + string(filepath.Separator) + link
		}
		path = link
	}
	return "", fmt.Errorf("chaim: cannot resolve %s: more than %d symbolic links", path, maxLinks)
}

// queues hold the goroutines of this process that want a lock, by its path. They get it in the order in which they
// came, which polling would not give them.
var queues sync.Map

type queue struct {
	turn chan struct{}             // holds a token while one of them has or polls for the lock
	last atomic.Pointer[time.Time] // when one of them last got it
}

// lock takes the lock beside the file. Locking the file itself would lock an inode that the next rename replaces. The
// time-out does not count while others in this process get the lock.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	value, _ := queues.LoadOrStore(path, &queue{turn: make(chan struct{}, 1)})
	q := value.(*queue)
	start := time.Now()
	left := func() time.Duration {
		since := start
		if last := q.last.Load(); last != nil && last.After(start) {
			since = *last
		}
		return lockTimeout - time.Since(since)
	}
	for waiting := true; waiting; {
		select {
		case q.turn <- struct{}{}:
			waiting = false
		case <-ctx.Done():
			return nil, wrap(context.Cause(ctx), "waiting for %s", path)
		case <-time.After(left()):
			if left() <= 0 {
				return nil, lockedError(path)
			}
		}
	}

	polling, cancel := context.WithTimeout(ctx, max(left(), settlePoll)) // at least one try
	defer cancel()
	l := flock.New(path, flock.SetPermissions(0o600))
	if _, err := l.TryLockContext(polling, lockPoll); err != nil {
		<-q.turn
		switch {
		case ctx.Err() != nil:
			return nil, wrap(context.Cause(ctx), "waiting for %s", path)
		case polling.Err() != nil:
			return nil, lockedError(path)
		}
		return nil, wrap(err, "cannot lock %s", path)
	}
	now := time.Now()
	q.last.Store(&now)
	return func() { _ = l.Close(); <-q.turn }, nil
}

func lockedError(path string) error {
	return fmt.Errorf("%w: somebody has held %s for %s", ErrLocked, path, lockTimeout)
}

// credentialsPath is the file that the AWS SDKs read, unless a folder is given.
func credentialsPath(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(filepath.Join(dir, "credentials"))
	}
	return awsFile("AWS_SHARED_CREDENTIALS_FILE", "credentials")
}

// awsFile is the file that an environment variable names, with a leading tilde expanded as the AWS CLI does, or the one
// of that name in ~/.aws.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
func awsFile(variable, name string) (string, error) {
	path := cmp.Or(os.Getenv(variable), filepath.Join("~", ".aws", name))
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", wrap(err, "cannot tell where the AWS file %q is", name)
		}
		path = home + rest
	}
	if filepath.IsAbs(path) {
		return path, nil // as it is, for resolve to follow
	}
	return filepath.Abs(path)
}
