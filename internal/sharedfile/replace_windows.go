package sharedfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// A reader that opened the file without FILE_SHARE_DELETE makes the rename fail until it closes it.
const (
	renameTimeout = 2 * time.Second
	renamePoll    = 5 * time.Millisecond

	errorSharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION
)

func rename(from, to string) error {
	deadline := time.Now().Add(renameTimeout)
	for {
		err := os.Rename(from, to)
		busy := errors.Is(err, syscall.ERROR_ACCESS_DENIED) || errors.Is(err, errorSharingViolation)
		if !busy || time.Now().After(deadline) {
			return err
		}
		time.Sleep(renamePoll)
	}
}

// syncDir does nothing: Windows has no such call, and NTFS journals its renames.
func syncDir(string) error { return nil }

// CheckOwner refuses a read-only file. Who may write is the business of the ACL, which the new file inherits from the
// folder.
func CheckOwner(path string) error {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o200 == 0 {
		return refusal(path, path+" is read-only", fs.ErrPermission)
	}
	return nil
}
