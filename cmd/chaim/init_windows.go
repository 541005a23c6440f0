package main

import "io/fs"

// checkPrivate lets everything pass: rights are not in the mode here.
func checkPrivate(fs.FileInfo) error { return nil }
