package sharedfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// While a reader has a file open without FILE_SHARE_DELETE, it cannot be removed and nothing can be renamed over it.
const (
	retryTimeout = 2 * time.Second
	retryPoll    = 5 * time.Millisecond

	errorSharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION
)

func rename(from, to string) error { return retry(func() error { return os.Rename(from, to) }) }

func remove(path string) error { return retry(func() error { return os.Remove(path) }) }

func retry(f func() error) error {
	deadline := time.Now().Add(retryTimeout)
	for {
		err := f()
		busy := errors.Is(err, syscall.ERROR_ACCESS_DENIED) || errors.Is(err, errorSharingViolation)
		if !busy || time.Now().After(deadline) {
			return err
		}
		time.Sleep(retryPoll)
	}
}

// Identity tells a folder from others. It is empty for a missing folder.
func Identity(dir string) string {
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// IsOpen is always false: the ACL, which mode bits do not show, decides who may read.
func IsOpen(fs.FileInfo) bool { return false }

// SyncDir does nothing: Windows has no such call, and NTFS journals its renames.
func SyncDir(string) error { return nil }

// CheckOwner refuses a read-only file. The ACL, which the new file inherits from the folder, decides who may write.
func CheckOwner(path string) error {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o200 == 0 {
		return refusal(path, path+" is read-only", fs.ErrPermission)
	}
	return nil
}

func checkFolders(string, string) error { return nil }

// isNull reports whether path, which info describes, is the null device.
func isNull(path string, info fs.FileInfo) bool {
	return info.Mode()&fs.ModeCharDevice != 0 && strings.EqualFold(filepath.Base(path), os.DevNull)
}
