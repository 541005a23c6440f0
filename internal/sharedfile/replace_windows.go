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

// A reader that opened a file without FILE_SHARE_DELETE makes renaming over it and removing it fail until it closes it.
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

// Identity tells a folder from others; it is empty for a missing one.
func Identity(dir string) string {
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// IsOpen reports nothing: who may read is the business of the ACL, which mode bits do not show.
func IsOpen(fs.FileInfo) bool { return false }

// SyncDir does nothing: Windows has no such call, and NTFS journals its renames.
func SyncDir(string) error { return nil }

// CheckOwner refuses a read-only file. Who may write is the business of the ACL, which the new file inherits from the
// folder.
func CheckOwner(path string) error {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o200 == 0 {
		return refusal(path, path+" is read-only", fs.ErrPermission)
	}
	return nil
}

func checkFolders(string, string) error { return nil }

// isNull reports whether path, of which info is, is the null device.
func isNull(path string, info fs.FileInfo) bool {
	return info.Mode()&fs.ModeCharDevice != 0 && strings.EqualFold(filepath.Base(path), os.DevNull)
}
