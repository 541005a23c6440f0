//go:build unix && !linux

package term

import (
	"os"

	"golang.org/x/sys/unix"
)

// DropInput discards what was typed into a terminal and not yet read.
func DropInput(terminal *os.File) error {
	const reading = 1 // FREAD of sys/fcntl.h
	return unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCFLUSH, reading)
}
