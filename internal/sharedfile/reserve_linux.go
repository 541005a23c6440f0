package sharedfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const errFull, errQuota = unix.ENOSPC, unix.EDQUOT

// reserveStart is behind the longest text of a lease, so that a longer note takes nothing of the reserved space.
const reserveStart = MaxLockSize

func reserve(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, reserveStart, size)
		if !errors.Is(err, unix.EINTR) { // by a signal of the Go runtime
			return err
		}
	}
}
