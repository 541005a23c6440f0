package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/chaim-go/chaim/chaimtest"
)

// openTerminal returns both ends of a terminal with a number of lines.
func openTerminal(t *testing.T, lines uint16) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: lines, Col: 80}))
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return keyboard, terminal
}

// TestWatchOnTerminal ends list --watch on a terminal that is too small for the table.
func TestWatchOnTerminal(t *testing.T) {
	for s, want := range map[os.Signal]int{os.Interrupt: 0, syscall.SIGTERM: 128 + int(syscall.SIGTERM)} {
		t.Run(s.String(), func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			dir := t.TempDir()
			sections := ""
			for i := range 9 {
				sections += "[dev" + strconv.Itoa(i) + "]\naccountname = sredev\n"
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials"), []byte(sections), 0o600))
			keyboard, terminal := openTerminal(t, 5)
			cmd := exec.Command("chaim", "list", "--watch")
			cmd.Env = append(append(os.Environ(), srv.Environ(dir)...), "TERM=xterm", "NO_COLOR=1")
			cmd.Stdout, cmd.Stderr = terminal, terminal
			require.NoError(t, cmd.Start())
			require.NoError(t, terminal.Close())

			var screen strings.Builder
			isSignalled := false
			for {
				buf := make([]byte, 4096)
				n, err := keyboard.Read(buf)
				screen.Write(buf[:n])
				if !isSignalled && strings.Count(screen.String(), "\x1b[?25h") == 2 {
					require.NoError(t, cmd.Process.Signal(s))
					isSignalled = true
				}
				if errors.Is(err, syscall.EIO) { // the other end is closed
					break
				}
				require.NoError(t, err)
			}
			_ = cmd.Wait() // its exit code is looked at
			assert.Equal(t, want, cmd.ProcessState.ExitCode(), screen.String())
			text := screen.String()
			assert.Contains(t, text, "... and 7 more"+"\x1b[K")
			assert.Contains(t, text, "\x1b[?25l\x1b[?7l\r\x1b[4A  PROFILE", "the second time it is drawn over the first")
			assert.Greater(t, strings.LastIndex(text, "\x1b[?25h"), strings.LastIndex(text, "\x1b[?25l"))
			assert.Greater(t, strings.LastIndex(text, "\x1b[?7h"), strings.LastIndex(text, "\x1b[?7l"))
			assert.NotContains(t, text, "dev3")
		})
	}
}
