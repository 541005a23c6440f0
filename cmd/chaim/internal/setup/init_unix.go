//go:build unix

package setup

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// checkPrivate refuses a file that other users could have read or written.
func checkPrivate(info fs.FileInfo) error {
	stat, isUnix := info.Sys().(*syscall.Stat_t)
	if info.Mode().Perm()&0o077 != 0 || !isUnix || int(stat.Uid) != os.Geteuid() {
		return errors.New("chaim: others can read or write it: it must be your own, with a mode such as 0600")
	}
	return nil
}
