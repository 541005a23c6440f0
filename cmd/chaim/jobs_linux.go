package main

import "golang.org/x/sys/unix"

// isStopped reports once for each stop whether a child is stopped. It leaves how the child ends to others.
func isStopped(child int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, child, &info, unix.WSTOPPED|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}
