//go:build unix

package sharedfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

func rename(from, to string) error { return os.Rename(from, to) }

func remove(path string) error { return os.Remove(path) }

// IsOpen reports whether users other than the owner may read or write a file.
func IsOpen(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// SyncDir makes a rename in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// CheckOwner refuses a read-only file, which a rename would replace all the same. It refuses a file or a folder of another
// user, who would lose the file to the user of this process. So sudo with that user's HOME leaves no files of root there. It
// also refuses a folder that all users may write.
func CheckOwner(path string) error {
	info, err := os.Stat(path)
	if err == nil {
		if info.Mode().Perm()&0o200 == 0 {
			return refusal(path, path+" is read-only", fs.ErrPermission)
		}
		if uid, ok := owner(info); ok && uid != os.Geteuid() {
			return wrongOwner(path, uid)
		}
	}
	return checkFolders(path, filepath.Dir(path))
}

// checkFolders checks dir, which is the folder of path, or the next one above it that exists. It refuses a folder of another
// user than root, and one in which all users may replace files. The group may write to it: on many systems each user has a
// group alone.
func checkFolders(path, dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			if dir == filepath.Dir(dir) {
				return nil
			}
			continue // to be created
		}
		if uid, ok := owner(info); ok && uid != os.Geteuid() && uid != 0 {
			return wrongOwner(dir, uid)
		}
		if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return refusal(path, "all users may write to "+dir+", and could read or replace the credentials there: chmod o-w it", fs.ErrPermission)
		}
		return nil
	}
}

// Identity tells a folder from another one of the same name, as in a container. It is empty for a missing folder.
func Identity(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return dir
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

func owner(info fs.FileInfo) (uid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

func wrongOwner(path string, uid int) error {
	return refusal(path, fmt.Sprintf("%s belongs to user id %d, and this process runs as %d: run it as that user", path, uid, os.Geteuid()), fs.ErrPermission)
}

// isNull reports whether info describes the null device, under any path: a container has one beside that of the host.
func isNull(_ string, info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	a, isKnown := null.Sys().(*syscall.Stat_t)
	b, isOther := info.Sys().(*syscall.Stat_t)
	return isKnown && isOther && a.Rdev == b.Rdev
}
