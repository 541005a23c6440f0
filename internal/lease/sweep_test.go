package lease

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/sharedfile"
)

// littered returns a credentials file with n leases of the dead beside it, and as many process files.
func littered(t *testing.T, n int) (sharedfile.File, Files) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials")
	scopes, err := Beside(path)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(scopes.Folder, 0o700))
	for range n {
		id := rand.Text()
		for _, extension := range []string{Extension, ProcessExtension} {
			require.NoError(t, os.WriteFile(scopes.Path(id, extension), nil, 0o600))
		}
	}
	return sharedfile.File{Path: path}, scopes
}

// TestSweepIsLinear sweeps ten times as many files, which is to take about ten times as long, and not a hundred times.
func TestSweepIsLinear(t *testing.T) {
	took := func(n int) time.Duration {
		file, scopes := littered(t, n)
		for i := range n {
			temp := filepath.Join(filepath.Dir(file.Path), fmt.Sprintf(".chaim-tmp-credentials-%d", i))
			require.NoError(t, os.WriteFile(temp, nil, 0o600))
		}
		start := time.Now()
		swept, err := Sweep(t.Context(), file, nil, true)
		elapsed := time.Since(start)
		require.NoError(t, err)
		assert.Len(t, swept, 3*n)
		left, err := os.ReadDir(scopes.Folder)
		require.NoError(t, err)
		assert.Empty(t, left)
		return elapsed
	}
	var ratio float64
	for range 3 { // other programs may slow one down
		few := took(2000)
		if ratio = float64(took(20000)) / float64(few); ratio < 18 {
			return
		}
	}
	t.Errorf("%.0f times as long", ratio)
}

// endingContext ends when it has been asked so many times whether it has.
type endingContext struct {
	context.Context
	left int
}

func (c *endingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestSweepGoesOn where the one before ran out of time.
func TestSweepGoesOn(t *testing.T) {
	const n = 100
	file, scopes := littered(t, n)
	calls, gone := 0, 0
	for gone < 2*n {
		calls++
		require.LessOrEqual(t, calls, 5)
		swept, err := Sweep(&endingContext{t.Context(), n / 4}, file, nil, false)
		require.NotEmpty(t, swept)
		gone += len(swept)
		if gone < 2*n {
			assert.ErrorContains(t, err, scopes.Folder)
		}
	}
	left, err := os.ReadDir(scopes.Folder)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestSweepComesOn where listing what is left takes all the time that the sweep has.
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
		swept, err := Sweep(ctx, file, nil, false)
		require.NoError(t, err)
		removed := len(swept)
		require.Equal(t, want, removed)
		gone += removed
	}
	assert.Equal(t, n, gone)
}
