package main

import (
	"os"
	"os/exec"
)

// leadGroup does nothing: the console sends Ctrl-C to all programs.
func leadGroup(*exec.Cmd) {}

// signalGroup can only kill.
func signalGroup(leader *os.Process, s os.Signal) error {
	if s == os.Interrupt {
		return nil
	}
	return leader.Kill()
}
