package sharedfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecordOverwritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(lockPath(path), []byte("pid 1\n"), 0o600))
	require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
	assert.Equal(t, "pid 1\n", text(t, lockPath(path)))
}

func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, newFile(path).Edit(t.Context(), addLine("[x]")))
	info, err := os.Stat(path)
	require.NoError(t, err)
	held := hold(t, path)
	defer held.Close()
	r := openRecord(held)
	assert.True(t, r.matches(info))
	assert.Equal(t, 1, r.headers)
	assert.Contains(t, text(t, lockPath(path)), thisProcess()+"\n")

	require.NoError(t, os.WriteFile(path, []byte("[x]\n[y]\n"), 0o600))
	info, err = os.Stat(path)
	require.NoError(t, err)
	assert.False(t, r.matches(info))

	for _, damaged := range []string{"", "\x00\x00", "process 1 on h\n12", "process 1 on h\n1 2 3\n3\n", "process 1 on h\n99999999999999999999 1 1\n"} {
		require.NoError(t, os.WriteFile(lockPath(path), []byte(damaged), 0o600))
		r := openRecord(held)
		assert.False(t, r.isKnown, damaged)
		r.leave(info, nil)
		assert.True(t, openRecord(held).isKnown, damaged)
	}
}

func TestParallelEditsAllArrive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				assert.NoError(t, newFile(path).Edit(t.Context(), addLine(fmt.Sprint(i, j))))
			}
		})
	}
	wg.Wait()
	lines := slices.Sorted(strings.Lines(text(t, path)))
	assert.Len(t, slices.Compact(lines), 40)
	assert.Empty(t, leftovers(t, path))
	assert.Empty(t, queues.of, "no edit waits any more")
}

// TestEditsThatWaitAreWrittenTogether has edits come while another is being made.
func TestEditsThatWaitAreWrittenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	var wg sync.WaitGroup
	var texts [10]string // that each edit got last
	refused := func([]byte) ([]byte, error) { return nil, errMine }
	gone, leave := context.WithCancelCause(t.Context())
	leave(errMine)
	err := newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) {
		if len(queues.of[queueKey{target: path}].waiting) == 0 { // no lock is needed before others wait
			for i := range texts {
				wg.Go(func() {
					assert.NoError(t, newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) {
						texts[i] = string(doc)
						return addLine(fmt.Sprint(i))(doc)
					}))
				})
			}
			wg.Go(func() { assert.ErrorIs(t, newFile(path).Edit(t.Context(), refused), errMine) })
			wg.Go(func() { assert.ErrorIs(t, newFile(path).Edit(gone, addLine("gone")), errMine) })
			waitFor(path, len(texts)+1)
		}
		return addLine("first")(doc)
	})
	require.NoError(t, err)
	wg.Wait()
	slices.SortFunc(texts[:], func(a, b string) int { return len(a) - len(b) })
	for i, found := range texts {
		assert.Equal(t, i+1, strings.Count(found, "\n"), "each builds on the one before it")
	}
	assert.NotContains(t, text(t, path), "gone")
}

// hold takes the lock of a file, as another process would.
func hold(t *testing.T, path string) *Side {
	t.Helper()
	l, err := LockSide(lockPath(path), os.O_CREATE|os.O_RDONLY, false)
	require.NoError(t, err)
	require.NotNil(t, l)
	return l
}

func TestLockEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		held := hold(t, path)
		defer held.Close()
		openRecord(held)

		started := time.Now()
		err := newFile(path).Edit(t.Context(), addLine("x"))
		assert.ErrorIs(t, err, ErrLocked)
		assert.ErrorContains(t, err, lockPath(path))
		assert.ErrorContains(t, err, thisProcess())
		assert.Equal(t, lockTimeout, time.Since(started))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started = time.Now()
		err = newFile(path).Edit(ctx, addLine("x"))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotErrorIs(t, err, ErrLocked)
		assert.Equal(t, time.Second, time.Since(started))
	})
}

