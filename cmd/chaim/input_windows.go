package main

import (
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// hasInput reports that nothing is there: a console does not tell lines from other events.
func hasInput(*os.File, time.Duration) bool { return false }

// dropInput forgets what was typed into a console and not read.
func dropInput(console *os.File) error {
	return windows.FlushConsoleInputBuffer(windows.Handle(console.Fd()))
}
