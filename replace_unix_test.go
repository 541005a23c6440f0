//go:build unix

package chaim

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestModesUnderAnyUmask(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o277} {
		path := filepath.Join(t.TempDir(), "credentials")
		old := syscall.Umask(mask)
		err := newSharedFile(path).edit(t.Context(), appendLine("x"))
		syscall.Umask(old)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "umask %o", mask)
	}
}

// foreignInfo is a file of another user.
type foreignInfo struct{ os.FileInfo }

func (f foreignInfo) Sys() any {
	return &syscall.Stat_t{Uid: uint32(os.Geteuid()) + 1}
}

func TestFileOfAnotherUserIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.NoError(t, checkReplaceable(path, info))
	assert.ErrorIs(t, checkReplaceable(path, foreignInfo{info}), fs.ErrPermission)
}
