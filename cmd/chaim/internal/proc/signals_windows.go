package proc

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

// isTyped is true: the console sends Ctrl-C to the program as well, and no other signal can be passed on.
func isTyped(os.Signal) bool { return true }

func isBesideUs(*os.Process) bool { return true }

func interruptUs() {}

func isInterrupted(*exec.ExitError) bool { return false }

// EndOf is the exit code of a program.
func EndOf(err *exec.ExitError) int { return err.ExitCode() }
