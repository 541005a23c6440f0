//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// talking is an app that writes into a file, and what it has written.
func talking(t *testing.T) (a *app, text func() string) {
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, out.Close()) })
	return &app{in: os.Stdin, out: newOutlet(out), err: newOutlet(out)}, func() string {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(b)
	}
}

func TestStory(t *testing.T) {
	a, text := talking(t)
	lines := []storyLine{{"One.", "echo first", false}, {"Two.", "false", true}, {"Three.", "echo third", false}}
	require.NoError(t, a.tell(t.Context(), os.Environ(), lines))
	assert.Equal(t, "# One.\n$ echo first\nfirst\n\n# Two.\n$ false\n\n# Three.\n$ echo third\nthird\n\n", text())

	err := a.tell(t.Context(), os.Environ(), []storyLine{{"Four.", "false", false}, {"Five.", "echo fifth", false}})
	require.ErrorContains(t, err, `failed in "false"`)
	assert.NotContains(t, text(), "fifth")
}

func TestStoryEndsWithASignal(t *testing.T) {
	a, text := talking(t)
	ctx, end := context.WithCancelCause(t.Context())
	t.Setenv("CHAIM_TEST_PIPE", filepath.Join(t.TempDir(), "pipe"))
	require.NoError(t, syscall.Mkfifo(os.Getenv("CHAIM_TEST_PIPE"), 0o600))
	told := make(chan error)
	go func() {
		told <- a.tell(ctx, os.Environ(), []storyLine{{"Wait.", `sleep 1000 >"$CHAIM_TEST_PIPE"`, false}, {"Go on.", "echo more", true}})
	}()
	began, err := os.Open(os.Getenv("CHAIM_TEST_PIPE")) // once the command opens it too
	require.NoError(t, err)
	defer began.Close()
	end(signalError{syscall.SIGTERM})
	require.ErrorIs(t, <-told, signalError{syscall.SIGTERM})
	assert.NotContains(t, text(), "more")
}

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
	assert.Contains(t, text, "\n"+tryOut+"\n")
	assert.Contains(t, text, "Connected-Homes\n")
	assert.Contains(t, text, "42\n")
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestTryOut looks whether there is each command that people are told to try.
func TestTryOut(t *testing.T) {
	root := (&app{}).rootCommand()
	n := 0
	for line := range strings.Lines(tryOut) {
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
