//go:build unix && !linux

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropInput forgets what was typed into a terminal and not read.
func dropInput(terminal *os.File) error {
	const reading = 1 // FREAD of sys/fcntl.h
	return unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCFLUSH, reading)
}
