package sharedfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const errFull, errQuota = unix.ENOSPC, unix.EDQUOT

// reserveStart is behind what side files hold that have space reserved, which stays theirs.
const reserveStart = MaxLockSize

func reserve(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, reserveStart, size)
		if !errors.Is(err, unix.EINTR) { // as of a signal of the Go runtime
			return err
		}
	}
}
