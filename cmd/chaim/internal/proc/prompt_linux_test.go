package proc

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shellAt is a shell on a terminal of its own.
type shellAt struct {
	*exec.Cmd
	t        *testing.T
	terminal *os.File
	screen   *bufio.Reader
}

func startShell(t *testing.T, words ...string) *shellAt {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "PS1=> ", "TERM=dumb", "ENV=", "HOME="+t.TempDir())
	terminal, err := pty.Start(cmd)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = terminal.Close()
	})
	return &shellAt{cmd, t, terminal, bufio.NewReader(terminal)}
}

// runs types a line, and waits until the shell shows a text.
func (s *shellAt) runs(line, text string) {
	s.t.Helper()
	_, err := s.terminal.WriteString(line)
	require.NoError(s.t, err)
	for seen := ""; !strings.HasSuffix(seen, text); {
		b, err := s.screen.ReadByte()
		require.NoError(s.t, err, "waiting for %q: %q", text, seen)
		seen += string(b)
	}
}

// hasPrompt asks by the user's end of the terminal, as this process is in another session.
func (s *shellAt) hasPrompt() bool { return hasPrompt(s.Process.Pid, s.terminal.Fd()) }

func (s *shellAt) comesToPrompt() {
	s.t.Helper()
	require.Eventually(s.t, s.hasPrompt, time.Minute, time.Millisecond)
}

// TestPrompt has a shell run programs that may draw, and goes back to the prompt.
func TestPrompt(t *testing.T) {
	for name, words := range map[string][]string{
		"bash": {"bash", "--norc", "--noprofile", "-i"}, "sh": {"sh", "-i"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startShell(t, words...)
			s.comesToPrompt()
			s.runs("sh -c 'echo run''ning; read x'\n", "running")
			assert.False(t, s.hasPrompt(), "a job has the terminal")
			_, err := s.terminal.WriteString("\n")
			require.NoError(t, err)
			s.comesToPrompt()
			s.runs("y=$(sh -c 'echo run''ning >/dev/tty; read x')\n", "running")
			assert.False(t, s.hasPrompt(), "what shares its group may draw")
			_, err = s.terminal.WriteString("\n")
			require.NoError(t, err)
			s.comesToPrompt()
			s.runs("exec env -i "+catPath(t)+" - /dev/null\n", "null")
			s.waitsAs("cat")
			assert.False(t, s.hasPrompt(), "another program has replaced it")
		})
	}
}

func catPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("cat")
	require.NoError(t, err)
	return path
}

// waitsAs waits until the process runs a program of that name.
func (s *shellAt) waitsAs(want string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		name, isAlone := aloneInGroup(s.Process.Pid)
		return name == want && isAlone
	}, time.Minute, time.Millisecond)
}

// TestNoPromptWithoutJobControl has programs share the group of a shell that does not give the terminal to them.
func TestNoPromptWithoutJobControl(t *testing.T) {
	s := startShell(t, "sh", "-c", `sh +m -i; echo end`)
	s.runs("echo $((40+2))\n", "42")
	assert.False(t, s.hasPrompt())
	var none Relay
	assert.False(t, none.IsAtPrompt(s.terminal.Fd()), "no program runs")
	assert.False(t, hasPrompt(syscall.Getpgrp(), s.terminal.Fd()), "another group has the terminal")
}

func TestStatOf(t *testing.T) {
	name, group, isKnown := statOf("self")
	assert.True(t, isKnown)
	assert.Equal(t, syscall.Getpgrp(), group)
	assert.NotEmpty(t, name)
	_, _, isKnown = statOf("0")
	assert.False(t, isKnown)
	for name, want := range map[string]bool{"bash": true, "-zsh": true, "/bin/sh": true, "vim": false, "": false} {
		assert.Equal(t, want, isShell(name), name)
	}
}
