//go:build !linux

package sharedfile

import (
	"errors"
	"os"
)

// holdOffWriters does nothing on this system: edits notice other writers by comparing the file.
func holdOffWriters(*os.File) (isHeld, isBusy bool) { return false, false }

func knowsWriters(string) bool { return false }

func isAwaited(*os.File) bool { return false }

func exchange(_, _ string) error { return errors.ErrUnsupported }

func create(_, _ string) error { return errors.ErrUnsupported }
