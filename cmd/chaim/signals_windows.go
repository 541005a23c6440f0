package main

import (
	"os"
	"os/exec"
	"syscall"
)

// A console that is closed sends SIGTERM.
var (
	endingSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}
	outputSignals []os.Signal
)

// isFromTerminal is true, as the console sends Ctrl-C to the program as well, and nothing else can be passed on.
func isFromTerminal(os.Signal) bool { return true }

func endOf(err *exec.ExitError) int { return err.ExitCode() }
