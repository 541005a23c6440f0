//go:build unix

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/setup"
)

// TestDemoOnTerminal types into the shell that is started there.
func TestDemoOnTerminal(t *testing.T) {
	scratch := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "chaim", "demo")
	cmd.Env = append(os.Environ(), "SHELL=/bin/sh", "ENV=", "TMPDIR="+scratch)
	terminal, err := pty.Start(cmd)
	require.NoError(t, err)
	defer terminal.Close()
	_, err = terminal.WriteString("chaim account 'Connected Homes'; echo $((40+2)); exit 3\n")
	require.NoError(t, err)
	shown, err := io.ReadAll(terminal)
	require.True(t, err == nil || errors.Is(err, syscall.EIO), err) // when all have closed it
	require.Error(t, cmd.Wait())
	assert.Equal(t, 3, cmd.ProcessState.ExitCode())
	text := strings.ReplaceAll(string(shown), "\r\n", "\n")
	assert.Contains(t, text, "until you leave this shell")
	assert.Contains(t, text, "\n"+setup.TryOut+"\n")
	assert.Contains(t, text, "Connected-Homes\n")
	assert.Contains(t, text, "42\n")
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestTryOut looks for each command that people are told to try.
func TestTryOut(t *testing.T) {
	root := (&call{app: &cli.App{}}).root()
	n := 0
	for line := range strings.Lines(setup.TryOut) {
		assert.LessOrEqual(t, len(line), 100, line)
		for _, command := range strings.Split(line, "chaim ")[1:] {
			cmd, _, err := root.Find(strings.Fields(command)[:1])
			require.NoError(t, err)
			assert.NotEqual(t, root.Name(), cmd.Name(), "there is no command %q", command)
			n++
		}
	}
	assert.Greater(t, n, 10)
}
