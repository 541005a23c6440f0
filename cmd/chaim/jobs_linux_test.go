package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNumberOfAProgramIsItsOwnUntilItsOutputIsRead has one that leaves another outside of its group, which holds the output.
// A signal that comes then must not reach a stranger.
func TestNumberOfAProgramIsItsOwnUntilItsOutputIsRead(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `echo $$ >&3; setsid sh -c 'echo $$ >&3; exec sleep 1000 3>&-' &`)
	cmd.Stdout, cmd.ExtraFiles = io.Discard, []*os.File{w}
	ended := make(chan error)
	go func() { ended <- new(result).runToEnd(ctx, cmd, time.Hour) }()
	var leader, left int
	_, err = fmt.Fscan(r, &leader, &left)
	require.NoError(t, err)
	awaitState(t, leader, "Z") // its number is not free
	end(errStopped)
	require.NoError(t, syscall.Kill(left, syscall.SIGKILL))
	assert.EqualError(t, <-ended, "chaim: ended early, with exit code 0")
	assert.ErrorIs(t, syscall.Kill(leader, 0), syscall.ESRCH, "it has been reaped")
}

func TestProgramIsLeftToBeReaped(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 7")
	require.NoError(t, cmd.Start())
	reap := awaitEnd(cmd)
	assert.NoError(t, syscall.Kill(cmd.Process.Pid, 0), "its number is not free")
	assert.EqualError(t, reap(), "exit status 7")
	assert.ErrorIs(t, syscall.Kill(cmd.Process.Pid, 0), syscall.ESRCH)
}
