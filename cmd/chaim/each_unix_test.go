//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term/termtest"
)

// pipe makes a named pipe in the folder.
func (e *eachTest) pipe(name string) string {
	path := filepath.Join(e.dir, name)
	require.NoError(e, syscall.Mkfifo(path, 0o600))
	return path
}

// holds waits until a program writes a line to the pipe, and returns what ends when the pipe is not held any longer.
func (e *eachTest) holds(path string) *bufio.Reader {
	f, err := os.Open(path)
	require.NoError(e, err)
	e.Cleanup(func() { _ = f.Close() })
	r := bufio.NewReader(f)
	_, err = r.ReadString('\n')
	require.NoError(e, err)
	return r
}

// noticing is a program that holds a pipe, waits for signals, and writes down which one has ended it.
const noticing = `for s in INT TERM HUP QUIT; do trap "echo $s >got-$CHAIM_ACCOUNT_ID; echo ended; exit 9" $s; done
touch ran-$CHAIM_ACCOUNT_ID
exec 3>pipe-$CHAIM_ACCOUNT_ID
echo >&3
while :; do sleep 0.1; done`

// TestSignalsEndAll sends each signal to chaim alone, as kill does.
func TestSignalsEndAll(t *testing.T) {
	for name, s := range map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
	} {
		t.Run(name, func(t *testing.T) {
			e := newEachTest(t)
			pipes := []string{e.pipe("pipe-111111111111"), e.pipe("pipe-222222222222")}
			cmd := e.command("-p", "2", "--", "sh", "-c", noticing)
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			require.NoError(t, cmd.Start())
			programs := []*bufio.Reader{e.holds(pipes[0]), e.holds(pipes[1])}
			require.NoError(t, cmd.Process.Signal(s))
			assert.Error(t, cmd.Wait())
			assert.Equal(t, proc.Signaled+int(s), cmd.ProcessState.ExitCode())
			for _, program := range programs {
				_, err := io.Copy(io.Discard, program) // ends when all processes have
				assert.NoError(t, err)
			}
			for _, id := range []string{"111111111111", "222222222222"} {
				got, err := os.ReadFile(filepath.Join(e.dir, "got-"+id))
				require.NoError(t, err)
				assert.Equal(t, name+"\n", string(got))
			}
			assert.NoFileExists(t, filepath.Join(e.dir, "ran-333333333333"))
			assert.Contains(t, stdout.String(), "sredev | ended\n", "last words are passed on")
			assert.Contains(t, stderr.String(), "chaim: 3 accounts, 2 failed, 1 not begun, in ")
			e.nothingLeft()
		})
	}
}

func TestSignalWhileTheAccountsAreAskedFor(t *testing.T) {
	e := newEachTest(t)
	e.srv.SetLatency(time.Hour)
	cmd := e.command("--", "touch", "began")
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return len(e.srv.Requests()) > 0 }, time.Minute, time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	assert.Error(t, cmd.Wait())
	assert.Equal(t, proc.Signaled+int(syscall.SIGTERM), cmd.ProcessState.ExitCode())
	assert.NoFileExists(t, filepath.Join(e.dir, "began"))
	assert.NoFileExists(t, filepath.Join(e.dir, "credentials"))
}

// TestReaderThatGoesAway is chaim each | head -n 1, with a program that writes and one that is silent.
func TestReaderThatGoesAway(t *testing.T) {
	e := newEachTest(t)
	pipes := []string{e.pipe("pipe-111111111111"), e.pipe("pipe-222222222222")}
	cmd := e.command("-p", "2", "--", "sh", "-c", `touch ran-$CHAIM_ACCOUNT_ID
exec 3>pipe-$CHAIM_ACCOUNT_ID
echo >&3
if test "$CHAIM_ACCOUNT" = sredev; then exec yes; fi
exec sleep 1000`)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	programs := []*bufio.Reader{e.holds(pipes[0]), e.holds(pipes[1])}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "sredev | y\n", line)
	require.NoError(t, stdout.Close())
	assert.Error(t, cmd.Wait())
	assert.Equal(t, proc.Signaled+int(syscall.SIGPIPE), cmd.ProcessState.ExitCode())
	for _, program := range programs {
		_, err := io.Copy(io.Discard, program)
		assert.NoError(t, err)
	}
	assert.NoFileExists(t, filepath.Join(e.dir, "ran-333333333333"))
	assert.Empty(t, stderr.String())
	e.nothingLeft()
}

