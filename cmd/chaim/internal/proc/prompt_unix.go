//go:build unix

package proc

import (
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// hasPrompt reports whether a shell has the terminal for itself. A shell with job control leads a process group, and gives
// the terminal to another group for each command. Without job control, commands share the group of chaim. A program in the
// shell's own group, as in a command substitution, may draw too.
func hasPrompt(shell int, terminal uintptr) bool {
	foreground, err := unix.IoctlGetInt(int(terminal), unix.TIOCGPGRP)
	if err != nil || foreground != shell || foreground == unix.Getpgrp() {
		return false
	}
	name, isAlone := aloneInGroup(shell)
	return isAlone && isShell(name)
}

// backgroundTurn is held while SIGTTOU is ignored.
var backgroundTurn sync.Mutex

// FromBackground calls fn, which may use the terminal while another process group has it. Otherwise the system would stop
// this process. A program that is started meanwhile ignores the signal for good, so fn must be short.
func FromBackground(fn func()) {
	backgroundTurn.Lock()
	defer backgroundTurn.Unlock()
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	fn()
}
