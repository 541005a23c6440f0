package main

import "golang.org/x/sys/unix"

// forbidCoreDumps keeps what is in memory out of dumps, also of those that a pipe takes, whatever the limit is, and out of
// the reach of the user's other programs. A program that is started does not inherit it.
func forbidCoreDumps() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
