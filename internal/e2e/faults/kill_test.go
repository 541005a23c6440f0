//go:build faults && linux

package faults

import (
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/chaim-go/chaim"
)

// fileCalls are the system calls that open, change or lock files.
var fileCalls = map[string]uint64{
	"openat": unix.SYS_OPENAT, "close": unix.SYS_CLOSE, "mkdirat": unix.SYS_MKDIRAT,
	"write": unix.SYS_WRITE, "pwrite64": unix.SYS_PWRITE64, "ftruncate": unix.SYS_FTRUNCATE, "fsync": unix.SYS_FSYNC,
	"renameat": unix.SYS_RENAMEAT, "renameat2": unix.SYS_RENAMEAT2, "unlinkat": unix.SYS_UNLINKAT,
	"fchmod": unix.SYS_FCHMOD, "fchmodat": unix.SYS_FCHMODAT, "flock": unix.SYS_FLOCK, "fcntl": unix.SYS_FCNTL,
}

// killAt runs cmd, and kills it on entry to the nth call of a kind. It reports whether there were so many calls.
func killAt(t *testing.T, cmd *exec.Cmd, number uint64, n int) (isKilled bool) {
	t.Helper()
	status := trace(t, cmd, func(_ int, c call) {
		switch {
		case !c.isEntry() || c.number != number:
			return
		case number == unix.SYS_FCNTL && c.args[1] != unix.F_SETLEASE:
			return // other calls of fcntl change nothing
		}
		if n--; n == 0 {
			isKilled = true
			assert.NoError(t, cmd.Process.Kill())
		}
	})
	require.True(t, isKilled || status.Exited() && status.ExitStatus() == 0, "%#x", status)
	return isKilled
}

// killEverywhere kills a child at each of its file calls in turn, and then calls look. It returns how many calls of each
// kind there are.
func killEverywhere(t *testing.T, command func() *exec.Cmd, look func(call string)) map[string]int {
	t.Helper()
	killed := map[string]int{}
	for _, call := range slices.Sorted(maps.Keys(fileCalls)) {
		for killAt(t, command(), fileCalls[call], killed[call]+1) {
			killed[call]++
			look(call)
		}
	}
	t.Logf("killed at %v", killed)
	return killed
}

func TestKillAtEverySystemCall(t *testing.T) {
	for name, tt := range map[string]struct {
		mode    string
		form    chaim.ProfileForm
		isFirst bool
	}{
		"keys":        {"once", chaim.Keys, false},
		"process":     {"process", chaim.Process, false},
		"no file yet": {"once", chaim.Keys, true},
	} {
		t.Run(name, func(t *testing.T) {
			added := section(t, tt.form, tt.isFirst)
			f := folder{dir: t.TempDir()}
			if !tt.isFirst {
				f = newFolder(t, f.dir)
			}
			states := map[string]int{}
			killed := killEverywhere(t, func() *exec.Cmd {
				if tt.isFirst {
					f.dir = t.TempDir()
				}
				return command(tt.mode, f.dir)
			}, func(call string) {
				state := f.added(t)
				assert.Contains(t, []string{"", added}, state, call)
				states[state]++
				f.swept(t)
			})
			for call, least := range map[string]int{"openat": 10, "write": 4, "fsync": 4, "renameat2": 2, "unlinkat": 2, "flock": 2, "fchmod": 2} {
				assert.GreaterOrEqual(t, killed[call], least, call)
			}
			assert.NotZero(t, states[""])
			assert.NotZero(t, states[added])
			f.untouched(t)
		})
	}
}

func TestKillAtAnyTime(t *testing.T) {
	added := section(t, chaim.Keys, false)
	f := newFolder(t, t.TempDir())
	left := 0
	for range pick(200, 2000) {
		cmd, _ := start(t, 1, "loop", f.dir)
		<-time.After(rand.N(4 * time.Millisecond))
		end(cmd)
		assert.Contains(t, []string{"", added}, f.added(t))
		if len(f.others(t)) > 0 {
			left++
		}
		f.swept(t)
	}
	assert.NotZero(t, left, "no child was killed at work")
	t.Logf("%d left something to sweep", left)
}
