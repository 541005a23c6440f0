package main

import "golang.org/x/sys/unix"

// isStopped reports whether a child is stopped. It leaves how the child ends to others.
func isStopped(child int) bool {
	const stopped = 4 // SSTOP of sys/proc.h
	info, err := unix.SysctlKinfoProc("kern.proc.pid", child)
	return err == nil && info.Proc.P_stat == stopped
}
