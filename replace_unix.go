//go:build unix

package chaim

import (
	"fmt"
	"io/fs"
	"os"
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

// checkReplaceable refuses a file that the user could not have written, which a rename would replace all the same, and
// one of another user, who would lose it to the owner of this process.
func checkReplaceable(path string, info os.FileInfo) error {
	if info == nil {
		return nil
	}
	if info.Mode().Perm()&0o200 == 0 {
		return fmt.Errorf("chaim: cannot write %s: it is read-only: %w", path, fs.ErrPermission)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("chaim: cannot write %s: it belongs to user id %d, and this process runs as %d: %w", path, stat.Uid, os.Geteuid(), fs.ErrPermission)
	}
	return nil
}
