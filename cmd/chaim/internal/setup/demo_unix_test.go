//go:build unix

package setup

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

// talking returns an App that writes into a file, and the text of the file.
func talking(t *testing.T) (a *cli.App, text func() string) {
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, out.Close()) })
	outlet := term.NewOutlet(t.Context(), out)
	return &cli.App{In: os.Stdin, Out: outlet, Err: outlet}, func() string {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(b)
	}
}

func TestStory(t *testing.T) {
	a, text := talking(t)
	lines := []step{{"One.", "echo first", false}, {"Two.", "false", true}, {"Three.", "echo third", false}}
	require.NoError(t, tell(t.Context(), a, os.Environ(), lines))
	assert.Equal(t, "# One.\n$ echo first\nfirst\n\n# Two.\n$ false\n\n# Three.\n$ echo third\nthird\n\n", text())

	err := tell(t.Context(), a, os.Environ(), []step{{"Four.", "false", false}, {"Five.", "echo fifth", false}})
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
		told <- tell(ctx, a, os.Environ(), []step{{"Wait.", `sleep 1000 >"$CHAIM_TEST_PIPE"`, false}, {"Go on.", "echo more", true}})
	}()
	began, err := os.Open(os.Getenv("CHAIM_TEST_PIPE")) // once the command opens it too
	require.NoError(t, err)
	defer began.Close()
	end(proc.SignalError{Signal: syscall.SIGTERM})
	require.ErrorIs(t, <-told, proc.SignalError{Signal: syscall.SIGTERM})
	assert.NotContains(t, text(), "more")
}
