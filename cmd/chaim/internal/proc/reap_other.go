//go:build !linux

package proc

// RunAsInit does nothing: the first process is always the system's.
func RunAsInit() (code int, isInit bool) { return 0, false }