// TestLockTimeoutDoesNotCountOtherProcesses has an edit wait while other processes take the lock in turn, but give up when
// one of them keeps it.
func TestLockTimeoutDoesNotCountOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		held := hold(t, path)
		var wg sync.WaitGroup
		started := time.Now()
		for range 3 {
			wg.Go(func() { assert.NoError(t, newFile(path).Edit(t.Context(), addLine("x"))) })
		}
		for n := range 5 {
			<-time.After(lockTimeout - time.Second)
			require.NoError(t, os.WriteFile(lockPath(path), fmt.Appendf(nil, "process %d on h\n", n), 0o600))
		}
		require.NoError(t, held.Close())
		wg.Wait()
		assert.Less(t, time.Since(started), 5*lockTimeout)

		held = hold(t, path)
		defer held.Close()
		started = time.Now()
		for n := range 3 {
			wg.Go(func() {
				<-time.After(time.Duration(n) * lockTimeout / 2)
				assert.NoError(t, os.WriteFile(lockPath(path), fmt.Appendf(nil, "process %d on h\n", 9+n), 0o600))
			})
		}
		assert.ErrorIs(t, newFile(path).Edit(t.Context(), addLine("x")), ErrLocked)
		wg.Wait()
		assert.InDelta(t, 2*lockTimeout, time.Since(started), float64(time.Second))
	})
}

// TestLockThatGoesRoundForAMinute has other processes take the lock in turn, and never free it for the edit.
func TestLockThatGoesRoundForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		held := hold(t, path)
		defer held.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var others sync.WaitGroup
		others.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				assert.NoError(t, os.WriteFile(lockPath(path), fmt.Appendf(nil, "process %d on h\n", n), 0o600))
				<-time.After(lockTimeout / 2)
			}
		})
		started := time.Now()
		err := newFile(path).Edit(t.Context(), addLine("x"))
		assert.ErrorIs(t, err, ErrLocked)
		assert.ErrorContains(t, err, "have taken turns with "+lockPath(path)+" for 1m0s")
		assert.InDelta(t, maxLockWait, time.Since(started), float64(time.Second))
		cancel()
		others.Wait()
	})
}

// An edit that panics does so for its caller. The callers of the other edits in its batch get an error.
func TestPanicLeavesNoCallerWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	held := hold(t, path)
	var wg sync.WaitGroup
	wg.Go(func() {
		assert.PanicsWithValue(t, "mine", func() {
			_ = newFile(path).Edit(t.Context(), func([]byte) ([]byte, error) { panic("mine") })
		})
	})
	waitFor(path, 1)
	wg.Go(func() {
		assert.ErrorIs(t, newFile(path).Edit(t.Context(), addLine("other")), syscall.ECANCELED)
	})
	waitFor(path, 2)
	require.NoError(t, held.Close())
	wg.Wait()
	require.NoError(t, newFile(path).Edit(t.Context(), addLine("next")))
	assert.Equal(t, "next\n", text(t, path))
}

// waitFor returns when so many edits wait.
func waitFor(path string, n int) {
	for waiting := -1; waiting < n; {
		runtime.Gosched()
		queues.Lock()
		waiting = 0
		if q := queues.of[queueKey{target: path}]; q != nil {
			waiting = len(q.waiting)
		}
		queues.Unlock()
	}
}

// TestLockTimeoutDoesNotCountOwnProcess has the edits of one process together hold the lock for longer than the time-out.
func TestLockTimeoutDoesNotCountOwnProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		var wg sync.WaitGroup
		started := time.Now()
		for i := range 5 {
			<-time.After(time.Second)
			wg.Go(func() {
				assert.NoError(t, newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) {
					<-time.After(lockTimeout - 2*time.Second)
					return addLine(fmt.Sprint(i))(doc)
				}))
			})
		}
		wg.Wait()
		assert.Greater(t, time.Since(started), 2*lockTimeout)

		held := hold(t, path)
		defer held.Close()
		started = time.Now()
		for range 5 {
			wg.Go(func() { assert.ErrorIs(t, newFile(path).Edit(t.Context(), addLine("x")), ErrLocked) })
		}
		wg.Wait()
		assert.LessOrEqual(t, time.Since(started), lockTimeout+time.Second, "all five edits give up together")
	})
}

// The leading caller leaves while another process has the lock: the next caller takes over.
func TestLeadIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		held := hold(t, path)
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { assert.ErrorIs(t, newFile(path).Edit(ctx, addLine("first")), errMine) })
		synctest.Wait()
		wg.Go(func() { assert.NoError(t, newFile(path).Edit(t.Context(), addLine("second"))) })
		synctest.Wait()
		cancel(errMine)
		synctest.Wait()
		require.NoError(t, held.Close())
		wg.Wait()
		assert.Equal(t, "second\n", text(t, path))
	})
}
