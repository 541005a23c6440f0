package profiles

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// spaceOf is how much disk space the file at path takes.
func spaceOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	return 512 * int(stat.Blocks)
}

// canReserve reports whether the file system of temporary folders can set space aside. It does not ask the code under test.
func canReserve(t *testing.T) bool {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "probe"))
	require.NoError(t, err)
	defer f.Close()
	err = syscall.Fallocate(int(f.Fd()), 1, 64<<10, 4<<10) // FALLOC_FL_KEEP_SIZE
	if !errors.Is(err, syscall.EOPNOTSUPP) {
		require.NoError(t, err)
	}
	return err == nil
}

// TestSpaceOfALease checks how much space is set aside, from the first write of a scope to its end.
func TestSpaceOfALease(t *testing.T) {
	const size, larger = 100 << 10, 300 << 10 // of the credentials file
	scopes, err := leasesBeside(filepath.Join(t.TempDir(), "credentials"))
	require.NoError(t, err)
	l := newLease(scopes)
	_, _, err = l.write(grant(1), false, size)
	require.NoError(t, err)
	defer func() { assert.NoError(t, l.close(true)) }()
	path := scopes.path(l.id, leaseExtension)
	atLeast := func(space int) int { // nothing if the file system cannot set space aside
		if !canReserve(t) {
			return 0
		}
		return space
	}
	assert.GreaterOrEqual(t, spaceOf(t, path), atLeast(2*size))
	for _, account := range []string{"a long name of an account", "short"} {
		require.NoError(t, l.writeNote(note{"dev", account}))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "dev\n"+account+"\n", string(text))
		assert.GreaterOrEqual(t, spaceOf(t, path), atLeast(2*size), account)
	}
	require.NoError(t, l.reserve(larger, grant(1)))
	assert.GreaterOrEqual(t, spaceOf(t, path), atLeast(2*larger))
	require.NoError(t, l.reserve(size, grant(1)))
	assert.GreaterOrEqual(t, spaceOf(t, path), atLeast(2*larger), "nothing is given back before the end")

	for range 3 { // the lease is closed when the second and third round begin
		l.giveBack()
		assert.NoFileExists(t, path)
		l.takeBack()
		assert.GreaterOrEqual(t, spaceOf(t, path), atLeast(2*larger), "a removal that failed is tried again")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "dev\nshort\n", string(text))
		require.NoError(t, l.close(false))
	}
	require.NoError(t, l.close(true))
	l.giveBack()
	assert.NoFileExists(t, path)
}
