package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// foreign is what the user has in the credentials file.
const foreign = "# of the company\n[own]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\n" +
	" aws_secret_access_key  = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

// patience is for what happens at once, unless something is left waiting for good.
const patience = time.Minute

// newHome makes a folder with the credentials file of a user, who has not touched it for a while.
func newHome(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp(t.TempDir(), "")
	require.NoError(t, err)
	file := filepath.Join(home, "credentials")
	require.NoError(t, os.WriteFile(file, []byte(foreign), 0o600))
	before := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(file, before, before))
	return home
}

// isClean asserts that nothing of chaim is left in home but the lock file and an empty folder.
func isClean(t *testing.T, home string) {
	t.Helper()
	assert.Equal(t, foreign, credentials(t, home))
	temps, err := filepath.Glob(filepath.Join(home, ".chaim*"))
	require.NoError(t, err)
	assert.Empty(t, append(leftIn(t, home), temps...))
}

func credentials(t *testing.T, home string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(home, "credentials"))
	require.NoError(t, err)
	return string(text)
}

// loan is a chaim that runs, in a session of its own and without a terminal.
type loan struct {
	*exec.Cmd
	home  string
	stdin *os.File // of the program
	out   *os.File // what was printed; at its end all programs have ended that print there
	lines *bufio.Reader
	talk  *bytes.Buffer // to be read after the end
}

// inHome is a command that uses srv and home.
func inHome(srv *chaimtest.Server, home, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = home
	cmd.Env = append(append(os.Environ(), srv.Environ(home)...), "HOME="+home, "SHELL=/bin/sh", "ENV=", "PS1=> ",
		"GORACE=atexit_sleep_ms=0") // or a program built with the race detector ends a second late
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// lending has chaim lend credentials to a script, with these flags.
func lending(srv *chaimtest.Server, home, script string, flags ...string) *exec.Cmd {
	args := append([]string{"exec", "sredev"}, flags...)
	return inHome(srv, home, "chaim", append(args, "--", "sh", "-c", script)...)
}

func begin(t *testing.T, cmd *exec.Cmd) *loan {
	t.Helper()
	r := &loan{Cmd: cmd, home: cmd.Dir, talk: new(bytes.Buffer)}
	stdin, w, err := os.Pipe()
	require.NoError(t, err)
	out, stdout, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, out.SetReadDeadline(time.Now().Add(patience)))
	r.stdin, r.out, r.lines = w, out, bufio.NewReader(out)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, r.talk
	cmd.WaitDelay = patience
	require.NoError(t, cmd.Start())
	require.NoError(t, stdin.Close())
	require.NoError(t, stdout.Close())
	t.Cleanup(func() {
		if t.Failed() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		_ = w.Close()
		_ = out.Close()
	})
	return r
}

// line reads a line that was printed.
func (r *loan) line(t *testing.T) string {
	t.Helper()
	line, err := r.lines.ReadString('\n')
	if err != nil {
		_ = r.Process.Kill()
		end := r.Wait()
		require.NoError(t, err, "%v: %s", end, r.talk)
	}
	return line[:len(line)-1]
}

func (r *loan) send(t *testing.T, s os.Signal) {
	t.Helper()
	require.NoError(t, r.Process.Signal(s))
}

// end waits for the end of chaim and of all that it has started. It returns the rest of what was printed and the exit code,
// which is that of a shell for one that a signal ended.
func (r *loan) end(t *testing.T) (rest string, code int) {
	t.Helper()
	text, err := io.ReadAll(r.lines)
	require.NoError(t, err, "something runs on")
	exit := (*exec.ExitError)(nil)
	if err := r.Wait(); err != nil {
		require.ErrorAs(t, err, &exit)
		return string(text), proc.EndOf(exit)
	}
	return string(text), 0
}

func TestManyAtOnce(t *testing.T) {
	const n = 50
	srv := chaimtest.NewServer(t)
	home := newHome(t)
	profiles := map[string]bool{}
	var runs []*loan
	for range n {
		runs = append(runs, begin(t, lending(srv, home, "echo $AWS_PROFILE; read line")))
	}
	for _, r := range runs {
		profiles[r.line(t)] = true
	}
	assert.Len(t, profiles, n)
	text := credentials(t, home)
	for profile := range profiles {
		assert.Equal(t, 1, strings.Count(text, "\n["+profile+"]\n"), profile)
	}
	for _, r := range runs {
		require.NoError(t, r.stdin.Close())
	}
	for _, r := range runs {
		_, code := r.end(t)
		assert.Equal(t, 1, code, "of read at the end of the file")
		assert.Empty(t, r.talk.String())
	}
	isClean(t, home)
}

// TestKeysThatEnd has a program that outlives its keys, which cannot be renewed.
func TestKeysThatEnd(t *testing.T) {
	t.Parallel()
	srv := chaimtest.NewServer(t)
	srv.SetLifetime(2 * time.Second)
	cmd := inHome(srv, newHome(t), "sh", "-c", `chaim exec sredev -- sh -c 'echo ready; read line; exit 4' 2>&1`)
	r := begin(t, cmd)
	require.Contains(t, r.line(t), "keys end sooner than was asked for")
	require.Equal(t, "ready", r.line(t))
	srv.Inject(-1, chaimtest.Refuse("DataNotFound: nothing more"))
	said := ""
	for !strings.Contains(said, "credentials expired") {
		said += r.line(t) + "\n"
	}
	_, err := r.stdin.WriteString("\n")
	require.NoError(t, err)
	rest, code := r.end(t)
	assert.Equal(t, 4, code)
	assert.Equal(t, 1, strings.Count(said+rest, `msg="chaim: credentials expired"`), said+rest)
	assert.NotContains(t, said+rest, "CANARY")
	isClean(t, r.home)
}

// TestRemovalThatFails has what keeps the profile from being removed become known in the exit code, unless the program's
// own code is worse news.
func TestRemovalThatFails(t *testing.T) {
	t.Parallel() // as waiting for a lock takes its time
	for name, tt := range map[string]struct {
		program string
		code    int
		hinder  func(t *testing.T, home string)
		says    string
	}{
		"open folder":                      {"exit 0", cli.ExitFailed, letAnybodyWrite, "chmod o-w"},
		"open folder, program that failed": {"exit 7", 7, letAnybodyWrite, "chmod o-w"},
		"lock": {"exit 0", cli.ExitLocked, func(t *testing.T, home string) {
			lock, err := sharedfile.LockSide(filepath.Join(home, "credentials.lock"), os.O_RDONLY, false)
			require.NoError(t, err)
			require.NotNil(t, lock)
			t.Cleanup(func() { assert.NoError(t, lock.Close()) })
		}, "is locked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := chaimtest.NewServer(t)
			r := begin(t, lending(srv, newHome(t), "echo ready; read line; "+tt.program))
			require.Equal(t, "ready", r.line(t))
			tt.hinder(t, r.home)
			require.NoError(t, r.stdin.Close())
			_, code := r.end(t)
			assert.Equal(t, tt.code, code)
			said := r.talk.String()
			assert.Equal(t, 1, strings.Count(said, `removing profile "tempname": `), said)
			assert.Contains(t, said, tt.says)
			assert.NotContains(t, said, "CANARY")
			assert.Contains(t, credentials(t, r.home), "[tempname]\n")
		})
	}
}

func letAnybodyWrite(t *testing.T, home string) {
	t.Helper()
	require.NoError(t, os.Chmod(home, 0o777))
}
