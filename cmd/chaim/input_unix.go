//go:build unix

package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// hasInput reports whether there is a line to be read from a terminal, now or after a while.
func hasInput(terminal *os.File, wait time.Duration) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(terminal.Fd()), Events: unix.POLLIN}}, int(wait/time.Millisecond))
	return n > 0 && err == nil
}
