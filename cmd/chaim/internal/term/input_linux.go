package term

import (
	"os"

	"golang.org/x/sys/unix"
)

// DropInput discards what was typed into a terminal and not yet read.
func DropInput(terminal *os.File) error {
	return unix.IoctlSetInt(int(terminal.Fd()), unix.TCFLSH, unix.TCIFLUSH)
}
