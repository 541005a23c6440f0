//go:build !linux

package main

// runAsInit does nothing: here the first process is the system's.
func runAsInit() (code int, isInit bool) { return 0, false }
