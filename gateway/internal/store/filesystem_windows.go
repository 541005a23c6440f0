package store

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// networkFileSystem returns the kind of a file system of another machine, or "" if path is on none.
func networkFileSystem(path string) string {
	volume, err := windows.UTF16PtrFromString(filepath.VolumeName(path) + `\`)
	if err != nil || windows.GetDriveType(volume) != windows.DRIVE_REMOTE {
		return ""
	}
	return "a network drive"
}
