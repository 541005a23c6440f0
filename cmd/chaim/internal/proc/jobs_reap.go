//go:build !linux

package proc

import (
	"os/exec"
)

// awaitEnd waits until a program has ended, and reaps it at once. reap closes its pipes: they may hold output until then.
func awaitEnd(cmd *exec.Cmd) (reap func() error) {
	state, err := cmd.Process.Wait()
	if err == nil && !state.Success() {
		err = &exec.ExitError{ProcessState: state}
	}
	return func() error {
		_ = cmd.Wait() // finds no process any more
		return err
	}
}
