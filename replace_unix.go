//go:build unix

package chaim

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

func rename(from, to string) error { return os.Rename(from, to) }

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// checkOwner refuses a file that the user could not have written, which a rename would replace all the same, and one
// of another user, who would lose it to the owner of this process. Nor does root leave its files in another user's
// folder, as sudo with that user's HOME would.
func checkOwner(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().Perm()&0o200 == 0:
		return fmt.Errorf("chaim: cannot write %s: it is read-only: %w", path, fs.ErrPermission)
	case err == nil:
		return checkOwnerIs(path, info, os.Geteuid())
	}
	for dir := filepath.Dir(path); os.Geteuid() == 0; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil {
			return checkOwnerIs(dir, info, 0)
		}
	}
	return nil
}

func checkOwnerIs(path string, info os.FileInfo, uid int) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != uid {
		return fmt.Errorf("chaim: %s belongs to user id %d, and this process runs as %d: run it as that user: %w", path, stat.Uid, uid, fs.ErrPermission)
	}
	return nil
}
