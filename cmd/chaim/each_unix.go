//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// leadGroup makes the program the leader of a session of its own. It and what it starts are ended together, the keyboard
// ends it through us and once, and a question to the terminal fails instead of waiting for an answer among many.
func leadGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func signalGroup(leader *os.Process, s os.Signal) error {
	err := syscall.Kill(-leader.Pid, s.(syscall.Signal))
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
