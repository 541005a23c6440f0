package credcache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	dataExtension, lockExtension = ".json", ".lock"

	maxSize = 64 << 10

	lockTimeout = fetchTimeout + 5*time.Second // so that who waits is told what came of a fetch that timed out
	lockPoll    = 10 * time.Millisecond        // to twice that
)

var (
	keyRule  = lazyregexp.New(`^[0-9a-f]{64}$`)
	fileRule = lazyregexp.New(`^([0-9a-f]{64})(\.json|\.lock)$`)
)

// ErrUnsafe means that other users could have put something into the cache, or that something else stands in its place.
// The error says what to do about it.
var ErrUnsafe = errors.New("chaim: cache of credentials is not private")

// prepare makes the folder, and refuses one that is not private.
func (c Cache) prepare() error {
	if err := sharedfile.CheckOwner(c.path("", dataExtension)); err != nil {
		return errtext.Because(ErrUnsafe, err)
	}
	if err := sharedfile.CheckFolder(filepath.Dir(c.Folder)); err != nil {
		return errtext.Because(ErrUnsafe, err)
	}
	info, err := os.Lstat(c.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeFolder(c.Folder); err == nil {
			info, err = os.Lstat(c.Folder)
		}
	}
	switch {
	case err != nil:
		return errtext.Wrap(err, "cannot use the cache of credentials")
	case !info.IsDir():
		return fmt.Errorf("%w: %s is no folder: remove it", ErrUnsafe, c.Folder)
	}
	if err := sharedfile.CheckFolder(c.Folder); err != nil {
		return errtext.Because(ErrUnsafe, err)
	}
	if sharedfile.IsOpen(info) || info.Mode().Perm()&0o700 != 0o700 {
		if err := os.Chmod(c.Folder, 0o700); err != nil {
			return errtext.Because(ErrUnsafe, err)
		}
	}
	return nil
}

// makeFolder makes those above too, one by one, as a umask may leave too little of a folder to make another in it.
func makeFolder(dir string) error {
	if parent := filepath.Dir(dir); parent != dir {
		if _, err := os.Lstat(parent); errors.Is(err, fs.ErrNotExist) {
			if err := makeFolder(parent); err != nil {
				return err
			}
		}
	}
	return sharedfile.MakeFolder(dir)
}

// read returns what is known of a key. What others could have read is not used any more, and what they could have written
// is refused.
func (c Cache) read(key string) (entry, error) {
	f, err := sharedfile.OpenSide(c.path(key, dataExtension), os.O_RDONLY, maxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EFBIG): // the latter is none of ours, and gets replaced
		return entry{}, nil
	case errors.Is(err, sharedfile.ErrUnsafe):
		return entry{}, errtext.Because(ErrUnsafe, err)
	case err != nil:
		return entry{}, errtext.Wrap(err, "cannot read cached credentials")
	}
	defer f.Close()
	if sharedfile.IsOpen(f.Info()) {
		c.log().Warn("chaim: cached credentials were open to other users, and are not used any more", "path", f.Path())
		return entry{}, nil
	}
	text, err := f.Read()
	if err != nil {
		return entry{}, errtext.Wrap(err, "cannot read cached credentials")
	}
	return parse(key, text), nil
}

// lock takes the lock of a key. Without waiting, nil means that another process has it.
func (c Cache) lock(ctx context.Context, key string, isWaiting bool) (*sharedfile.Side, error) {
	path := c.path(key, lockExtension)
	polling, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	over := func() {}
	defer func() { over() }()
	for isFirst := true; ; isFirst = false {
		l, err := tryLock(path)
		if l != nil || err != nil || !isWaiting {
			return l, err
		}
		if isFirst {
			over = awaiting.For(ctx, "the process that holds "+path+" and asks for the same keys")
		}
		select {
		case <-time.After(lockPoll + rand.N(lockPoll)):
		case <-polling.Done():
			if ctx.Err() != nil {
				return nil, errtext.Wrap(context.Cause(ctx), "waiting for %s", path)
			}
			return nil, fmt.Errorf("%w: another process has held %s for %s, longer than asking for keys may take",
				chaim.ErrLocked, path, lockTimeout)
		}
	}
}

// tryLock returns nil where another process has the lock, or has just removed it.
func tryLock(path string) (*sharedfile.Side, error) {
	l, err := sharedfile.LockSide(path, os.O_CREATE|os.O_RDWR, false)
	switch {
	case errors.Is(err, sharedfile.ErrUnsafe):
		return nil, errtext.Because(ErrUnsafe, err)
	case err != nil:
		return nil, errtext.Wrap(err, "cannot lock cached credentials")
	}
	return l, nil
}

// Sweep removes the files of credentials that have expired, torn ones, and what killed processes left, until ctx ends. It
// passes over what a process is busy with, and returns the paths that are gone.
func (c Cache) Sweep(ctx context.Context) ([]string, error) { return c.remove(ctx, false) }

// Clear removes the files of all credentials, and returns the paths that are gone. It waits for processes that are busy
// with some.
func (c Cache) Clear(ctx context.Context) ([]string, error) { return c.remove(ctx, true) }

func (c Cache) remove(ctx context.Context, isAll bool) (gone []string, err error) {
	if _, err := os.Lstat(c.Folder); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(c.Folder)
	if err != nil {
		return nil, errtext.Wrap(err, "cannot list the cache of credentials")
	}
	for _, f := range files { // sorted: temporary files, then those of each key, the lock last
		name, isTemp := sharedfile.TempFor(f.Name())
		if !isTemp {
			name = f.Name()
		}
		match := fileRule().FindStringSubmatch(name)
		if match == nil {
			continue
		}
		if ctx.Err() != nil {
			return gone, err // a later sweep goes on from there
		}
		path := filepath.Join(c.Folder, f.Name())
		isGone, oneErr := c.removeFile(ctx, path, match[1], isAll, isTemp)
		if isGone {
			gone = append(gone, path)
		}
		err = errors.Join(err, oneErr)
	}
	return gone, err
}

// removeFile removes a file of a key, unless it is in use.
func (c Cache) removeFile(ctx context.Context, path, key string, isAll, isTemp bool) (isGone bool, err error) {
	l, err := c.lock(ctx, key, isAll)
	if l == nil || err != nil {
		return false, err
	}
	defer l.Close()
	e, err := c.read(key)
	now := time.Now()
	switch isUsed := err == nil && (e.isValid(now) || e.failure(now, now, nil) != nil); {
	case isUsed && !isAll && !isTemp:
		return false, nil
	case path == l.Path():
		err = l.Remove()
	default:
		err = sharedfile.Remove(path)
	}
	if err != nil {
		return false, errtext.Wrap(err, "cannot remove cached credentials")
	}
	return true, nil
}
