package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

// The exit codes of all commands. [proc.Exit] has those above 125.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitDenied      = 3
	ExitUnreachable = 4
	ExitLocked      = 5
	ExitReader      = 141 // the reader of the output has gone: that of SIGPIPE, on every system
)

// usageError is a command line that makes no sense. No server was asked.
type usageError struct{ text string }

func (e usageError) Error() string { return "chaim: " + e.text }

// Usage returns the error for a command line that makes no sense.
func Usage(text string) error { return usageError{text} }

// Usagef is Usage with a format.
func Usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// ExitCode is the exit code of a command that ended with err.
func ExitCode(err error) int {
	var exit proc.Exit
	var common commonCode
	var caught proc.SignalError
	var program *proc.Error
	var output *fs.PathError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit) && exit != 0:
		return int(exit)
	case errors.As(err, &common):
		return int(common)
	case errors.As(err, &caught):
		return caught.Code()
	case errors.As(err, &program):
		return program.Code
	case errors.As(err, new(usageError)):
		return ExitUsage
	case errors.As(err, &output) && output.Path == os.Stdout.Name() && errors.Is(output, syscall.EPIPE):
		return ExitReader
	case errors.Is(err, chaim.ErrDenied):
		return ExitDenied
	case errors.Is(err, chaim.ErrLocked):
		return ExitLocked
	case errors.Is(err, chaim.ErrUnreachable), isUnanswered(err):
		return ExitUnreachable
	}
	return ExitFailed
}

// isUnanswered reports whether a server that is neither a gateway nor STS did not answer, such as one that has the signing
// keys.
func isUnanswered(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "read" || op.Op == "write")
}

// commonCode is the exit code of several errors. Unlike a [proc.Exit] it does not say that a program has run.
type commonCode int

func (commonCode) Error() string { return "" }

// Failures joins the errors of a command that goes on after a failure; those that are nil do not count. The exit code is the
// one that all have, or else 1. That of a signal wins.
func Failures(ctx context.Context, errs []error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	code := ExitCode(errs[0])
	for _, err := range errs {
		if ExitCode(err) != code {
			code = ExitFailed
		}
	}
	if ctx.Err() != nil {
		code = ExitCode(context.Cause(ctx))
	}
	return errors.Join(append(errs, commonCode(code))...)
}

// AreSeveral reports whether an error is of a command that goes on after a failure, so that it may have printed results.
func AreSeveral(err error) bool { return errors.As(err, new(commonCode)) }

// Explain says on stderr what went wrong, and what may help.
func (a *App) Explain(err error, code int) {
	if err == nil || code == ExitReader || errors.Is(err, context.Canceled) && code > proc.Signaled {
		return
	}
	text := strings.TrimSpace(err.Error())
	if text == "" {
		return
	}
	for line := range strings.Lines(text) {
		a.Say("%s", Plainly(line))
	}
	if also := Hint(err, code); also != "" {
		a.Say("%s", also)
	}
}
