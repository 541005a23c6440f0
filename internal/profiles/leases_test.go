package profiles

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const deadID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// TestTakeDuringSweeps has sweeps remove a lease that is made and not locked yet: it would be one that no other process
// finds.
func TestTakeDuringSweeps(t *testing.T) {
	scopes, err := leasesBeside(filepath.Join(t.TempDir(), "credentials"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, err := scopes.end(deadID)
				assert.NoError(t, err)
			}
		})
	}
	for range 100 {
		l, err := scopes.take(deadID)
		if !assert.NoError(t, err) || !assert.True(t, l.IsThere(), "the lease that is held is not the one that others look for") {
			break
		}
		assert.NoError(t, l.Close())
	}
	cancel()
	wg.Wait()
}
