package store

import "io/fs"

// isOpenToOthers does not know: on Windows the ACL of the folder decides.
func isOpenToOthers(fs.FileMode, fs.FileMode) bool { return false }
