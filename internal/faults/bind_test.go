//go:build faults && linux

package faults

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// newMountedFile makes the credentials file a mount point itself, as "docker run -v file:file" does: nothing can take
// its place.
func newMountedFile(t *testing.T) folder {
	t.Helper()
	f := newFolder(t, t.TempDir())
	mount(t, f.file(), "--bind", f.file())
	return f
}

func TestMountedFile(t *testing.T) {
	added := section(t, chaim.Keys, false)
	f := newMountedFile(t)
	for range 20 {
		require.NoError(t, chaim.WithContext(t.Context(), options(f.dir, chaim.Keys), func(context.Context, *chaim.Client) error {
			assert.Equal(t, added, f.added(t))
			assert.Len(t, f.others(t), 1, "a lease, and no backup")
			return nil
		}))
		f.untouched(t)
	}
}

// A reader may see a part of a text, but not for longer than until the next edit or sweep.
func TestKillInMountedFile(t *testing.T) {
	f := newMountedFile(t)
	looks, changed := 0, 0
	killed := killEverywhere(t, func() *exec.Cmd { return command("once", f.dir) }, func(call string) {
		if f.text(t) != f.before {
			changed++
		}
		if looks++; looks%2 == 0 {
			assert.Equal(t, outcome{Called: true}, run(t, "once", f.dir), call)
			f.untouched(t)
		}
		f.swept(t)
	})
	for _, call := range []string{"write", "ftruncate", "fsync"} {
		assert.NotZero(t, killed[call], call)
	}
	assert.NotZero(t, changed)
}

// TestKillInMountedFileThatShrinks has more after what becomes shorter, so that a write that was cut off shows.
func TestKillInMountedFileThatShrinks(t *testing.T) {
	f := newMountedFile(t)
	f.before = "[kept]\naws_session_token = " + strings.Repeat("x", 5000) + "\naccountname = sredev\n\n" + f.before
	f.write(t, f.before)
	require.Equal(t, outcome{Called: true}, run(t, "kept", f.dir))
	after := f.text(t)
	require.Less(t, len(after), len(f.before))
	states := []string{f.before, after}
	torn := 0
	killEverywhere(t, func() *exec.Cmd {
		f.write(t, f.before)
		return command("kept", f.dir)
	}, func(call string) {
		if !slices.Contains(states, f.text(t)) {
			torn++
		}
		assert.Equal(t, outcome{Called: true}, run(t, "once", f.dir), call)
		assert.Contains(t, states, f.text(t))
		assert.Empty(t, f.others(t))
	})
	assert.NotZero(t, torn)
}
