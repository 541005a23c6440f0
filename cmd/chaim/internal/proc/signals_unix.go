//go:build unix

package proc

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	endingSignals = []os.Signal{
		syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
	}
	outputSignals = []os.Signal{syscall.SIGPIPE}
)

// isTyped reports whether a signal may come from the keyboard: this process is in the foreground of its terminal. The same
// signal from another process looks the same.
func isTyped(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}

// isBesideUs reports whether a key that sends a signal reaches the program together with this process.
func isBesideUs(p *os.Process) bool {
	group, err := unix.Getpgid(p.Pid)
	return err == nil && group == unix.Getpgrp()
}

// interruptUs ends this process by SIGINT.
func interruptUs() {
	signal.Reset(syscall.SIGINT)
	if unix.Kill(unix.Getpid(), syscall.SIGINT) == nil {
		<-time.After(time.Second) // the signal may reach another thread
	}
}

// EndOf is the exit code of a program as shells have it.
func EndOf(err *exec.ExitError) int {
	if status, isUnix := err.Sys().(syscall.WaitStatus); isUnix && status.Signaled() {
		return Signaled + int(status.Signal())
	}
	return err.ExitCode()
}

// isInterrupted reports whether SIGINT has ended a program.
func isInterrupted(err *exec.ExitError) bool {
	status, isUnix := err.Sys().(syscall.WaitStatus)
	return isUnix && status.Signaled() && status.Signal() == syscall.SIGINT
}
