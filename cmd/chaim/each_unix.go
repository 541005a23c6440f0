//go:build unix

package main

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// leadGroup makes the program the leader of a session of its own. It and what it starts are ended together, the keyboard
// ends it through us and once, and a question to the terminal fails instead of waiting for an answer among many.
func leadGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// signalGroup also continues what has stopped, which would get no other signal. 0 asks whether there is anything.
func signalGroup(leader *os.Process, s os.Signal) error {
	err := syscall.Kill(-leader.Pid, s.(syscall.Signal))
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	if err == nil && s != syscall.Signal(0) {
		_ = syscall.Kill(-leader.Pid, syscall.SIGCONT)
	}
	return err
}

// maxOpenFiles is how many this process may have. The runtime has raised it as far as it could.
func maxOpenFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return uint64(limit.Cur)
}
