package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

// session is one in which a command runs, as the first of its session and in the foreground.
type session struct {
	*exec.Cmd
	t     *testing.T
	home  string
	keys  *os.File // and screen
	lines *bufio.Reader
	all   *os.File // at its end all that the command has started have ended
}

// onTerminal starts cmd on a terminal that does not show what is typed.
func onTerminal(t *testing.T, cmd *exec.Cmd) *session {
	t.Helper()
	keys, tty, err := pty.Open()
	require.NoError(t, err)
	defer tty.Close()
	require.NoError(t, keys.SetReadDeadline(time.Now().Add(patience)))
	mode, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	require.NoError(t, err)
	mode.Lflag &^= unix.ECHO
	mode.Oflag &^= unix.ONLCR
	require.NoError(t, unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, mode))

	all, held, err := os.Pipe()
	require.NoError(t, err)
	defer held.Close()
	require.NoError(t, all.SetReadDeadline(time.Now().Add(patience)))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.ExtraFiles = []*os.File{held}
	cmd.SysProcAttr.Setctty = true
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // where a test has failed
		_ = keys.Close()
		_ = all.Close()
	})
	return &session{cmd, t, cmd.Dir, keys, bufio.NewReader(keys), all}
}

func (x *session) types(text string) {
	x.t.Helper()
	_, err := x.keys.WriteString(text)
	require.NoError(x.t, err)
}

// shows waits until something is shown, and returns what was shown before it.
func (x *session) shows(text string) (before string) {
	x.t.Helper()
	var shown strings.Builder
	for !strings.HasSuffix(shown.String(), text) {
		b, err := x.lines.ReadByte()
		require.NoError(x.t, err, "waiting for %q: %q", text, shown.String())
		shown.WriteByte(b)
	}
	return strings.TrimSuffix(shown.String(), text)
}

// chaim returns the parent of a script that is counting, once that does.
func (x *session) chaim() *os.Process {
	x.t.Helper()
	x.shows("pid ")
	pid, err := strconv.Atoi(x.shows("\n"))
	require.NoError(x.t, err)
	p, err := os.FindProcess(pid)
	require.NoError(x.t, err)
	x.shows("ready\n")
	return p
}

// end waits for the end of the command and all that it has started, and returns how it has ended.
func (x *session) end() syscall.WaitStatus {
	x.t.Helper()
	_, err := x.all.Read(make([]byte, 1))
	require.EqualError(x.t, err, "EOF", "something runs on")
	_ = x.Wait() // an error for most ends
	return x.ProcessState.Sys().(syscall.WaitStatus)
}

// counting counts the signals that it gets, and ends on SIGUSR1.
const counting = `n=0; trap 'n=$((n+1)); echo got $n' INT QUIT; trap 'kill -KILL $!; echo counted $n; exit 3' USR1
	echo pid $PPID` + waiting

func TestTerminalSignalsReachTheProgramOnce(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	x := onTerminal(t, lending(srv, newHome(t), counting))
	chaim := x.chaim()
	x.types("\x03")
	x.shows("got 1\n")
	x.types("\x1c")
	x.shows("got 2\n")
	// chaim takes signals one after the other.
	require.NoError(t, chaim.Signal(syscall.SIGUSR1))
	x.shows("counted 2\n")
	assert.Equal(t, 3, x.end().ExitStatus())
	isClean(t, x.home)
}

// TestInterruptOfChaimAlone sends chaim what the keyboard sends to all, which cannot be told apart.
func TestInterruptOfChaimAlone(t *testing.T) {
	unignore(t)
	x := onTerminal(t, lending(chaimtest.NewServer(t), newHome(t), counting))
	chaim := x.chaim()
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1} {
		require.NoError(t, chaim.Signal(s))
	}
	x.shows("counted 0\n")
	assert.Equal(t, 3, x.end().ExitStatus())
	isClean(t, x.home)
}

