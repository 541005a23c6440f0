package chaim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	maxFileSize   = 16 << 20
	maxLinks      = 8
	maxRestarts   = 50
	lockTimeout   = 10 * time.Second
	lockPoll      = 2 * time.Millisecond
	settleTime    = 10 * time.Millisecond  // between two reads that must agree
	quietTime     = 100 * time.Millisecond // a file older than this has no writer half-way through
	maxEmptyTime  = 500 * time.Millisecond // how long a file just emptied is given to be filled again
	tempPattern   = ".chaim-tmp-*"
	lockExtension = ".lock"
)

// sharedFile is a file that other programs read and write too. Its methods may be called from many goroutines and
// processes at once; edits are made one at a time, under a lock that all users of this package share.
type sharedFile struct {
	path string
	log  *slog.Logger
}

// read returns the text of the file; a missing file is fs.ErrNotExist.
func (f sharedFile) read() ([]byte, error) {
	target, err := resolve(f.path)
	if err != nil {
		return nil, err
	}
	s, err := takeSnapshot(target)
	if err == nil && s.info == nil {
		err = wrap(fs.ErrNotExist, "cannot read %s", f.path)
	}
	return s.text, err
}

// edit replaces the text of the file by what change makes of it, in one step: readers see the old text or the new. It
// returns once the new text is on disk. change gets an empty text for a missing file, and may be called again when
// another program writes at the same time. Nothing is written where change returns what it got.
func (f sharedFile) edit(ctx context.Context, change func([]byte) ([]byte, error)) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return wrap(err, "cannot create the folder of %s", f.path)
	}
	target, err := resolve(f.path)
	if err != nil {
		return err
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
		if err != nil {
			return err
		}
		if bytes.Equal(before.text, after) {
			return nil
		}
		if err := checkReplaceable(target, before.info); err != nil {
			return err
		}
		done, err := f.replace(target, before, after)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("chaim: cannot write %s: another program keeps changing it", target)
}

// replace puts text at target if the file there is still the one that before shows.
func (f sharedFile) replace(target string, before snapshot, text []byte) (done bool, err error) {
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
	if err := writeDurably(tmp, text); err != nil {
		return false, err
	}
	now, err := takeSnapshot(target)
	if err != nil || !now.equal(before) {
		return false, err
	}
	if err := rename(tmp.Name(), target); err != nil {
		return false, err
	}
	if before.info != nil && before.info.Mode().Perm()&0o077 != 0 {
		f.log.Warn("chaim: credentials file was open to other users and is now mode 0600", "path", target)
	}
	if err := syncDir(dir); err != nil {
		return true, fmt.Errorf("the new text is in place, but may not survive a power cut: %w", err)
	}
	return true, nil
}

// writeDurably fills and closes a temporary file, and reads it back before anything is built on it.
func writeDurably(tmp *os.File, text []byte) error {
	// Chmod, because the umask applies to the mode given at creation.
	if err := tmp.Chmod(0o600); err != nil {
		return err
	}
	if _, err := tmp.Write(text); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	back, err := io.ReadAll(io.NewSectionReader(tmp, 0, int64(len(text))+1))
	if err != nil {
		return err
	}
	if !bytes.Equal(back, text) {
		return errors.New("the temporary file does not hold what was written to it")
	}
	return tmp.Close()
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

func takeSnapshot(path string) (snapshot, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot{}, nil
	}
	if err != nil {
		return snapshot{}, wrap(err, "cannot read %s", path)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return snapshot{}, wrap(err, "cannot read %s", path)
	}
	if !info.Mode().IsRegular() {
		return snapshot{}, fmt.Errorf("chaim: %s is not a regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return snapshot{}, wrap(err, "cannot read %s", path)
	}
	if len(text) > maxFileSize {
		return snapshot{}, fmt.Errorf("chaim: %s is larger than %d MiB", path, maxFileSize>>20)
	}
	return snapshot{info, text}, nil
}

// settledSnapshot reads the file when no writer seems half-way through. Programs that rewrite it in place, such as
// the AWS CLI, empty it first: building on what is there at that moment would lose the rest.
func settledSnapshot(ctx context.Context, path string) (snapshot, error) {
	s, err := takeSnapshot(path)
	for err == nil && s.info != nil {
		age := time.Since(s.info.ModTime())
		needed := quietTime
		if len(s.text) == 0 {
			needed = maxEmptyTime
		}
		if age < 0 || age >= needed {
			break
		}
		select {
		case <-time.After(settleTime):
		case <-ctx.Done():
			return snapshot{}, wrap(context.Cause(ctx), "cannot read %s", path)
		}
		var again snapshot
		again, err = takeSnapshot(path)
		if again.equal(s) && len(s.text) > 0 {
			break
		}
		s = again
	}
	return s, err
}

// resolve follows symbolic links by hand: the file is replaced where it is, the link stays, and a link to a file that
// does not exist yet is followed too.
func resolve(path string) (string, error) {
	for range maxLinks {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", wrap(err, "cannot resolve %s", path)
		}
		path = filepath.Join(dir, filepath.Base(path))
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

// lock takes the lock beside the file. Locking the file itself would lock an inode that the next rename replaces.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockTimeout, ErrLocked)
	defer cancel()
	l := flock.New(path, flock.SetPermissions(0o600))
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		if ctx.Err() == nil {
			return nil, wrap(err, "cannot lock %s", path)
		}
		if cause := context.Cause(ctx); cause == ErrLocked {
			return nil, fmt.Errorf("%w: another process has held %s for %s", ErrLocked, path, lockTimeout)
		}
		return nil, wrap(context.Cause(ctx), "waiting for %s", path)
	}
	return func() { _ = l.Close() }, nil
}

// credentialsPath is the file that the AWS SDKs read: that of AWS_SHARED_CREDENTIALS_FILE, with a leading tilde
// expanded as the AWS CLI does, or ~/.aws/credentials.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
func credentialsPath(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(filepath.Join(dir, "credentials"))
	}
	path := os.Getenv("AWS_SHARED_CREDENTIALS_FILE")
	if path == "" {
		path = filepath.Join("~", ".aws", "credentials")
	}
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("chaim: cannot tell where the credentials file is: %w", err)
		}
		path = filepath.Join(home, rest)
	}
	return filepath.Abs(path)
}
