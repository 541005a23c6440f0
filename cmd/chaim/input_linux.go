package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropInput forgets what was typed into a terminal and not read.
func dropInput(terminal *os.File) error {
	return unix.IoctlSetInt(int(terminal.Fd()), unix.TCFLSH, unix.TCIFLUSH)
}
