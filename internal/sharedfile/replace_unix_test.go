//go:build unix

package sharedfile

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
		err := newFile(path).Edit(t.Context(), addLine("x"))
		syscall.Umask(old)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "umask %o", mask)
	}
}

// TestFilesOfAnotherUserAreRefused needs root to make such files; another user has one at hand in /etc/passwd, which
// is only looked at.
func TestFilesOfAnotherUserAreRefused(t *testing.T) {
	path := "/etc/passwd"
	if os.Geteuid() == 0 {
		dir := t.TempDir()
		path = filepath.Join(dir, "credentials")
		require.NoError(t, os.WriteFile(path, []byte("mine\n"), 0o600))
		for _, p := range []string{path, dir} {
			require.NoError(t, os.Chown(p, 65534, 65534))
		}
		missing := filepath.Join(dir, "new", "credentials")
		assert.ErrorIs(t, newFile(missing).Edit(t.Context(), addLine("x")), fs.ErrPermission)
		assert.NoDirExists(t, filepath.Dir(missing))
	}
	assert.ErrorIs(t, newFile(path).Edit(t.Context(), addLine("x")), fs.ErrPermission)
	assert.NoFileExists(t, lockPath(path), "a lock file of the wrong owner would lock the right one out")
}

func TestNamedPipeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := newFile(path).Read()
	assert.ErrorContains(t, err, "not a regular file")
	assert.ErrorContains(t, newFile(path).Edit(t.Context(), addLine("x")), "not a regular file")
}
