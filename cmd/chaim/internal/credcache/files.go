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

	lockFlags = os.O_CREATE | os.O_RDWR
	maxSize   = 64 << 10

	lockTimeout = fetchTimeout + 5*time.Second // so that callers which wait learn of a fetch that timed out
	lockPoll    = 10 * time.Millisecond        // to twice that
)

var (
	keyRule  = lazyregexp.New(`^[0-9a-f]{64}$`)
	fileRule = lazyregexp.New(`^([0-9a-f]{64})(\.json|\.lock)$`)
)

// prepare makes the folder, and refuses one that is not private.
func (c Cache) prepare() error {
	if err := sharedfile.CheckOwner(c.path("", dataExtension)); err != nil {
		return errtext.Because(sharedfile.ErrUnsafe, err)
	}
	if err := sharedfile.MakeSideFolder(c.folder); err != nil {
		return errtext.Wrap(err, "cannot use the cache of credentials")
	}
	return nil
}

// read returns what is known of a key. Keys that other users could have read are not used any more. A file that they could
// have written is an error.
func (c Cache) read(key string) (entry, error) {
	f, err := sharedfile.OpenSide(c.path(key, dataExtension), os.O_RDONLY, maxSize)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EFBIG) { // a file that large is not chaim's, and is replaced
		return entry{}, nil
	}
	var text []byte
	if err == nil {
		defer f.Close()
		if sharedfile.IsOpen(f.Info()) {
			c.logger().Warn("chaim: cached credentials were open to other users, and are not used any more", "path", f.Path())
			return entry{}, nil
		}
		text, err = f.Read()
	}
	if err != nil {
		return entry{}, errtext.Wrap(err, "cannot read cached credentials")
	}
	return parse(key, text), nil
}

// lock takes the lock of a key. Without waiting, nil means that another process has it.
func (c Cache) lock(ctx context.Context, key string, isWaiting bool) (*sharedfile.Side, error) {
	path := c.path(key, lockExtension)
	var timeout <-chan time.Time
	for {
		l, err := sharedfile.LockSide(path, lockFlags, false)
		switch {
		case err != nil:
			return nil, errtext.Wrap(err, "cannot lock cached credentials")
		case l != nil || !isWaiting:
			return l, nil
		case timeout == nil:
			timeout = time.After(lockTimeout)
			defer awaiting.For(ctx, "the process that holds "+path+" and asks for the same keys")()
		}
		select {
		case <-time.After(lockPoll + rand.N(lockPoll)):
		case <-ctx.Done():
			return nil, errtext.Wrap(context.Cause(ctx), "waiting for %s", path)
		case <-timeout:
			return nil, fmt.Errorf("%w: another process has held %s for %s, longer than asking for keys may take",
				chaim.ErrLocked, path, lockTimeout)
		}
	}
}

// Sweep removes the files of keys that have expired, broken files, and what killed processes left, until ctx ends. It skips
// files that a process uses, and returns the paths of removed files.
func (c Cache) Sweep(ctx context.Context) ([]string, error) { return c.remove(ctx, false) }

// Clear removes the files of all keys, and returns their paths. It waits for processes that use some.
func (c Cache) Clear(ctx context.Context) ([]string, error) { return c.remove(ctx, true) }

func (c Cache) remove(ctx context.Context, isAll bool) (gone []string, err error) {
	if _, err := os.Lstat(c.folder); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(c.folder)
	for _, f := range files { // sorted: temporary files, then those of each key, the lock last
		name, isTemp := sharedfile.TempFor(f.Name())
		if !isTemp {
			name = f.Name()
		}
		match := fileRule().FindStringSubmatch(name)
		if match == nil || ctx.Err() != nil { // a later sweep goes on from there
			continue
		}
		path := filepath.Join(c.folder, f.Name())
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
	switch isUsed := err == nil && (e.isValid(now) || e.failure(now, now) != nil); {
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
