//go:build neighbours && linux

package neighbours

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

const scopesEach = 20

// openScopes opens one scope after the other, and reads the keys in each.
func openScopes(dir string) error {
	for range scopesEach {
		err := chaim.WithContext(context.Background(), options(dir), func(_ context.Context, c *chaim.Client) error {
			return checkKeys(filepath.Join(dir, "credentials"), c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// TestManyScopes opens scopes in many goroutines or processes at once, while SDKs read the file.
func TestManyScopes(t *testing.T) {
	for name, tt := range map[string]struct {
		sides int
		open  func(t *testing.T, dir string)
	}{
		"goroutines": {100, func(t *testing.T, dir string) { assert.NoError(t, openScopes(dir)) }},
		"processes": {16, func(t *testing.T, dir string) {
			out, err := child(t, "scopes", dir).CombinedOutput()
			assert.NoError(t, err, "%s", out)
		}},
	} {
		for _, users := range []int{20, 300} {
			t.Run(fmt.Sprintf("%d %s, %d users", tt.sides, name, users), func(t *testing.T) {
				h := newHome(t, users)
				stop := startReaders(t, h)
				start := time.Now()
				var wg sync.WaitGroup
				for range tt.sides {
					wg.Go(func() { tt.open(t, h.dir) })
				}
				wg.Wait()
				took := time.Since(start)
				goReads, pythonReads := stop()
				t.Logf("%d scopes in %s, %d reads by Go, %d by botocore", tt.sides*scopesEach, took.Round(time.Millisecond), goReads, pythonReads)
				h.assertUntouched(t)
			})
		}
	}
}

// startReaders reads the first and the last profile until stop. Each read must be right.
func startReaders(t *testing.T, h home) (stop func() (goReads, pythonReads int)) {
	expected := map[string]string{user(0): userKey(0), user(h.users - 1): userKey(h.users - 1)}
	args := []string{"testdata/reader.py", h.path}
	for profile, key := range expected {
		args = append(args, profile+"="+key)
	}
	botocore := startPython(t, args...)

	ended := make(chan struct{})
	reads := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for every := time.Tick(2 * time.Millisecond); ; {
			for profile, key := range expected {
				found, err := readProfile(h.path, profile)
				assert.NoError(t, err)
				assert.Equal(t, key, found.AccessKeyID)
				reads++
			}
			select {
			case <-ended:
				return
			case <-every:
			}
		}
	})
	return func() (int, int) {
		close(ended)
		wg.Wait()
		require.NoError(t, botocore.in.Close())
		line, err := botocore.line()
		require.NoError(t, err)
		var result struct {
			Reads int
			Bad   []string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &result))
		assert.NotZero(t, result.Reads)
		assert.Empty(t, result.Bad)
		return reads, result.Reads
	}
}

// TestScopesLeaveNothing opens so many scopes that a leak would show.
func TestScopesLeaveNothing(t *testing.T) {
	h := newHome(t, 10)
	require.NoError(t, borrow(t.Context(), h.dir)) // makes the files that stay
	lock, err := os.Open(h.path + ".lock")         // open, so that no other file gets its inode
	require.NoError(t, err)
	defer lock.Close()
	lockInfo, err := lock.Stat()
	require.NoError(t, err)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)

	const sides = 10
	var wg sync.WaitGroup
	for range sides {
		wg.Go(func() {
			for range figure(500, 10_000) / sides {
				assert.NoError(t, borrow(t.Context(), h.dir))
				info, err := os.Stat(h.path + ".lock")
				if assert.NoError(t, err) {
					assert.True(t, os.SameFile(lockInfo, info), "the lock is always the same file")
				}
			}
		})
	}
	wg.Wait()
	for range 100 {
		if runtime.NumGoroutine() == goroutines {
			break
		}
		<-time.After(time.Millisecond)
	}
	assert.Equal(t, goroutines, runtime.NumGoroutine())
	assert.Equal(t, files, openFiles(t))
	h.assertUntouched(t)
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}
