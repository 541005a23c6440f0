//go:build neighbours && linux

package neighbours

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim"
)

// churn opens scopes, sweeps, prints a dot for each scope, and dies at some moment. It returns only if a profile is missing
// while its scope lives, or after another error.
func churn(dir string) error {
	time.AfterFunc(rand.N(2*time.Second), func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) })
	path := filepath.Join(dir, "credentials")
	for {
		err := chaim.WithContext(context.Background(), options(dir), func(_ context.Context, c *chaim.Client) error {
			end := time.After(rand.N(300 * time.Millisecond))
			for {
				if err := checkKeys(path, c); err != nil {
					return err
				}
				select {
				case <-end:
					return nil
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
		if err != nil {
			return err
		}
		if _, err := chaim.Sweep(context.Background(), dir); err != nil {
			return err
		}
		fmt.Print(".")
	}
}

// TestChurn has processes start, die, and clean up after each other.
func TestChurn(t *testing.T) {
	h := newHome(t, 10)
	end := time.Now().Add(time.Duration(figure(15, 60)) * time.Second)
	var processes, scopes atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for time.Now().Before(end) {
				cmd := child(t, "mortal", h.dir)
				out, _ := cmd.CombinedOutput()
				status := cmd.ProcessState.Sys().(syscall.WaitStatus)
				if !assert.Equal(t, syscall.SIGKILL, status.Signal(), "%s", out) {
					return
				}
				processes.Add(1)
				scopes.Add(int64(strings.Count(string(out), ".")))
			}
		})
	}
	wg.Wait()
	swept, err := chaim.Sweep(t.Context(), h.dir)
	assert.NoError(t, err)
	h.assertUntouched(t)
	assert.NotZero(t, scopes.Load())
	t.Logf("%d processes died, %d scopes ended well, the last sweep removed %d", processes.Load(), scopes.Load(), len(swept))
}
