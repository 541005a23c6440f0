package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/chaim-go/chaim/gateway/internal/store"
)

// The exit codes of all commands. They are those of chaim. A program that a command ran for the user has its own.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitDenied      = 3   // the policy does not allow what was asked about
	ExitUnreachable = 4   // the database or AWS did not answer
	ExitCannotRun   = 126 // the program cannot be run
	ExitNotFound    = 127 // the program is not found
	ExitSignaled    = 128 // and the number of the signal
	ExitReader      = 141 // the reader of the output has gone
)

// usageError is a command line that makes no sense. Nothing was done.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// Usagef returns the error for a command line that makes no sense.
func Usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// Exit ends the program with an exit code. Its text is empty if all has been said.
type Exit struct {
	Code int
	Text string
}

func (e *Exit) Error() string { return e.Text }

// Ended is the cause of a context that a signal ended.
type Ended struct{ Signal os.Signal }

func (e Ended) Error() string { return fmt.Sprintf("ended by signal: %v", e.Signal) }

// Code is the exit code for that.
func (e Ended) Code() int {
	if n, isNumbered := e.Signal.(syscall.Signal); isNumbered {
		return ExitSignaled + int(n)
	}
	return ExitFailed
}

// ExitCode is the exit code of a command that ended with err.
func ExitCode(err error) int {
	var exit *Exit
	var ended Ended
	var op *net.OpError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &ended):
		return ended.Code()
	case errors.As(err, new(usageError)):
		return ExitUsage
	case errors.Is(err, syscall.EPIPE):
		return ExitReader
	case errors.As(err, &op), errors.Is(err, store.ErrBusy), errors.Is(err, store.ErrUnknown), errors.Is(err, context.DeadlineExceeded):
		return ExitUnreachable
	}
	return ExitFailed
}

// Explain says on stderr what went wrong, a line for each error.
func (a *App) Explain(err error) {
	if err == nil || ExitCode(err) == ExitReader {
		return
	}
	for line := range strings.Lines(strings.TrimSpace(err.Error())) {
		a.Say("%s", strings.TrimPrefix(strings.TrimSpace(line), "chaim: "))
	}
}
