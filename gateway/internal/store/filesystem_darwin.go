package store

import "golang.org/x/sys/unix"

// networkFileSystem returns the kind of a file system of another machine, or "" if path is on none.
func networkFileSystem(path string) string {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil || fs.Flags&unix.MNT_LOCAL != 0 {
		return ""
	}
	return unix.ByteSliceToString(fs.Fstypename[:])
}
