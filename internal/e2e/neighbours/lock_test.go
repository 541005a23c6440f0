//go:build neighbours && linux

package neighbours

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// borrowUntilTold opens scopes until its input ends.
func borrowUntilTold(dir string) error {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for {
		if err := borrow(context.Background(), dir); err != nil {
			return err
		}
		select {
		case <-ended:
			return nil
		default:
		}
	}
}

// TestStoppedHolder has a scope wait for a process that was stopped while it has the lock.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	h := newHome(t, 10)
	holder := child(t, "restless", h.dir)
	holder.Stderr = os.Stderr
	in, err := holder.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	stopWithLock(t, holder, h.path+".lock")

	start := time.Now()
	err = chaim.WithContext(t.Context(), options(h.dir), func(context.Context, *chaim.Client) error {
		t.Error("called without a profile")
		return nil
	})
	took := time.Since(start)
	assert.ErrorIs(t, err, chaim.ErrLocked)
	assert.ErrorContains(t, err, fmt.Sprintf("process %d ", holder.Process.Pid))
	t.Logf("%v after %s", err, took.Round(time.Millisecond))

	require.NoError(t, holder.Process.Signal(unix.SIGCONT))
	assert.NoError(t, borrow(t.Context(), h.dir))
	require.NoError(t, in.Close())
	assert.NoError(t, holder.Wait())
	h.assertUntouched(t)
}

// stopWithLock stops a process that takes a lock again and again, at a moment when it has the lock. The process must have
// written its name into the lock file before.
func stopWithLock(t *testing.T, holder *exec.Cmd, path string) {
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(path)
		return err == nil && strings.HasPrefix(string(text), fmt.Sprintf("process %d ", holder.Process.Pid))
	}, time.Minute, time.Millisecond)
	for {
		<-time.After(20 * time.Millisecond)
		require.NoError(t, holder.Process.Signal(unix.SIGSTOP))
		var status unix.WaitStatus
		_, err := unix.Wait4(holder.Process.Pid, &status, unix.WUNTRACED, nil)
		require.NoError(t, err)
		require.True(t, status.Stopped(), "ended: %d", status)
		lock, err := sharedfile.LockSide(path, os.O_RDONLY, false)
		require.NoError(t, err)
		if lock == nil {
			return
		}
		require.NoError(t, lock.Close())
		require.NoError(t, holder.Process.Signal(unix.SIGCONT))
	}
}
