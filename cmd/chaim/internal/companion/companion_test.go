package companion

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

// install makes a program of the gateway's name in a new folder, and returns its path.
func install(t *testing.T, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), program)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	require.NoError(t, os.WriteFile(path, nil, mode))
	return path
}

func TestTheOneBesideComesBeforeThatInPath(t *testing.T) {
	beside, inPath := install(t, 0o700), install(t, 0o700)
	t.Setenv("PATH", filepath.Dir(inPath))

	found, err := find(filepath.Join(filepath.Dir(beside), "chaim"))
	require.NoError(t, err)
	assert.Equal(t, beside, found)

	found, err = find(filepath.Join(t.TempDir(), "chaim"))
	require.NoError(t, err)
	assert.Equal(t, inPath, found)

	found, err = find("")
	require.NoError(t, err)
	assert.Equal(t, inPath, found)
}

func TestTheOneBesideTheTargetOfALinkIsFound(t *testing.T) {
	beside := install(t, 0o700)
	t.Setenv("PATH", t.TempDir())
	self := filepath.Join(filepath.Dir(beside), "chaim")
	require.NoError(t, os.WriteFile(self, nil, 0o700))
	link := filepath.Join(t.TempDir(), "chaim")
	if err := os.Symlink(self, link); err != nil {
		require.Equal(t, "windows", runtime.GOOS, "%v", err) // few users may make links there
		return
	}
	found, err := find(link)
	require.NoError(t, err)
	target, err := filepath.EvalSymlinks(beside)
	require.NoError(t, err)
	assert.Equal(t, target, found)
}

func TestHowToInstallIsSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := find(filepath.Join(t.TempDir(), "chaim"))
	var missing *proc.Error
	require.ErrorAs(t, err, &missing)
	assert.Equal(t, proc.NotFound, missing.Code)
	assert.Contains(t, missing.Text, "go install github.com/chaim-go/chaim/gateway/cmd/chaim-gateway@latest")
}
