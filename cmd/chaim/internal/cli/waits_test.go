package cli

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awaiting"
)

func TestWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		work func(ctx context.Context, w *Waits)
		want []string
	}{
		"short": {func(ctx context.Context, _ *Waits) { waitFor(ctx, "a", waitPatience-1) }, nil},
		"long":  {func(ctx context.Context, _ *Waits) { waitFor(ctx, "a", waitPatience+1) }, []string{"a"}},
		"one after the other": {func(ctx context.Context, _ *Waits) {
			for range 3 {
				waitFor(ctx, "a", waitPatience-1)
			}
		}, nil},
		"once": {func(ctx context.Context, _ *Waits) {
			waitFor(ctx, "a", waitPatience+1)
			waitFor(ctx, "b", time.Hour)
		}, []string{"a"}},
		"the newest of two": {func(ctx context.Context, _ *Waits) {
			end := awaiting.For(ctx, "a")
			waitFor(ctx, "b", time.Second)
			waitFor(ctx, "c", time.Minute)
			end()
		}, []string{"c"}},
		"once the terminal is a program's": {func(ctx context.Context, w *Waits) {
			end := awaiting.For(ctx, "a")
			w.Close()
			waitFor(ctx, "b", time.Hour)
			end()
		}, nil},
		"off a terminal": {func(ctx context.Context, w *Waits) {
			w.tell = nil
			waitFor(ctx, "a", time.Hour)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []string
				w := &Waits{patience: waitPatience, tell: func(what string) { told = append(told, what) }}
				tt.work(awaiting.Observe(t.Context(), w.Begin), w)
				w.Close()
				assert.Equal(t, tt.want, told)
			})
		})
	}
}

// waitFor is work that waits for something.
func waitFor(ctx context.Context, what string, d time.Duration) {
	defer awaiting.For(ctx, what)()
	<-time.After(d)
}

func TestWithin(t *testing.T) {
	const limit = 45 * time.Second
	synctest.Test(t, func(t *testing.T) {
		w := &Waits{}
		ctx, began := awaiting.Observe(t.Context(), w.Begin), time.Now()
		err := w.Within(ctx, limit, func(ctx context.Context) error {
			waitFor(ctx, "the first", time.Second)
			defer awaiting.For(ctx, "the second")()
			<-ctx.Done()
			return context.Cause(ctx)
		})
		require.ErrorIs(t, err, chaim.ErrUnreachable)
		require.EqualError(t, err, "chaim: unreachable: gave up after 45s of waiting for the second")
		assert.Equal(t, limit, time.Since(began))
		require.NoError(t, w.Within(ctx, limit, func(context.Context) error { return nil }))
	})
}
