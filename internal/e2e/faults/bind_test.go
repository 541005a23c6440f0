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

// newMountedFile makes the credentials file itself a mount point, as "docker run -v file:file" does. It cannot be replaced.
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

// TestKillInMountedFile allows a torn text until the next edit or sweep, which must repair it.
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

// TestKillInMountedFileThatShrinks makes a section shorter that is above other text, so that an interrupted write shows.
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

// TestMountedElsewhere has a container sweep a file in which a program on the host has a profile. The host and the container
// have different folders for leases.
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

// TestFullDiskUnderMountedFile has a disk without room for the new text of the file.
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
