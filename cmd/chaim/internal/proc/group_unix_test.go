//go:build unix

package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errTold = errors.New("told to")

// runGroup is RunGroup without the wait for the takers.
func runGroup(ctx context.Context, cmd *exec.Cmd, grace time.Duration, takers ...func(io.Reader)) error {
	_, err := RunGroup(ctx, cmd, grace, takers...)
	return err
}

// taker copies an output to w.
func taker(w io.Writer) func(io.Reader) {
	return func(output io.Reader) { _, _ = io.Copy(w, output) }
}

// beginGroup runs a script as a group that has grace to end, and returns when the script has printed a line. rest returns what
// is printed from then on; it ends when all processes have.
func beginGroup(t *testing.T, script string, grace time.Duration) (end context.CancelCauseFunc, ended <-chan error, rest func() string) {
	t.Helper()
	ctx, end := context.WithCancelCause(t.Context())
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout = w
	result := make(chan error)
	go func() { result <- runGroup(ctx, cmd, grace) }()
	out := bufio.NewReader(r)
	_, err = out.ReadString('\n')
	require.NoError(t, err)
	return end, result, func() string {
		t.Helper()
		require.NoError(t, w.Close())
		text, err := io.ReadAll(out)
		require.NoError(t, err)
		return string(text)
	}
}

// TestProgramThatStaysIsKilled has one that ignores the signal, and has started another that does.
func TestProgramThatStaysIsKilled(t *testing.T) {
	end, ended, rest := beginGroup(t, `trap "" TERM; (exec sleep 1000) & echo; wait`, time.Millisecond)
	end(errTold)
	assert.Equal(t, &Error{Code: Signaled + int(syscall.SIGKILL), Text: "signal: killed"}, <-ended)
	rest()
}

// TestWhatAProgramLeavesIsEnded has one that ends at the signal, and has started another that ignores it.
func TestWhatAProgramLeavesIsEnded(t *testing.T) {
	end, ended, rest := beginGroup(t, `(trap "" TERM; echo; exec sleep 1000) & wait`, time.Second)
	end(errTold)
	assert.EqualError(t, <-ended, "chaim: signal: terminated")
	rest()
}

// TestWhatAProgramLeavesHasTimeToEnd has one that ends at the signal, and has started another that then cleans up.
func TestWhatAProgramLeavesHasTimeToEnd(t *testing.T) {
	end, ended, rest := beginGroup(t, `(trap "sleep 0.2; echo clean; exit" TERM; echo; while :; do sleep 0.1; done) & wait`, time.Hour)
	end(errTold)
	assert.EqualError(t, <-ended, "chaim: signal: terminated")
	assert.Equal(t, "clean\n", rest())
}

// TestWhatHoldsTheOutputIsEnded has a program that ended before the signal came.
func TestWhatHoldsTheOutputIsEnded(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `sleep 1000 3>&- & echo $$ >&3`)
	var out strings.Builder
	cmd.ExtraFiles = []*os.File{w}
	ended := make(chan error)
	go func() { ended <- runGroup(ctx, cmd, time.Hour, taker(&out)) }()
	var pid int
	_, err = fmt.Fscan(r, &pid)
	require.NoError(t, err)
	awaitState(t, pid, "Z") // ended, and not reaped
	end(errTold)
	assert.EqualError(t, <-ended, "chaim: ended early, with exit code 0")
	assert.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "it has been reaped")
}

// awaitState waits until ps tells that state of a process.
func awaitState(t *testing.T, pid int, state string) {
	t.Helper()
	require.Eventually(t, func() bool {
		got, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		return err == nil && strings.HasPrefix(string(got), state)
	}, time.Minute, time.Millisecond)
}

// TestProgramThatHasStoppedIsEnded has one that would not get the signal otherwise.
func TestProgramThatHasStoppedIsEnded(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	cmd := exec.Command("sh", "-c", `trap "exit 9" TERM; echo $$; kill -STOP $$; while :; do sleep 0.1; done`)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout = w
	ended := make(chan error)
	go func() { ended <- runGroup(ctx, cmd, time.Hour) }()
	var pid int
	_, err = fmt.Fscan(r, &pid)
	require.NoError(t, err)
	awaitState(t, pid, "T")
	end(errTold)
	assert.EqualError(t, <-ended, "chaim: exit code 9")
}

func TestProgramIsNotBegunAfterTheEnd(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	end(errTold)
	cmd := exec.Command("sh", "-c", "exit 1")
	assert.Equal(t, errTold, runGroup(ctx, cmd, time.Hour))
	assert.Nil(t, cmd.Process)
}

func TestProgramThatEndsWellWhenToldToHasFailed(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `trap "exit 0" HUP; echo; while :; do sleep 0.1; done`)
	cmd.Stdout = w
	ended := make(chan error)
	go func() { ended <- runGroup(ctx, cmd, time.Hour) }()
	_, err = bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	end(SignalError{Signal: syscall.SIGHUP})
	assert.EqualError(t, <-ended, "chaim: ended early, with exit code 0")
}

func TestOutputOfWhatIsLeftRunningIsNotWaitedForLong(t *testing.T) {
	var out strings.Builder
	cmd := exec.Command("sh", "-c", `sleep 1000 & echo $!`)
	taken, err := RunGroup(t.Context(), cmd, 0, taker(&out))
	assert.Equal(t, &Error{Code: 0, Text: "it has ended, but left a process that keeps its output open"}, err)
	taken()
	left, err := strconv.Atoi(strings.TrimSpace(out.String()))
	require.NoError(t, err)
	assert.NoError(t, syscall.Kill(left, syscall.SIGKILL), "it is the user's decision")
}

// TestProgramEndsBesideABlockedTaker writes more than a pipe holds, while the reader of the first bytes is blocked.
func TestProgramEndsBesideABlockedTaker(t *testing.T) {
	reading, blocked := make(chan struct{}), make(chan struct{})
	taker := func(output io.Reader) {
		_, _ = output.Read(make([]byte, 1))
		close(reading)
		<-blocked
		_, _ = io.Copy(io.Discard, output)
	}
	cmd := exec.Command("sh", "-c", "yes | head -c 100000")
	taken, err := RunGroup(t.Context(), cmd, time.Hour, taker)
	require.NoError(t, err)
	<-reading
	close(blocked)
	taken()
}

// TestLateOutputIsPassedOn has another process write after the end of the program.
func TestLateOutputIsPassedOn(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	got := make(chan string)
	taker := func(output io.Reader) {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			got <- lines.Text()
		}
	}
	ended := make(chan error)
	go func() {
		cmd := exec.Command("sh", "-c", `{ echo late; read line <"$0"; } & echo first`, pipe)
		_, err := RunGroup(t.Context(), cmd, time.Hour, taker)
		ended <- err
	}()
	assert.ElementsMatch(t, []string{"first", "late"}, []string{<-got, <-got}, "while the other process keeps the output open")
	require.NoError(t, os.WriteFile(pipe, []byte("go on\n"), 0))
	require.NoError(t, <-ended)
}
