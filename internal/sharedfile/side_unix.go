//go:build unix

package sharedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	noFollow = unix.O_NOFOLLOW
	noWait   = unix.O_NONBLOCK | unix.O_NOCTTY

	errTooLarge = syscall.EFBIG
)

// isHeldOff reports whether another process has kept a file from being opened, see holdOffWriters.
func isHeldOff(err error) bool { return errors.Is(err, unix.EWOULDBLOCK) }

// checkPrivate refuses a file or a folder that belongs to another user, or that others may write.
func checkPrivate(path string, info fs.FileInfo) error {
	if uid, ok := owner(info); ok && uid != os.Geteuid() {
		return otherOwner(path, uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return writeable(path)
	}
	return nil
}

func otherOwner(path string, uid int) error {
	why := fmt.Sprintf("belongs to user id %d, and this process runs as %d", uid, os.Geteuid())
	return unsafeFile(path, why, "run it as that user, or remove it", fs.ErrPermission)
}

func writeable(path string) error {
	return unsafeFile(path, "can be written to by other users", "chmod go-w it if what it holds is yours, or remove it", fs.ErrPermission)
}

// checkOwn refuses a file that another user could have made or changed. Other tools may have made it, so its group may write
// it, and it may belong to the owner of its folder.
func checkOwn(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	uid, ok := owner(info)
	above, _ := owner(folder)
	switch {
	case ok && uid != os.Geteuid() && uid != above:
		return otherOwner(path, uid)
	case info.Mode().Perm()&0o002 != 0:
		return writeable(path)
	case hasOtherName(f, info):
		return otherName(path)
	}
	return nil
}

// checkLink refuses a symbolic link of another user, unless that user is root or owns the folder of the link.
func checkLink(path string, info fs.FileInfo) error {
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	uid, ok := owner(info)
	if above, _ := owner(folder); ok && uid != 0 && uid != os.Geteuid() && uid != above {
		return otherOwner(path, uid)
	}
	return nil
}

// IsOwnFile reports whether info describes a regular file of this user.
func IsOwnFile(info fs.FileInfo) bool {
	uid, ok := owner(info)
	return info.Mode().IsRegular() && ok && uid == os.Geteuid()
}

func hasOtherName(_ *os.File, info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink > 1
}

func makePrivate(f *os.File, info fs.FileInfo) error {
	if info.Mode().Perm() == 0o600 {
		return nil
	}
	return f.Chmod(0o600)
}

// repairMode gives a side file mode 0600 if its process died while the file still had the mode that the umask left. It
// reports whether it did. The file cannot be opened first, so this is done only in a folder where no other user can put a
// link meanwhile.
func repairMode(path string) bool {
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil || checkPrivate("", folder) != nil {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && checkSide(path, info, MaxLockSize) == nil && !hasOtherName(nil, info) &&
		info.Mode().Perm()&0o600 != 0o600 && os.Chmod(path, 0o600) == nil
}

// tryLock uses flock(2): the lock ends with the process, and a child process does not inherit it.
func tryLock(f *os.File, isShared bool) (isFree bool, err error) {
	how := unix.LOCK_EX
	if isShared {
		how = unix.LOCK_SH
	}
	err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// needsWriting reports whether a file could not be locked because it is not open for writing, as on NFS.
func needsWriting(err error) bool { return errors.Is(err, unix.EBADF) || errors.Is(err, unix.EIO) }

// Remove removes a locked file and then ends the lock, so that no other process can lock the file in between.
func (s *Side) Remove() error { return errors.Join(Remove(s.path), s.Close()) }
