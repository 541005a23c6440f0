//go:build unix

package setup

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// othersFile looks like a file of another user.
type othersFile struct{ fs.FileInfo }

func (f othersFile) Sys() any { return &syscall.Stat_t{Uid: uint32(os.Geteuid() + 1)} }

func TestTokenFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("CANARY\n"), 0o600))
	for mode := range fs.FileMode(0o1000) {
		if mode&0o400 == 0 {
			continue // root could read it all the same
		}
		require.NoError(t, os.Chmod(path, mode))
		token, err := readTokenFile(t.Context(), path)
		if mode&0o077 == 0 {
			require.NoError(t, err, "%o", mode)
			assert.True(t, token == "CANARY")
			continue
		}
		require.ErrorContains(t, err, "others can read or write it", "%o", mode)
		assert.NotContains(t, err.Error(), "CANARY")
		assert.Empty(t, token)
	}
	require.NoError(t, os.Chmod(path, 0o600))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, checkPrivate(info))
	assert.Error(t, checkPrivate(othersFile{info}))
	info, err = os.Stat(t.TempDir())
	require.NoError(t, err)
	assert.Error(t, checkPrivate(info))
}
