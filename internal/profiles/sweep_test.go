package profiles

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// littered returns a credentials file with n leases of dead scopes beside it, and as many process files.
func littered(t *testing.T, n int) (sharedfile.File, leases) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials")
	scopes, err := leasesBeside(path)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(scopes.folder, 0o700))
	for range n {
		id := rand.Text()
		for _, extension := range []string{leaseExtension, processExtension} {
			require.NoError(t, os.WriteFile(scopes.path(id, extension), nil, 0o600))
		}
	}
	return sharedfile.File{Path: path}, scopes
}

// TestSweepIsLinear sweeps ten times as many files. That may take about ten times as long, but not a hundred times.
func TestSweepIsLinear(t *testing.T) {
	took := func(n int) time.Duration {
		file, scopes := littered(t, n)
		for i := range n {
			temp := filepath.Join(filepath.Dir(file.Path), fmt.Sprintf(".chaim-tmp-credentials-%d", i))
			require.NoError(t, os.WriteFile(temp, nil, 0o600))
		}
		start := time.Now()
		swept, err := sweep(t.Context(), file, inifile.Parse(nil), true)
		elapsed := time.Since(start)
		require.NoError(t, err)
		assert.Len(t, swept, 3*n)
		left, err := os.ReadDir(scopes.folder)
		require.NoError(t, err)
		assert.Empty(t, left)
		return elapsed
	}
	var ratio float64
	for range 3 { // other programs may slow down a sweep
		few := took(2000)
		if ratio = float64(took(20000)) / float64(few); ratio < 18 {
			return
		}
	}
	t.Errorf("%.0f times as long", ratio)
}

// endingContext has ended after a number of calls of Err.
type endingContext struct {
	context.Context
	left int // calls until then
}

func (c *endingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestSweepGoesOn has a sweep run out of time, and the next one continue.
func TestSweepGoesOn(t *testing.T) {
	const n = 100
	file, scopes := littered(t, n)
	calls, gone := 0, 0
	for gone < 2*n {
		calls++
		require.LessOrEqual(t, calls, 5)
		swept, err := sweep(&endingContext{t.Context(), n / 4}, file, inifile.Parse(nil), false)
		require.NotEmpty(t, swept)
		gone += len(swept)
		if gone < 2*n {
			assert.ErrorContains(t, err, scopes.folder)
		}
	}
	left, err := os.ReadDir(scopes.folder)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestSweepComesOn has listing the files take all the time of a sweep. It still removes some of them.
func TestSweepComesOn(t *testing.T) {
	file, _ := littered(t, 0)
	dir := filepath.Dir(file.Path)
	const n = 2*leastRemoved + leastRemoved/2
	for i := range n {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf(".chaim-tmp-credentials-%d", i)), nil, 0o600))
	}
	gone := 0
	for _, want := range []int{leastRemoved, leastRemoved, leastRemoved / 2} {
		ctx := &endingContext{t.Context(), 0}
		swept, err := sweep(ctx, file, inifile.Parse(nil), false)
		require.NoError(t, err)
		removed := len(swept)
		require.Equal(t, want, removed)
		gone += removed
	}
	assert.Equal(t, n, gone)
}

// TestSweepOfALockedFile has a sweep find the file locked. It removes only leases of scopes that have no profile in the
// file.
func TestSweepOfALockedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bookOf(t, "")
		s := lend(t, b, Spec{})
		require.NoError(t, s.Write(t.Context(), grant(1)))
		text := textOf(t, b.Path())
		s.Stop()
		s.Wait()
		require.NoError(t, s.state.lease.close(false), "as if its process had died")
		scopes, err := leasesBeside(b.Path())
		require.NoError(t, err)
		orphan := scopes.path(rand.Text(), leaseExtension)
		require.NoError(t, os.WriteFile(orphan, nil, 0o600))
		lock, err := sharedfile.LockSide(b.Path()+".lock", os.O_RDONLY, false)
		require.NoError(t, err)
		require.NotNil(t, lock)

		swept, err := b.Sweep(t.Context())
		assert.ErrorIs(t, err, sharedfile.ErrLocked)
		assert.Equal(t, []Swept{{Path: orphan}}, swept)
		assert.Equal(t, text, textOf(t, b.Path()))
		require.NoError(t, lock.Close())
		swept, err = b.Sweep(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []Swept{{b.Path(), "tempname"}, {Path: scopes.path(s.state.lease.id, leaseExtension)}}, swept)
		assert.Empty(t, textOf(t, b.Path()))
	})
}
