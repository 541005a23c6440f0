package sharedfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInterruptedWriteInPlaceIsTakenBack interrupts a write after each byte.
func TestInterruptedWriteInPlaceIsTakenBack(t *testing.T) {
	for _, texts := range [][2]string{
		{"[a]\nk = v\n", "[a]\nk = v\n\n[p]\nk = v\n"},
		{"[a]\nk = v\n\n[p]\nk = v\n", "[a]\nk = v\n"},
		{"[a]\nk = v\n[b]\nk = v\n", "[a]\nkey = value\n[b]\nk = v\n"},
		{"", "[p]\n"},
		{"[p]\n", ""},
	} {
		oldText, newText := texts[0], texts[1]
		path := filepath.Join(t.TempDir(), "credentials")
		for n := range len(newText) + 1 {
			part := newText[:n] + oldText[min(n, len(oldText)):]
			require.NoError(t, os.WriteFile(path, []byte(part), 0o600))
			backup := fmt.Sprintf(backupHeader, len(oldText), len(newText)) + oldText + newText
			require.NoError(t, os.WriteFile(backupPath(path), []byte(backup), 0o600))
			assert.True(t, isInterrupted(t, path))

			require.NoError(t, newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) { return doc, nil }))
			assert.Contains(t, texts, text(t, path), "%d bytes of %q over %q", n, newText, oldText)
			assert.False(t, isInterrupted(t, path))
		}
	}
}

func isInterrupted(t *testing.T, path string) bool {
	t.Helper()
	is, err := newFile(path).IsInterrupted()
	require.NoError(t, err)
	return is
}

func TestTextChangedAfterAnInterruptedWriteIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	for _, backup := range []string{fmt.Sprintf(backupHeader, 4, 4) + "[a]\n[b]\n", "notes of the user\n", ""} {
		require.NoError(t, os.WriteFile(path, []byte("[c]\n"), 0o600))
		require.NoError(t, os.WriteFile(backupPath(path), []byte(backup), 0o600))
		err := newFile(path).Edit(t.Context(), addLine("x"))
		assert.ErrorIs(t, err, fs.ErrExist)
		assert.ErrorContains(t, err, filepath.Base(backupPath(path)))
		assert.Equal(t, "[c]\n", text(t, path))
		assert.Equal(t, backup, text(t, backupPath(path)))
	}
}

func TestWriteInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, []byte("long text\n"), 0o600))
	before, err := holdSnapshot(path, false)
	require.NoError(t, err)
	info, err := writeInPlace(path, &before, []byte("text\n"))
	require.NoError(t, err)
	assert.Equal(t, "text\n", text(t, path))
	assert.EqualValues(t, len("text\n"), info.Size())
	assert.True(t, os.SameFile(info, before.info))
	assert.NoFileExists(t, backupPath(path))

	require.NoError(t, os.WriteFile(path, []byte("changed\n"), 0o600))
	_, err = writeInPlace(path, &before, []byte("x\n"))
	assert.ErrorIs(t, err, errChanged)
	assert.Equal(t, "changed\n", text(t, path))
	assert.NoFileExists(t, backupPath(path))
}
