//go:build unix && !linux

package main

import "golang.org/x/sys/unix"

// forbidCoreDumps keeps what is in memory out of dumps. Programs that are started inherit it, and may lift it.
func forbidCoreDumps() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	limit.Cur = 0
	return unix.Setrlimit(unix.RLIMIT_CORE, &limit)
}
