//go:build unix

package names

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/sharedfile"
)

func TestFilesArePrivate(t *testing.T) {
	a := newAsked(t)
	require.NoError(t, a.Store(accounts))
	for path, mode := range map[string]os.FileMode{a.file(t): 0o600, filepath.Dir(a.file(t)): 0o700} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), path)
	}

	// What others may have written has no names.
	require.NoError(t, os.Chmod(a.file(t), 0o622))
	assert.Zero(t, a.Read())
	require.NoError(t, a.Store(accounts))
	assert.Len(t, a.Read().Accounts, 2)
	target := filepath.Join(t.TempDir(), "theirs")
	require.NoError(t, os.Rename(a.file(t), target))
	require.NoError(t, os.Symlink(target, a.file(t)))
	assert.Zero(t, a.Read())
	require.NoError(t, os.Chmod(filepath.Dir(a.file(t)), 0o777))
	require.ErrorContains(t, a.Store(accounts), "all users may write")
	_, err := Sweep()
	require.ErrorIs(t, err, sharedfile.ErrUnsafe)
}
