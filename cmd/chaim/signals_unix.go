//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	endingSignals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
	outputSignals = []os.Signal{syscall.SIGPIPE}
)

// isFromTerminal reports whether the terminal sends such a signal to the program as well, because that is in the
// foreground with us. Programs such as Terraform take a second one for impatience.
func isFromTerminal(s os.Signal) bool {
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

// endOf is the exit code of a program that has ended, as shells have it.
func endOf(err *exec.ExitError) int {
	if status, isUnix := err.Sys().(syscall.WaitStatus); isUnix && status.Signaled() {
		return exitSignal + int(status.Signal())
	}
	return err.ExitCode()
}
