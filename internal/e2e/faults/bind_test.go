//go:build faults && linux

package faults

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
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

// TestMountedElsewhere has a container sweep a file in which a program on the host has a profile. Each has a folder of
// its own for leases.
func TestMountedElsewhere(t *testing.T) {
	host, container := newFolder(t, t.TempDir()), newFolder(t, t.TempDir())
	mount(t, container.file(), "--bind", host.file())
	require.NoError(t, chaim.WithContext(t.Context(), options(host.dir, chaim.Keys), func(ctx context.Context, c *chaim.Client) error {
		swept, err := chaim.Sweep(ctx, container.dir)
		assert.NoError(t, err)
		assert.Empty(t, swept)
		assert.Contains(t, host.text(t), "["+c.Profile()+"]\n")
		return nil
	}))
}

// TestFullDiskUnderMountedFile has no room for what the file would become.
func TestFullDiskUnderMountedFile(t *testing.T) {
	disk := t.TempDir()
	mount(t, disk, "-t", "tmpfs", "-o", "size=8k", "tmpfs")
	f := newFolder(t, t.TempDir())
	f.before = "[kept]\naws_session_token = x\naccountname = sredev\n\n[mine]\n# " + strings.Repeat("x", 8100) + "\n"
	f.write(t, "")
	source := filepath.Join(disk, "credentials")
	require.NoError(t, os.WriteFile(source, []byte(f.before), 0o600))
	mount(t, f.file(), "--bind", source)
	f.refused(t, run(t, "kept", f.dir), "ENOSPC")
}
