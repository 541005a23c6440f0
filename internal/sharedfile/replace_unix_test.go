//go:build unix

package sharedfile

import (
	"errors"
	"fmt"
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

// TestFilesOfAnotherUserAreRefused makes such files as root. Without root it tries /etc/passwd, which it cannot write.
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

// TestSpecialFiles reads files that are not regular, and tries to edit them, which is refused.
func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, syscall.Mkfifo(path("unwritten"), 0o600))
	require.NoError(t, os.Symlink(os.DevNull, path("link")))
	require.NoError(t, makeFile(path("file"), 0o600))
	out, in, err := os.Pipe() // as of a shell's <(command)
	require.NoError(t, err)
	defer out.Close()
	_, err = in.WriteString("[a]\n")
	require.NoError(t, errors.Join(err, in.Close()))
	open := fmt.Sprintf("/dev/fd/%d", out.Fd())
	for path, want := range map[string]string{
		os.DevNull: "", path("link"): "", path("unwritten"): "", path("file/credentials"): "", path("none/credentials"): "", open: "[a]\n",
	} {
		file := newFile(path)
		for range 2 {
			doc, err := file.Read()
			require.NoError(t, err, path)
			assert.Equal(t, want, string(doc), path)
		}
		if filepath.Base(filepath.Dir(path)) == "none" {
			require.NoError(t, file.CanStore(), "in a folder that is made")
			continue
		}
		err := file.Edit(t.Context(), addLine("x"))
		assert.ErrorContains(t, err, "nothing can be stored in "+path)
		assert.ErrorContains(t, err, "AWS_SHARED_CREDENTIALS_FILE")
		assert.NoFileExists(t, lockPath(path))
	}
}
