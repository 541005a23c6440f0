package profiles

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
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

func TestMarksAndFilesOfOtherLengthsAreOfNoScope(t *testing.T) {
	const id, hash = deadID, "0123456789abcdef"
	f := leases{base: "credentials"}
	for mark, want := range map[string]string{
		id + "-" + hash + "-" + hash:       id,
		id + "2-" + hash + "-" + hash:      "",
		id[1:] + "-" + hash + "-" + hash:   "",
		id + "-" + hash + "0-" + hash[1:]:  "",
		id + "-" + hash[1:] + "-" + hash:   "",
		id + "-" + hash + "-" + hash + "0": "",
	} {
		m, _ := markOf(map[string]string{inifile.ScopeKey: mark})
		assert.Equal(t, want, m.id, mark)
	}
	for name, want := range map[string]string{
		"credentials-" + id + ".lease":     id,
		"credentials-" + id + ".json":      id,
		"credentials-" + id + "2.lease":    "",
		"credentials-" + id[1:] + ".lease": "",
		"credentials-" + id:                "",
		"other-" + id + ".lease":           "",
	} {
		assert.Equal(t, want, f.idIn(name), name)
	}
}
