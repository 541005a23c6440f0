//go:build !linux

package main

import "os/exec"

// awaitEnd waits until a program has ended, and reaps it at once: the reap that it returns only tells how it ended.
func awaitEnd(cmd *exec.Cmd) (reap func() error) {
	err := cmd.Wait()
	return func() error { return err }
}