// terminal starts a command on a terminal, and returns what reads from it until a text was there.
func (e *eachTest) terminal(cmd *exec.Cmd, width uint16) (file *os.File, until func(text string), written *strings.Builder) {
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: width})
	require.NoError(e, err)
	e.Cleanup(func() { _ = file.Close() })
	written = &strings.Builder{}
	r := bufio.NewReader(io.TeeReader(file, written))
	return file, func(text string) {
		for seen := ""; !strings.HasSuffix(seen, text); {
			b, err := r.ReadByte()
			if err != nil { // EIO, when all have closed it
				require.Equal(e, "\x00", text, "the terminal shows %q", written)
				return
			}
			seen += string(b)
		}
	}, written
}

// TestProgressBarOnTerminal has a narrow terminal.
func TestProgressBarOnTerminal(t *testing.T) {
	e := newEachTest(t)
	for _, id := range []string{"111111111111", "222222222222", "333333333333"} {
		e.pipe("pipe-" + id)
	}
	release := func(id string) {
		require.NoError(t, os.WriteFile(filepath.Join(e.dir, "pipe-"+id), []byte("go\n"), 0))
	}
	cmd := e.command("--", "sh", "-c", `read x <pipe-$CHAIM_ACCOUNT_ID; echo out; echo err >&2`)
	cmd.Env = append(cmd.Env, "TERM=xterm")
	const width = 50
	_, until, written := e.terminal(cmd, width)
	until("(0/3)")
	release("222222222222")
	until("(1/3)")
	release("111111111111")
	until("(2/3)")
	release("333333333333")
	until("\x00") // the end
	require.NoError(t, cmd.Wait())
	lines := termtest.Shown(t, width, strings.ReplaceAll(written.String(), "\r\n", "\n"))
	require.Len(t, lines, 7)
	assert.ElementsMatch(t, []string{"Connected Homes | out", "Connected Homes | err"}, lines[:2])
	assert.ElementsMatch(t, []string{"sredev | out", "sredev | err"}, lines[2:4])
	assert.ElementsMatch(t, []string{"O'Brien | out", "O'Brien | err"}, lines[4:6])
	assert.Regexp(t, `^chaim: 3 accounts, 0 failed, in [0-9.]+m?s$`, lines[6])
	e.nothingLeft()
}

func TestNoProgressBarOnADumbTerminal(t *testing.T) {
	e := newEachTest(t)
	cmd := e.command("--", "sleep", "0.5")
	cmd.Env = append(cmd.Env, "TERM=dumb")
	_, until, written := e.terminal(cmd, 80)
	until("\x00")
	require.NoError(t, cmd.Wait())
	assert.Regexp(t, `^chaim: 3 accounts, 0 failed, in [0-9.]+m?s\r\n$`, written.String())
}

// TestFewOpenFiles has so many accounts that all at once would need more.
func TestFewOpenFiles(t *testing.T) {
	e := newEachTest(t)
	const count = 40
	for i := range count - 3 {
		e.srv.AddAccount(fmt.Sprint(500000000000+i), fmt.Sprintf("team-%d", i))
	}
	each := e.command("-p", "1000", "--", "sh", "-c", "echo ran; sleep 0.1")
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `ulimit -n 96; exec "$@"`, "sh"}, each.Args...)...)
	cmd.Env, cmd.Dir = each.Env, each.Dir
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	assert.NoError(t, cmd.Run())
	assert.Equal(t, count, strings.Count(stdout.String(), " | ran\n"))
	assert.Regexp(t, `^chaim: 6 at a time, not 40: more would need more open files than 'ulimit -n' allows\n`+
		`chaim: 40 accounts, 0 failed, in [0-9.]+m?s\n$`, stderr.String())
	e.nothingLeft()
}

// TestInterruptOnTerminal presses Ctrl-C. Programs get it once.
func TestInterruptOnTerminal(t *testing.T) {
	e := newEachTest(t)
	pipe := e.pipe("pipe-111111111111")
	cmd := e.command("--match", "sredev", "--", "sh", "-c", noticing)
	keyboard, until, written := e.terminal(cmd, 80)
	program := e.holds(pipe)
	_, err := keyboard.WriteString("\x03")
	require.NoError(t, err)
	until("\x00")
	assert.Error(t, cmd.Wait())
	assert.Equal(t, proc.Signaled+int(syscall.SIGINT), cmd.ProcessState.ExitCode())
	_, err = io.Copy(io.Discard, program)
	assert.NoError(t, err)
	assert.Contains(t, written.String(), "sredev | ended")
	assert.Contains(t, written.String(), "chaim: 1 account, 1 failed, in ")
	e.nothingLeft()
}
