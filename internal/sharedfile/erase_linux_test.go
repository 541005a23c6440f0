package sharedfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onFullDisk is a change that there is no space for.
func onFullDisk([]byte) ([]byte, error) {
	return nil, &os.PathError{Op: "write", Path: "x", Err: fullErrors[len(fullErrors)-1]}
}

func blankSecret(doc []byte) ([]byte, error) {
	return bytes.ReplaceAll(doc, []byte("SECRET"), []byte("xxxxxx")), nil
}

func TestEraseOverwritesOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	target, link, name := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "name")
	require.NoError(t, os.WriteFile(target, nil, 0o600))
	require.NoError(t, os.Symlink(target, link))
	require.NoError(t, os.Link(target, name))
	for _, path := range []string{target, link, name} {
		require.NoError(t, os.WriteFile(path, []byte("SECRET a SECRET\r\nb SECRET"), 0o600))
		before, err := os.Stat(path)
		require.NoError(t, err)

		require.ErrorIs(t, newFile(path).Erase(t.Context(), func([]byte) ([]byte, error) { return nil, errMine }, blankSecret), errMine)
		require.Equal(t, "SECRET a SECRET\r\nb SECRET", text(t, path), "not for other reasons")

		err = newFile(path).Erase(t.Context(), onFullDisk, blankSecret)
		require.True(t, IsFull(err))
		assert.ErrorContains(t, err, "chaim: the keys in "+path+" are overwritten")
		assert.Equal(t, "xxxxxx a xxxxxx\r\nb xxxxxx", text(t, path))
		after, err := os.Stat(path)
		require.NoError(t, err)
		assert.True(t, os.SameFile(before, after))
		assert.Empty(t, leftovers(t, path))

		require.NoError(t, newFile(path).Erase(t.Context(), addLine("\nx"), onFullDisk))
		assert.Equal(t, "xxxxxx a xxxxxx\r\nb xxxxxx\nx\n", text(t, path))
	}
	assert.Equal(t, text(t, target), text(t, link))
}

func TestEraseThatCannotOverwrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, []byte("SECRET"), 0o600))
	err := newFile(path).Erase(t.Context(), onFullDisk, func([]byte) ([]byte, error) { return nil, errMine })
	assert.True(t, IsFull(err))
	assert.ErrorIs(t, err, errMine)
	assert.NotContains(t, err.Error(), "are overwritten")
	assert.Equal(t, "SECRET", text(t, path))
	assert.False(t, IsFull(syscall.EACCES))
	assert.False(t, IsFull(nil))
}

// TestOverwriteOfWhatHasChanged lets another program write after the file was read, to it or in its place.
func TestOverwriteOfWhatHasChanged(t *testing.T) {
	const theirs = "SECRET mine\n"
	for name, write := range map[string]func(path string) error{
		"in place":                    func(path string) error { return os.WriteFile(path, []byte("xx"+theirs), 0o600) },
		"of the same length and time": func(path string) error { return os.WriteFile(path, []byte("their SECRET"), 0o600) },
		"by rename":                   func(path string) error { return os.Rename(path+".new", path) },
		"away":                        os.Remove,
		"the same text once more":     func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials")
			require.NoError(t, os.WriteFile(path, []byte(theirs), 0o600))
			require.NoError(t, os.WriteFile(path+".new", []byte(theirs), 0o600))
			before, err := holdSnapshot(path, false)
			require.NoError(t, err)
			before.release() // a writer would wait
			require.NoError(t, write(path))
			if name == "of the same length and time" {
				require.NoError(t, os.Chtimes(path, time.Time{}, before.info.ModTime()))
			}
			now, _ := os.ReadFile(path)
			c := commit{target: path}
			assert.ErrorIs(t, c.overwrite(&before, []byte("xxxxxx mine\n")), errChanged)
			after, _ := os.ReadFile(path)
			assert.Equal(t, string(now), string(after))
		})
	}
}

// TestEraseIsMadeAgain has a program that takes no lock write the file each time that it was read.
func TestEraseIsMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, []byte("SECRET\n"), 0o600))
	writes := 0
	err := newFile(path).Erase(t.Context(), onFullDisk, func(doc []byte) ([]byte, error) {
		if writes++; writes < 4 { // replaced, as a writer in place would wait for us
			assert.NoError(t, os.WriteFile(path+".new", append(bytes.Clone(doc), "their SECRET\n"...), 0o600))
			assert.NoError(t, os.Rename(path+".new", path))
		}
		return blankSecret(doc)
	})
	require.True(t, IsFull(err))
	assert.ErrorContains(t, err, "are overwritten")
	assert.Equal(t, "xxxxxx\ntheir xxxxxx\ntheir xxxxxx\ntheir xxxxxx\n", text(t, path))
}

// TestEraseBesideAReader leaves the file alone as long as another program has it open, which could write to it.
func TestEraseBesideAReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, []byte("SECRET\n"), 0o600))
	reader, err := os.Open(path)
	require.NoError(t, err)
	err = newFile(path).Erase(t.Context(), onFullDisk, blankSecret)
	assert.True(t, IsFull(err))
	assert.ErrorContains(t, err, "another program has the file open")
	assert.NotContains(t, err.Error(), "are overwritten")
	assert.Equal(t, "SECRET\n", text(t, path))
	require.NoError(t, reader.Close())
	assert.ErrorContains(t, newFile(path).Erase(t.Context(), onFullDisk, blankSecret), "are overwritten")
	assert.Equal(t, "xxxxxx\n", text(t, path))
}

// TestErasesOfManyAreOneEdit has many goroutines erase their secrets at once.
func TestErasesOfManyAreOneEdit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	var before, after strings.Builder
	for i := range 200 {
		fmt.Fprintf(&before, "SECRET%03d\n", i)
		after.WriteString("xxxxxxxxx\n")
	}
	require.NoError(t, os.WriteFile(path, []byte(before.String()), 0o600))
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			err := newFile(path).Erase(t.Context(), onFullDisk, func(doc []byte) ([]byte, error) {
				return bytes.ReplaceAll(doc, fmt.Appendf(nil, "SECRET%03d", i), []byte("xxxxxxxxx")), nil
			})
			assert.ErrorContains(t, err, "are overwritten")
		})
	}
	wg.Wait()
	assert.Equal(t, after.String(), text(t, path))
}
