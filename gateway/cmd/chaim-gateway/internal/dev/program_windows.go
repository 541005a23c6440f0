package dev

import "os/exec"

// exitCode is the exit code of a program.
func exitCode(err *exec.ExitError) int { return err.ExitCode() }
