package proc

import (
	"errors"
	"os/exec"

	"golang.org/x/sys/unix"
)

// awaitEnd waits until a program has ended. The caller must call reap. Until then no other process or group gets the
// program's number, so that a signal to its group reaches no stranger.
func awaitEnd(cmd *exec.Cmd) (reap func() error) {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return cmd.Wait // waits itself if Waitid failed
		}
	}
}

// isStopped reports once for each stop that a child is stopped. It does not take the child's exit status.
func isStopped(child int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, child, &info, unix.WSTOPPED|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}
