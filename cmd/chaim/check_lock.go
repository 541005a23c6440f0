package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
)

const (
	lockPatience = time.Second // an edit takes milliseconds
	lockPoll     = 5 * time.Millisecond
)

// checkLock looks whether the lock beside the credentials file can be had, and whether it keeps others out.
func (c *checkup) checkLock(f awsFiles) {
	const name = "lock"
	if f.target == "" {
		return
	}
	path := f.target + ".lock"
	_, err := os.Stat(path)
	isMissing := err != nil
	if isMissing {
		path = filepath.Dir(f.target) // most systems lock that as well, and nobody else does
	}
	one := flock.New(path, flock.SetFlag(os.O_RDONLY))
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	isFree, err := one.TryLockContext(ctx, lockPoll)
	switch {
	case err != nil && isMissing:
		c.ok(name, "there is no lock file yet on which locks could be tried")
		return
	case ctx.Err() != nil:
		c.fail(name, fmt.Sprintf("%s holds %s for more than %s", holder(path), path, lockPatience),
			"wait for that program, or end it; one that is stopped goes on with 'kill -CONT'")
		return
	case err != nil || !isFree:
		c.warn(name, fmt.Sprintf("whether locks work cannot be tried on %s: %v", path, err),
			"make it yours, or remove it while nothing uses chaim")
		return
	}
	defer one.Close()
	excludes, err := areExclusive(one, flock.New(path, flock.SetFlag(os.O_RDONLY)))
	switch {
	case err != nil:
		c.warn(name, fmt.Sprintf("whether %s keeps others out cannot be told: %v", path, err),
			"keep the credentials file on a local file system")
	case !excludes:
		c.fail(name, fmt.Sprintf("two programs can lock %s at the same time", path),
			"the file system has no working locks: keep the credentials file on another, with AWS_SHARED_CREDENTIALS_FILE")
	default:
		c.ok(name, "%s can be locked, and keeps others out", path)
	}
}

// locker is an open file that can be locked.
type locker interface {
	TryLock() (bool, error)
	Close() error
}

// areExclusive reports whether a lock that is held keeps another open description of the same file from having it. Some
// network file systems let both have it.
func areExclusive(held, other locker) (bool, error) {
	if isHeld, err := held.TryLock(); err != nil || !isHeld {
		return false, errors.Join(err, errors.New("the lock was lost"))
	}
	isFree, err := other.TryLock()
	return !isFree, errors.Join(err, other.Close())
}

// holder is whoever has put itself into the lock file.
func holder(path string) string {
	text, _ := os.ReadFile(path) // a folder has none
	line, _, _ := strings.Cut(string(text), "\n")
	if !strings.HasPrefix(line, "process ") {
		return "somebody"
	}
	return line
}

// checkLeftovers looks for what dead processes left, which "chaim sweep" and most other commands remove.
func (c *checkup) checkLeftovers(f awsFiles) {
	const name = "leftovers"
	scopes, err := lease.Beside(f.path)
	if err != nil || f.target == "" {
		return
	}
	isLive, profiles := map[string]bool{}, 0
	for _, s := range inifile.Scan(f.doc) {
		pairs := s.Managed(f.doc)
		if scope, isIntact := lease.Of(pairs); isIntact {
			if isLive[scope.ID] = scopes.IsLive(pairs); !isLive[scope.ID] {
				profiles++
			}
		}
	}
	files := 0
	entries, _ := os.ReadDir(scopes.Folder) // what is not there has nothing
	for _, e := range entries {
		name, isLease := strings.CutSuffix(e.Name(), lease.Extension)
		id, isOurs := strings.CutPrefix(name, filepath.Base(f.target)+"-")
		if isLease && isOurs && !isLive[id] && isAbandoned(filepath.Join(scopes.Folder, e.Name())) {
			files++
		}
	}
	if profiles+files == 0 {
		c.ok(name, "nothing is left of programs that died")
		return
	}
	left := counted(profiles, "profile", "profiles") + " and " + counted(files, "file", "files")
	c.warn(name, "programs that died left "+left, "run 'chaim sweep'")
}

// isAbandoned reports whether nobody holds a lease any more.
func isAbandoned(path string) bool {
	l := flock.New(path, flock.SetFlag(os.O_RDONLY))
	isFree, err := l.TryRLock()
	return err == nil && isFree && l.Close() == nil
}
