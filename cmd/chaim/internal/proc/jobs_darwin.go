package proc

import (
	"golang.org/x/sys/unix"
)

// isStopped reports whether a child is stopped. It does not take the child's exit status.
func isStopped(child int) bool {
	const stopped = 4 // SSTOP of sys/proc.h
	info, err := unix.SysctlKinfoProc("kern.proc.pid", child)
	return err == nil && info.Proc.P_stat == stopped
}
