package sharedfile

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLastMomentWritesAreNotLost has another program write after the last look of an edit.
func TestLastMomentWritesAreNotLost(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, path string, before *snapshot) <-chan error{
		"in place": func(t *testing.T, path string, before *snapshot) <-chan error {
			written := make(chan error, 1)
			go func() { written <- os.WriteFile(path, []byte("[user]\n[new]\n"), 0o600) }()
			for !isAwaited(before.held) {
				runtime.Gosched()
			}
			return written
		},
		"by rename": func(t *testing.T, path string, _ *snapshot) <-chan error {
			require.NoError(t, os.WriteFile(path+".new", []byte("[user]\n[new]\n"), 0o600))
			written := make(chan error, 1)
			written <- os.Rename(path+".new", path)
			return written
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials")
			require.NoError(t, os.WriteFile(path, []byte("[user]\n"), 0o600))
			before, err := holdSnapshot(path, false)
			require.NoError(t, err)
			require.NotNil(t, before.held)
			tmp, info, err := writeTemp(path, []byte("[user]\n[ours]\n"), true)
			require.NoError(t, err)

			written := write(t, path, &before)
			c := commit{target: path}
			require.NoError(t, exchange(tmp, path))
			assert.ErrorIs(t, c.checkDisplaced(tmp, info, &before), errChanged)
			before.release()
			require.NoError(t, <-written)
			assert.Equal(t, "[user]\n[new]\n", text(t, path))
			assert.Equal(t, "[user]\n[ours]\n", text(t, tmp))
		})
	}
}

func TestReadWaitsForAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, []byte("[user]\n"), 0o600))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	require.NoError(t, err)
	s, err := holdSnapshot(path, false)
	require.NoError(t, err)
	assert.True(t, s.busy)
	read := make(chan []byte)
	go func() {
		doc, err := newFile(path).Read()
		assert.NoError(t, err)
		read <- doc
	}()
	_, err = f.WriteString("[user]\n[new]\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.Equal(t, "[user]\n[new]\n", string(<-read))
}

// Another program keeps the file open for writing, and does not write.
func TestOpenFileIsEditedInTheEnd(t *testing.T) {
	inBubble(t, "[user]\n", func(t *testing.T, path string) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		defer f.Close()
		started := time.Now()
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		assert.Equal(t, "[user]\nx\n", text(t, path))
		assert.GreaterOrEqual(t, time.Since(started), doubtTime)
	})
}

// TestIdleWriterIsNotWaitedForAnyLonger has another program remove a section, and keep the file open.
func TestIdleWriterIsNotWaitedForAnyLonger(t *testing.T) {
	inBubble(t, "[a]\n[b]\n", func(t *testing.T, path string) {
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("[c]")))
		f, err := os.Create(path)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString("[a]\n")
		require.NoError(t, err)
		started := time.Now()
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		assert.GreaterOrEqual(t, time.Since(started), idleTime)
		assert.Equal(t, "[a]\nx\n", text(t, path))
	})
}

// An edit waits for a program that empties the file and keeps it open, but not for ever.
func TestEmptiedOpenFileIsNotEdited(t *testing.T) {
	inBubble(t, "[user]\n", func(t *testing.T, path string) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		require.NoError(t, err)
		defer f.Close()
		assert.ErrorIs(t, newFile(path).Edit(t.Context(), addLine("x")), syscall.EBUSY)
		assert.Empty(t, text(t, path))
	})
}
