//go:build !linux && !darwin && !windows

package store

// networkFileSystem does not know the file systems of this operating system.
func networkFileSystem(string) string { return "" }