// TestInterruptOfAnotherSession has a program that the keyboard does not reach.
func TestInterruptOfAnotherSession(t *testing.T) {
	unignore(t)
	cmd := inHome(chaimtest.NewServer(t), newHome(t), "chaim", "exec", "sredev", "--", "setsid", "sh", "-c", counting)
	x := onTerminal(t, cmd)
	chaim := x.chaim()
	x.types("\x03")
	x.shows("got 1\n")
	require.NoError(t, chaim.Signal(syscall.SIGUSR1))
	x.shows("counted 1\n")
	assert.Equal(t, 3, x.end().ExitStatus())
	isClean(t, x.home)
}

// TestInterruptEndsTheScript looks at how chaim ends, by which a shell tells that the user wants no more of its script.
func TestInterruptEndsTheScript(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	asked := make(chan struct{})
	wait := func(_ http.ResponseWriter, req *http.Request) {
		asked <- struct{}{}
		<-req.Context().Done()
	}
	for name, isBefore := range map[string]bool{"before the program": true, "in the program": false} {
		t.Run(name, func(t *testing.T) {
			srv.Clear()
			if isBefore {
				srv.Inject(-1, wait)
			}
			x := onTerminal(t, lending(srv, newHome(t), "echo ready; exec cat"))
			if isBefore {
				<-asked
			} else {
				x.shows("ready\n")
			}
			x.types("\x03")
			status := x.end()
			assert.True(t, status.Signaled(), "%#x", status)
			assert.Equal(t, syscall.SIGINT, status.Signal())
			isClean(t, x.home)
		})
	}
}

func TestTerminalStopsAndContinues(t *testing.T) {
	unignore(t)
	x := onTerminal(t, inHome(chaimtest.NewServer(t), newHome(t), "sh", "-m", "-c",
		`chaim exec sredev -- sh -c 'echo ready; read line; echo got $line; exit 3'; echo stopped $?; fg; echo code $?`))
	x.shows("ready\n")
	x.types("\x1a")
	x.shows("stopped " + strconv.Itoa(proc.Signaled+int(syscall.SIGTSTP)) + "\n")
	assert.Contains(t, credentials(t, x.home), "[tempname]\n")
	x.types("this\n")
	x.shows("got this\n")
	x.shows("code 3\n")
	assert.Zero(t, x.end().ExitStatus())
	isClean(t, x.home)
}

// TestProgramStopsItself has a shell with jobs of its own, in a process group of its own, and a program in that of chaim.
func TestProgramStopsItself(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	t.Run("shell", func(t *testing.T) {
		cmd := inHome(srv, newHome(t), "bash", "--norc", "--noprofile", "-i")
		cmd.Env = append(cmd.Env, "TERM=dumb") // for which readline writes no escape sequences
		x := onTerminal(t, cmd)
		x.shows("> ")
		x.types("chaim exec sredev -- bash --norc --noprofile -i\n")
		x.shows("> ")
		for range 3 {
			x.types("suspend\n")
			x.shows("Stopped")
			x.shows("> ")
			x.types("echo outer $CHAIM_ACCOUNT.\n")
			x.shows("outer .\n> ")
			x.types("fg\n")
			x.types("echo inner $CHAIM_ACCOUNT.\n")
			x.shows("inner sredev.\n> ")
		}
		x.types("exit 5\n")
		x.shows("> ")
		x.types("echo code $?.; exit 0\n")
		x.shows("code 5.\n")
		assert.Zero(t, x.end().ExitStatus())
		isClean(t, x.home)
	})
	t.Run("program", func(t *testing.T) {
		x := onTerminal(t, inHome(srv, newHome(t), "sh", "-m", "-c",
			`chaim exec sredev -- sh -c 'kill -STOP $$; echo goes on; exit 3'; echo stopped $?; fg; echo code $?`))
		x.shows("stopped ")
		x.shows("goes on\n")
		x.shows("code 3\n")
		assert.Zero(t, x.end().ExitStatus())
		isClean(t, x.home)
	})
	t.Run("where nothing could continue it", func(t *testing.T) {
		cmd := inHome(srv, newHome(t), "chaim", "exec", "sredev", "--", "bash", "--norc", "--noprofile", "-i")
		cmd.Env = append(cmd.Env, "TERM=dumb")
		x := onTerminal(t, cmd)
		x.shows("> ")
		x.types("suspend\n")
		x.types("echo on $CHAIM_ACCOUNT.; exit 3\n")
		x.shows("on sredev.\n")
		assert.Equal(t, 3, x.end().ExitStatus())
		isClean(t, x.home)
	})
}

