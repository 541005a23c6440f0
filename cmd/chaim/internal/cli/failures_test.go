package cli

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

func TestFailures(t *testing.T) {
	denied, locked := fmt.Errorf("a: %w", chaim.ErrDenied), fmt.Errorf("b: %w", chaim.ErrLocked)
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(proc.SignalError{Signal: syscall.SIGTERM})
	for want, errs := range map[int][]error{
		ExitOK:     nil,
		ExitDenied: {denied, denied},
		ExitLocked: {locked},
		ExitFailed: {denied, locked, denied},
	} {
		err := Failures(t.Context(), errs)
		assert.Equal(t, want, ExitCode(err))
		for _, cause := range errs {
			assert.ErrorIs(t, err, cause)
		}
	}
	assert.NoError(t, Failures(t.Context(), []error{nil, nil}))
	several := Failures(t.Context(), []error{denied})
	assert.True(t, AreSeveral(several))
	assert.False(t, errors.As(several, new(proc.Exit)), "no program has run")
	assert.False(t, AreSeveral(denied))
	assert.Equal(t, ExitDenied, ExitCode(Failures(t.Context(), []error{nil, denied})))
	assert.Equal(t, proc.Signaled+int(syscall.SIGTERM), ExitCode(Failures(interrupted, []error{denied, locked})))
}

func TestProfileOf(t *testing.T) {
	for account, want := range map[string]string{
		"sredev":           "sredev",
		"Connected Homes":  "Connected-Homes",
		"O'Brien & (Sons)": "O-Brien-Sons-",
		"a_b.c/d%e@f:g+h-": "a_b.c/d%e@f:g+h-",
		"a\x1b[31m\nb":     "a-31m-b",
		"übung":            "-bung",
	} {
		assert.Equal(t, want, ProfileOf(account))
	}
}
