package cli

import (
	"os"
	"syscall"
)

// A console that is closed sends SIGTERM.
var watchedSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}

// IsHangup is false: Windows has no such signal.
func IsHangup(os.Signal) bool { return false }

// IsTyped is true: the console sends Ctrl-C to all its programs.
func IsTyped(os.Signal) bool { return true }
