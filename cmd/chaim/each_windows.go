package main

import (
	"math"
	"os"
	"os/exec"
	"syscall"
)

// leadGroup does nothing: the console sends Ctrl-C to all programs.
func leadGroup(*exec.Cmd) {}

// signalGroup can only kill, and 0 asks whether the program is there.
func signalGroup(leader *os.Process, s os.Signal) error {
	switch s {
	case os.Interrupt:
		return nil
	case syscall.Signal(0):
		return leader.Signal(s)
	}
	return leader.Kill()
}

// maxOpenFiles is without limit for handles.
func maxOpenFiles() uint64 { return math.MaxUint64 }
