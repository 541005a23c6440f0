package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/profiles"
	"github.com/chaim-go/chaim/internal/sharedfile"
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
	held, err := waitForLock(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.ok(name, "there is no lock file yet on which locks could be tried")
		return
	case errors.Is(err, sharedfile.ErrUnsafe):
		c.fail(name, errtext.Unprefixed(err), "until then no command that changes the credentials file works")
		return
	case err != nil:
		c.warn(name, fmt.Sprintf("whether locks work cannot be tried on %s: %v", path, err),
			"make it yours, or remove it while nothing uses chaim")
		return
	case held == nil:
		c.fail(name, fmt.Sprintf("%s holds %s for more than %s", holder(path), path, lockPatience),
			"wait for that program, or end it; one that is stopped goes on with 'kill -CONT'")
		return
	}
	defer held.Close()
	second, err := sharedfile.LockSide(path, os.O_RDONLY, false)
	if second != nil {
		err = second.Close()
	}
	c.checkExclusion(path, second == nil, err)
}

// checkExclusion tells what came of locking a file that is locked. Some network file systems let two have the lock.
func (c *checkup) checkExclusion(path string, isExclusive bool, err error) {
	const name = "lock"
	switch {
	case err != nil:
		c.warn(name, fmt.Sprintf("whether %s keeps others out cannot be told: %v", path, err),
			"keep the credentials file on a local file system")
	case !isExclusive:
		c.fail(name, fmt.Sprintf("two programs can lock %s at the same time", path),
			"the file system has no working locks: keep the credentials file on another, with AWS_SHARED_CREDENTIALS_FILE")
	default:
		c.ok(name, "%s can be locked, and keeps others out", path)
	}
}

// waitForLock returns nil where another process has the lock for all of lockPatience.
func waitForLock(path string) (*sharedfile.Side, error) {
	for start := time.Now(); ; <-time.After(lockPoll) {
		l, err := sharedfile.LockSide(path, os.O_RDONLY, false)
		if l != nil || err != nil || time.Since(start) >= lockPatience {
			return l, err
		}
	}
}

// holder is the process that has put itself into the lock file.
func holder(path string) string {
	text, _ := sharedfile.ReadSide(path, 1<<10) // what is no lock file names none
	line, _, _ := strings.Cut(string(text), "\n")
	if !strings.HasPrefix(line, "process ") {
		return "another process"
	}
	return line
}

// checkLeftovers looks for what dead processes left, which "chaim sweep" and most other commands remove.
func (c *checkup) checkLeftovers(a *app, f awsFiles) {
	const name = "leftovers"
	if f.target == "" {
		return
	}
	profiles, files, err := profiles.Open(f.path, nil, a.log).Leftovers()
	if err != nil {
		return // said by the check of the file
	}
	if profiles+files == 0 {
		c.ok(name, "nothing is left of programs that died")
		return
	}
	left := counted(profiles, "profile", "profiles") + " and " + counted(files, "file", "files")
	c.warn(name, "programs that died left "+left, "run 'chaim sweep'")
}
