//go:build faults && linux

package faults

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// exits are the ways in which a process ends without running deferred functions. For the empty ones, the test sends a
// signal.
var exits = map[string]func(){
	"os.Exit":   func() { os.Exit(0) },
	"log.Fatal": func() { log.Fatal("the end") },
	"panic":     func() { go func() { panic("the end") }() },
	"exec":      func() { check(syscall.Exec("/bin/true", []string{"true"}, nil)) },
	"SIGABRT":   func() {},
	"SIGHUP":    func() {},
	"SIGKILL":   func() {},
	"SIGQUIT":   func() {},
	"SIGTERM":   func() {},
}

var signals = map[string]os.Signal{
	"SIGABRT": syscall.SIGABRT, "SIGHUP": syscall.SIGHUP, "SIGKILL": syscall.SIGKILL, "SIGQUIT": syscall.SIGQUIT, "SIGTERM": syscall.SIGTERM,
}

// profilesOf lists the profiles that were swept.
func profilesOf(swept []chaim.Swept) []string {
	var found []string
	for _, s := range swept {
		if s.Profile != "" {
			found = append(found, s.Profile)
		}
	}
	slices.Sort(found)
	return found
}

func TestExits(t *testing.T) {
	f := newFolder(t, t.TempDir())
	require.NoError(t, chaim.WithContext(t.Context(), options(f.dir, chaim.Keys), func(ctx context.Context, live *chaim.Client) error {
		alone, aloneFiles := f.text(t), f.others(t)
		require.Contains(t, alone, "["+live.Profile()+"]\n")
		require.Len(t, aloneFiles, 1, "a lease")
		for name := range exits {
			for range pick(5, 50) {
				cmd, profile := start(t, 1, name, f.dir)
				if signal, ok := signals[name]; ok {
					require.NoError(t, cmd.Process.Signal(signal))
				}
				_ = cmd.Wait()
				require.Contains(t, f.text(t), "["+profile[0]+"]\n", name)
				swept, err := chaim.Sweep(ctx, f.dir)
				require.NoError(t, err)
				assert.Equal(t, profile, profilesOf(swept), name)
				assert.Equal(t, alone, f.text(t), name)
				assert.Equal(t, aloneFiles, f.others(t), name)
			}
		}
		return nil
	}))
	f.untouched(t)
}

// TestSweepKeepsWhatTheUserChanged has a user put other keys into some of the profiles of a dead process.
func TestSweepKeepsWhatTheUserChanged(t *testing.T) {
	const otherID = "AKIAI44QH8DHBEXAMPLE"
	for range pick(2, 10) {
		f := newFolder(t, t.TempDir())
		cmd, profiles := start(t, manyScopes, "many", f.dir)
		end(cmd)
		text := f.text(t)
		var dead []string
		for _, name := range profiles {
			before, section, found := strings.Cut(text, "["+name+"]\n")
			require.True(t, found, name)
			if rand.N(2) == 0 {
				text = before + "[" + name + "]\n" + strings.Replace(section, keyID, otherID, 1)
			} else {
				dead = append(dead, name)
			}
		}
		f.write(t, text)
		swept, err := chaim.Sweep(t.Context(), f.dir)
		require.NoError(t, err)
		slices.Sort(dead)
		assert.Equal(t, dead, profilesOf(swept))
		after := f.text(t)
		assert.True(t, strings.HasPrefix(after, f.before))
		for _, name := range profiles {
			assert.Equal(t, !slices.Contains(dead, name), strings.Contains(after, "["+name+"]\n"), name)
		}
		assert.Equal(t, manyScopes-len(dead), strings.Count(after, otherID))
		assert.NotContains(t, after, keyID)
		assert.Empty(t, f.others(t))
	}
}

func TestChildOfTheDeadDoesNotHoldTheLease(t *testing.T) {
	f := newFolder(t, t.TempDir())
	cmd, said := start(t, 2, "sleep", f.dir)
	pid, err := strconv.Atoi(said[1])
	require.NoError(t, err)
	sleep, err := os.FindProcess(pid)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sleep.Kill() })
	end(cmd)
	f.swept(t)
	assert.NoError(t, sleep.Signal(syscall.Signal(0)), "it still sleeps")
}

// TestProcessIDProvesNothing has the lease of a dead process name one that lives, as after a reboot.
func TestProcessIDProvesNothing(t *testing.T) {
	f := newFolder(t, t.TempDir())
	cmd, _ := start(t, 1, "SIGKILL", f.dir)
	end(cmd)
	leases, err := filepath.Glob(filepath.Join(f.dir, "chaim", "*.lease"))
	require.NoError(t, err)
	require.Len(t, leases, 1)
	require.NoError(t, os.WriteFile(leases[0], fmt.Appendf(nil, "process %d\n", os.Getpid()), 0o600))
	f.swept(t)
}
