//go:build unix

package proc

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSignalRightBeforeTheProgram has it come between the keys and the program.
func TestSignalRightBeforeTheProgram(t *testing.T) {
	ctx, r := RelaySignals(t.Context())
	defer r.Close()
	r.take(syscall.SIGTERM)
	cmd := exec.Command("touch", filepath.Join(t.TempDir(), "began"))
	err := r.Run(ctx, cmd, slog.New(slog.DiscardHandler))
	assert.Equal(t, SignalError{syscall.SIGTERM}, err)
	assert.Equal(t, Signaled+int(syscall.SIGTERM), SignalError{syscall.SIGTERM}.Code())
	assert.Nil(t, cmd.Process)
}

// TestSignalAfterTheProgram has it come when only the removal of the profile is left to do.
func TestSignalAfterTheProgram(t *testing.T) {
	ctx, r := RelaySignals(t.Context())
	defer r.Close()
	cmd := exec.Command("true")
	require.NoError(t, r.Run(ctx, cmd, slog.New(slog.DiscardHandler)))
	r.take(syscall.SIGTERM)
	assert.NoError(t, ctx.Err())
}

func TestSignalThatCannotBePassedOn(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	require.NoError(t, self.Release()) // as good as one of another user
	var said bytes.Buffer
	r := &Relay{program: relayed{process: self, log: slog.New(slog.NewTextHandler(&said, nil))}}
	r.take(syscall.SIGTERM)
	assert.Contains(t, said.String(), "level=WARN")
	assert.Contains(t, said.String(), "signal=terminated")
}
