//go:build !windows

package audit

import (
	"errors"
	"os"
)

// syncFolder puts the name of a new file on the disk.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
