//go:build unix

package proc

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// leadGroup makes the program the leader of a session of its own. So it ends together with what it starts, Ctrl-C reaches it
// once and through chaim, and a question to the terminal fails instead of waiting among many.
func leadGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// signalGroup also continues a stopped group, which would get no other signal. Signal 0 asks whether it is there.
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

// MaxOpenFiles is how many files this process may have open. The Go runtime has raised the limit as far as it could.
func MaxOpenFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return uint64(limit.Cur)
}
