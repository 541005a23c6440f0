//go:build unix

package examples_test

import (
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
)

// TestInterrupt ends a program in its scope as Ctrl-C and kill do.
func TestInterrupt(t *testing.T) {
	with := build(t, "with")
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		srv := chaimtest.NewServer(t)
		home := t.TempDir()
		cmd := exec.CommandContext(t.Context(), with, "cat")
		cmd.Env = append(os.Environ(), append(srv.Environ(home), "HOME="+home)...)
		_, err := cmd.StdinPipe() // stays open, so that cat does not end
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		path := filepath.Join(home, "credentials")
		require.Eventually(t, func() bool {
			text, _ := os.ReadFile(path)
			return strings.Contains(string(text), "[tempname]")
		}, time.Minute, 10*time.Millisecond)
		require.NoError(t, cmd.Process.Signal(signal))
		assert.Error(t, cmd.Wait(), signal)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Empty(t, string(text), signal)
		left, err := filepath.Glob(filepath.Join(home, "chaim", "*"))
		require.NoError(t, err)
		assert.Empty(t, left, signal)
	}
}
