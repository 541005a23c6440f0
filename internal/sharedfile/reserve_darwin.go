package sharedfile

import (
	"os"

	"golang.org/x/sys/unix"
)

const errFull, errQuota = unix.ENOSPC, unix.EDQUOT

// reserve keeps the length of the file. The call adds to the space that is set aside already, see fcntl(2) of macOS.
func reserve(f *os.File, size int64) error {
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return err
	}
	block := max(1, int64(stat.Blksize))
	text := (stat.Size + block - 1) / block * block // that the text takes
	if size -= max(0, 512*stat.Blocks-text); size <= 0 {
		return nil
	}
	return unix.FcntlFstore(f.Fd(), unix.F_PREALLOCATE, &unix.Fstore_t{
		Flags: unix.F_ALLOCATEALL, Posmode: unix.F_PEOFPOSMODE, Length: size,
	})
}
