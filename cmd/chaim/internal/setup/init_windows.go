package setup

import "io/fs"

// checkPrivate accepts every file: the mode says nothing of rights here.
func checkPrivate(fs.FileInfo) error { return nil }