func TestTerminalGoesAway(t *testing.T) {
	unignore(t)
	srv := chaimtest.NewServer(t)
	for name, args := range map[string][]string{
		"alone":      {"chaim", "exec", "sredev", "--", "sh", "-c", "echo ready; exec sleep 600"},
		"in a shell": {"sh", "-m", "-c", "chaim exec sredev -- sh -c 'echo ready; exec sleep 600'; echo more"},
	} {
		t.Run(name, func(t *testing.T) {
			x := onTerminal(t, inHome(srv, newHome(t), args[0], args[1:]...))
			x.shows("ready\n")
			require.NoError(t, x.keys.Close())
			if status := x.end(); args[0] == "chaim" {
				assert.Equal(t, proc.Signaled+int(syscall.SIGHUP), status.ExitStatus())
			}
			isClean(t, x.home)
		})
	}
}

func TestTerminalShell(t *testing.T) {
	unignore(t)
	x := onTerminal(t, inHome(chaimtest.NewServer(t), newHome(t), "chaim", "exec", "sredev", "mpu"))
	x.shows("> ")
	x.types("test -t 0 && test -t 1 && test -t 2 && echo $AWS_PROFILE $CHAIM_ACCOUNT $CHAIM_ROLE\n")
	x.shows("sredev-mpu sredev mpu\n> ")
	x.types("\x03") // is the shell's own matter
	x.shows("> ")
	x.types("exit 5\n")
	assert.Equal(t, 5, x.end().ExitStatus())
	isClean(t, x.home)
}

// TestProgramHasTheScreen has chaim warn while a program draws: another program has overwritten the profile.
func TestProgramHasTheScreen(t *testing.T) {
	unignore(t)
	home := newHome(t)
	log := filepath.Join(home, "log")
	x := onTerminal(t, lending(chaimtest.NewServer(t), home, "echo ready; read line; echo end", "--log-file", log))
	x.shows("ready\n")
	require.NoError(t, os.WriteFile(filepath.Join(home, "credentials"), []byte(foreign), 0o600))
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(log)
		return strings.Contains(string(text), "is written again")
	}, patience, time.Millisecond)
	x.types("\n")
	assert.Empty(t, x.shows("end\n"))
	x.shows("chaim: profile was changed or removed, and is written again (profile tempname, path " + filepath.Join(home, "credentials") + ")\n")
	assert.Zero(t, x.end().ExitStatus())
	isClean(t, home)
}

// TestSlowBrowserIsTold has a browser that waits, and then fails.
func TestSlowBrowserIsTold(t *testing.T) {
	unignore(t)
	home := newHome(t)
	pipe, browser := filepath.Join(home, "pipe"), filepath.Join(home, "browser")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(browser, []byte("#!/bin/sh\nread line <"+pipe+"\nexit 1\n"), 0o700))
	cmd := inHome(chaimtest.NewServer(t), home, "chaim", "gui", "sredev")
	cmd.Env = append(cmd.Env, "BROWSER="+browser)
	x := onTerminal(t, cmd)
	x.shows("chaim: waiting for a browser to ask for the page; BROWSER may name the command of one, and 'chaim url' prints the link\n")
	require.NoError(t, os.WriteFile(pipe, []byte("go\n"), 0))
	x.shows("chaim: no browser could be started")
	assert.Equal(t, cli.ExitFailed, x.end().ExitStatus())
	isClean(t, home)
}
