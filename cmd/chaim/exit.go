package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/chaim-go/chaim"
)

// The exit codes of all commands. Those above 125 are a shell's.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDenied      = 3
	exitUnreachable = 4
	exitLocked      = 5
	exitCannotRun   = 126
	exitNotFound    = 127
	exitSignal      = 128 // and the number of the signal
	exitReader      = 141 // the reader of the output has gone: that of SIGPIPE, on every system
)

// silentError ends the command with a code, after everything has been said.
type silentError struct{ code int }

func (e silentError) Error() string { return "" }

// exitCode is that of a command that ended with err.
func exitCode(err error) int {
	var silent silentError
	var caught signalError
	var output *fs.PathError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &silent) && silent.code != 0:
		return silent.code
	case errors.As(err, &caught):
		return caught.exitCode()
	case errors.As(err, new(usageError)):
		return exitUsage
	case errors.As(err, &output) && output.Path == os.Stdout.Name() && errors.Is(output, syscall.EPIPE):
		return exitReader
	case errors.Is(err, chaim.ErrDenied):
		return exitDenied
	case errors.Is(err, chaim.ErrLocked):
		return exitLocked
	case errors.Is(err, chaim.ErrUnreachable), isUnanswered(err):
		return exitUnreachable
	}
	return exitFailed
}

// isUnanswered reports whether a request to another server than a gateway or STS got no answer, such as to one that has the
// keys that sign.
func isUnanswered(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "read" || op.Op == "write")
}

// cannotStart is the exit code for a program that err kept from being started.
func cannotStart(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound
	}
	return exitCannotRun
}

// explain says on stderr what went wrong, and what may help.
func (a *app) explain(err error, code int) {
	if err == nil || code == exitReader || errors.Is(err, context.Canceled) && code > exitSignal {
		return
	}
	text := strings.TrimSpace(err.Error())
	if text == "" {
		return
	}
	for line := range strings.Lines(text) {
		a.say("%s", plainly(line))
	}
	if also := hint(err, code); also != "" {
		a.say("%s", also)
	}
}
