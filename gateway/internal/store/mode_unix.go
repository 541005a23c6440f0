//go:build !windows

package store

import "io/fs"

// isOpenToOthers reports whether a file has one of these permissions.
func isOpenToOthers(mode, permissions fs.FileMode) bool { return mode.Perm()&permissions != 0 }
