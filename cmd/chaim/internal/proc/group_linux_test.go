package proc

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
	cmd.ExtraFiles = []*os.File{w}
	ended := make(chan error)
	go func() { ended <- runGroup(ctx, cmd, time.Hour, taker(io.Discard)) }()
	var leader, left int
	_, err = fmt.Fscan(r, &leader, &left)
	require.NoError(t, err)
	awaitState(t, leader, "Z") // its number is not free
	end(errTold)
	require.NoError(t, syscall.Kill(left, syscall.SIGKILL))
	assert.EqualError(t, <-ended, "chaim: ended early, with exit code 0")
	assert.ErrorIs(t, syscall.Kill(leader, 0), syscall.ESRCH, "it has been reaped")
}

// slowReader is a Writer that takes nothing before it is opened.
type slowReader struct {
	open  chan struct{}
	count int
}

func (s *slowReader) Write(text []byte) (int, error) {
	<-s.open
	s.count += len(text)
	return len(text), nil
}

// TestProgramWaitsForAReader has a program that writes more than is held in memory.
func TestProgramWaitsForAReader(t *testing.T) {
	to := &slowReader{open: make(chan struct{})}
	cmd := exec.Command("sh", "-c", "head -c 5000000 /dev/zero; echo end >&2")
	stderr := &slowReader{open: make(chan struct{})}
	var taken func()
	ended := make(chan error, 1)
	go func() {
		var err error
		taken, err = RunGroup(t.Context(), cmd, time.Minute, taker(to), taker(stderr))
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	case <-time.After(time.Second):
	}
	close(to.open)
	require.NoError(t, <-ended, "it does not wait for the reader of stderr")
	close(stderr.open)
	taken()
	assert.Equal(t, 5000000, to.count)
	assert.Equal(t, len("end\n"), stderr.count)
}

// TestOutputAfterTheEndHasABound has a process that a program leaves write more than is held in memory.
func TestOutputAfterTheEndHasABound(t *testing.T) {
	to := &slowReader{open: make(chan struct{})}
	cmd := exec.Command("sh", "-c", "head -c 5000000 /dev/zero & exit 0")
	const enough = 4 * time.Second // to write that much on a busy machine
	taken, err := RunGroup(t.Context(), cmd, enough, taker(to))
	require.EqualError(t, err, "chaim: it has ended, but left a process that keeps its output open")
	close(to.open)
	taken()
	assert.Greater(t, to.count, MaxHeld-mostRead, "the next read finds no room")
	assert.LessOrEqual(t, to.count, MaxHeld+mostRead, "and what the taker had in its hands")
}
