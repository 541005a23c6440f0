package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term/termtest"
)

// beginUnread begins a chaim with these arguments. Its file descriptor 3 is a full pipe that is never read.
func beginUnread(t *testing.T, script string, args ...string) *loan {
	t.Helper()
	_, full := termtest.FullPipe(t)
	cmd := inHome(chaimtest.NewServer(t), newHome(t), "sh", append([]string{"-c", script, "chaim"}, args...)...)
	cmd.ExtraFiles = []*os.File{full}
	return begin(t, cmd)
}

// TestStderrThatIsNotRead has another program overwrite the profile, which chaim puts back and warns about.
func TestStderrThatIsNotRead(t *testing.T) {
	unignore(t)
	const program = `trap 'exit 7' TERM; echo ready; read line; exit 5`
	for name, args := range map[string][]string{
		"warnings": {"exec", "sredev"}, "debug log": {"-vv", "exec", "sredev"}, "json": {"--log-format", "json", "exec", "sredev"},
	} {
		for _, end := range []string{"by itself", "by a signal"} {
			t.Run(name+" "+end, func(t *testing.T) {
				t.Parallel()
				r := beginUnread(t, `exec chaim "$@" 2>&3 3>&-`, append(args, "--", "sh", "-c", program)...)
				require.Equal(t, "ready", r.line(t))
				file := filepath.Join(r.home, "credentials")
				require.NoError(t, os.WriteFile(file, []byte(foreign), 0o600))
				require.Eventually(t, func() bool { return strings.Contains(credentials(t, r.home), "[tempname]") }, patience, time.Millisecond)
				want := 5
				if end == "by itself" {
					require.NoError(t, r.stdin.Close())
				} else {
					r.send(t, syscall.SIGTERM)
					want = 7
				}
				_, code := r.end(t)
				assert.Equal(t, want, code)
				isClean(t, r.home)
			})
		}
	}
}

// TestErrorThatIsNotRead has chaim end although it cannot say why.
func TestErrorThatIsNotRead(t *testing.T) {
	r := beginUnread(t, `exec chaim "$@" 2>&3 3>&-`, "exec", "sredev", "--", "no-such-program")
	_, code := r.end(t)
	assert.Equal(t, proc.NotFound, code)
}

// waitsForAReader waits until a thread of chaim is blocked by a full pipe.
func (r *loan) waitsForAReader(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", r.Process.Pid))
		return slices.ContainsFunc(threads, func(thread string) bool {
			where, _ := os.ReadFile(thread)
			return strings.Contains(string(where), "pipe_write")
		})
	}, patience, time.Millisecond)
}

// TestSignalWhileOutputIsNotRead has a signal end a command that waits for a reader of its output.
func TestSignalWhileOutputIsNotRead(t *testing.T) {
	unignore(t)
	for _, args := range [][]string{
		{"list", "--json"}, {"help", "exec"}, {"listall", "--help"}, {"--version"}, {"completion", "bash"}, {"completion", "zsh", "--help"}, {"__complete", "li"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			r := beginUnread(t, `echo ready; exec chaim "$@" 1>&3 2>&3 3>&-`, args...)
			require.Equal(t, "ready", r.line(t))
			r.waitsForAReader(t)
			r.send(t, syscall.SIGTERM)
			_, code := r.end(t)
			assert.Equal(t, proc.Signaled+int(syscall.SIGTERM), code)
		})
	}
}
