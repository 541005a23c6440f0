package turn

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTurnsComeInOrder(t *testing.T) {
	var l Lock // outlives the bubbles
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			require.NoError(t, l.Take(t.Context()))
			var order []int
			for i := range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					defer cancel()
					if l.Take(ctx) == nil {
						order = append(order, i)
						l.Give()
					}
				}()
				synctest.Wait()
				if i == 1 { // it leaves the queue
					cancel()
					synctest.Wait()
				}
			}
			l.Give()
			synctest.Wait()
			assert.Equal(t, []int{0, 2}, order)
			assert.False(t, l.queue.isTaken)
		})
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lock
		require.NoError(t, l.Take(t.Context()))
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		require.ErrorIs(t, l.Take(ctx), context.DeadlineExceeded)
		assert.Empty(t, l.queue.waiting)
		l.Give()
		require.NoError(t, l.Take(t.Context()))
	})
}

// TestTurnAtTheEndOfTheContext lets a turn and the end of a context come together, many times.
func TestTurnAtTheEndOfTheContext(t *testing.T) {
	var l Lock
	for range 1000 {
		require.NoError(t, l.Take(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if l.Take(ctx) == nil {
				l.Give()
			}
		}()
		go cancel()
		l.Give()
		<-done
		cancel()
		require.NoError(t, l.Take(t.Context()), "the turn is not lost")
		l.Give()
	}
}
