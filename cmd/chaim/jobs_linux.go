package main

import (
	"errors"
	"os/exec"

	"golang.org/x/sys/unix"
)

// awaitEnd waits until a program has ended, and leaves it to the function that it returns to reap it. Until then its number
// is that of no other process or group, so that signals to its group reach no stranger.
func awaitEnd(cmd *exec.Cmd) (reap func() error) {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return cmd.Wait // which waits itself, where that failed
		}
	}
}

// isStopped reports once for each stop whether a child is stopped. It leaves how the child ends to others.
func isStopped(child int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, child, &info, unix.WSTOPPED|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}
