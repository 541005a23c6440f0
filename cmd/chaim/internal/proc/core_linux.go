package proc

import (
	"golang.org/x/sys/unix"
)

// ForbidCoreDumps keeps keys in memory out of core dumps, also of those that go to a pipe, and out of reach of the user's
// other programs. Programs that this process starts do not inherit that.
func ForbidCoreDumps() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
