//go:build unix

package dev

import (
	"os/exec"
	"syscall"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
)

// exitCode is the exit code of a program as shells have it.
func exitCode(err *exec.ExitError) int {
	if status, isUnix := err.Sys().(syscall.WaitStatus); isUnix && status.Signaled() {
		return cli.ExitSignaled + int(status.Signal())
	}
	return err.ExitCode()
}
