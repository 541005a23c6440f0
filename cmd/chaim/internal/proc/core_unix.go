//go:build unix && !linux

package proc

import (
	"golang.org/x/sys/unix"
)

// ForbidCoreDumps keeps keys in memory out of core dumps. Programs that this process starts inherit that, and may undo it.
func ForbidCoreDumps() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	limit.Cur = 0
	return unix.Setrlimit(unix.RLIMIT_CORE, &limit)
}
