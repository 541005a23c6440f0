package manage

import (
	"context"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

// TestWatchOnSmallerTerminal draws on a terminal that shrinks, on which the cursor cannot go up to what has left it.
func TestWatchOnSmallerTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keyboard, terminal, err := pty.Open()
		require.NoError(t, err)
		defer keyboard.Close()
		require.NoError(t, pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: 80}))
		ctx, cancel := context.WithCancelCause(t.Context())
		n := 0
		require.NoError(t, watch(ctx, term.NewOutlet(ctx, terminal), func() ([]string, error) {
			if n++; n == 2 {
				require.NoError(t, pty.Setsize(terminal, &pty.Winsize{Rows: 5, Cols: 80}))
				cancel(proc.SignalError{Signal: os.Interrupt})
			}
			return []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}, nil
		}))
		require.NoError(t, terminal.Close())
		screen, err := io.ReadAll(keyboard)
		assert.ErrorIs(t, err, syscall.EIO) // the other end is closed
		assert.Contains(t, string(screen), "i"+term.EraseLine)
		assert.Contains(t, string(screen), "\x1b[?25l\x1b[?7l\r\x1b[4Aa"+term.EraseLine)
		assert.Contains(t, string(screen), "... and 6 more"+term.EraseLine)
	})
}
