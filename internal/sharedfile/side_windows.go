package sharedfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

const (
	noFollow = windows.FILE_FLAG_OPEN_REPARSE_POINT // opens the link itself, which is not a regular file
	noWait   = 0                                    // Windows has no named pipes in folders

	errTooLarge = syscall.EFBIG
)

func isHeldOff(error) bool { return false }

// checkPrivate does nothing: the ACL, which a file inherits from its folder, decides who may write.
func checkPrivate(string, fs.FileInfo) error { return nil }

func checkOwn(f *os.File, path string) error {
	if hasOtherName(f, nil) {
		return otherName(path)
	}
	return nil
}

func checkLink(string, fs.FileInfo) error { return nil }

// IsOwnFile reports whether info describes a regular file.
func IsOwnFile(info fs.FileInfo) bool { return info.Mode().IsRegular() }

func hasOtherName(f *os.File, _ fs.FileInfo) bool {
	var info windows.ByHandleFileInformation
	err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info)
	return err == nil && info.NumberOfLinks > 1
}

func makePrivate(*os.File, fs.FileInfo) error { return nil }

func repairMode(string) bool { return false }

// tryLock locks the first byte, as every version of chaim does.
func tryLock(f *os.File, isShared bool) (isFree bool, err error) {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if !isShared {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

func needsWriting(error) bool { return false }

// Remove ends the lock of a file and then removes it: Windows does not allow the other order.
func (s *Side) Remove() error { return errors.Join(s.Close(), Remove(s.path)) }
