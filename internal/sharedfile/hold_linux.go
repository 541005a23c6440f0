package sharedfile

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// holdOffWriters takes a read lease of the kernel: a program that opens the file for writing waits until f is closed, for 45
// seconds at most. isBusy means that a program already has the file open for writing, see knowsWriters.
//
// https://man7.org/linux/man-pages/man2/F_SETLEASE.2const.html
func holdOffWriters(f *os.File) (isHeld, isBusy bool) {
	// The kernel signals that a program waits. SIGURG ends no program.
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETSIG, int(unix.SIGURG)); err != nil {
		return false, false
	}
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	return err == nil, errors.Is(err, unix.EAGAIN)
}

// knowsWriters reports whether isBusy of holdOffWriters can be trusted. It tries that on the lock file, which only the
// holder of the lock writes. NFS calls each file busy for which it has no delegation.
func knowsWriters(path string) bool {
	s, err := OpenSide(path, os.O_RDONLY, MaxLockSize)
	if err != nil {
		return true // as on most file systems
	}
	defer s.Close()
	isHeld, _ := holdOffWriters(s.file)
	return isHeld
}

// isAwaited reports whether a program waits to open the file for writing.
func isAwaited(f *os.File) bool {
	kind, err := unix.FcntlInt(f.Fd(), unix.F_GETLEASE, 0)
	return err != nil || kind != unix.F_RDLCK
}

// exchange swaps two files in one step.
func exchange(a, b string) error { return renameat2(a, b, unix.RENAME_EXCHANGE) }

// create renames from to a name that must not exist.
func create(from, to string) error { return renameat2(from, to, unix.RENAME_NOREPLACE) }

func renameat2(from, to string, flags uint) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP):
		err = errors.ErrUnsupported // by this file system
	}
	return &fs.PathError{Op: "rename", Path: to, Err: err}
}
