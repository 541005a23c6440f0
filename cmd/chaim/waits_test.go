package main

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
		work func(ctx context.Context, w *waits)
		want []string
	}{
		"short": {func(ctx context.Context, _ *waits) { waitFor(ctx, "a", waitPatience-1) }, nil},
		"long":  {func(ctx context.Context, _ *waits) { waitFor(ctx, "a", waitPatience+1) }, []string{"a"}},
		"one after the other": {func(ctx context.Context, _ *waits) {
			for range 3 {
				waitFor(ctx, "a", waitPatience-1)
			}
		}, nil},
		"once": {func(ctx context.Context, _ *waits) {
			waitFor(ctx, "a", waitPatience+1)
			waitFor(ctx, "b", time.Hour)
		}, []string{"a"}},
		"the newest of two": {func(ctx context.Context, _ *waits) {
			end := awaiting.For(ctx, "a")
			waitFor(ctx, "b", time.Second)
			waitFor(ctx, "c", time.Minute)
			end()
		}, []string{"c"}},
		"once the terminal is a program's": {func(ctx context.Context, w *waits) {
			end := awaiting.For(ctx, "a")
			w.close()
			waitFor(ctx, "b", time.Hour)
			end()
		}, nil},
		"off a terminal": {func(ctx context.Context, w *waits) {
			w.tell = nil
			waitFor(ctx, "a", time.Hour)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []string
				w := &waits{patience: waitPatience, tell: func(what string) { told = append(told, what) }}
				tt.work(awaiting.Observe(t.Context(), w.begin), w)
				w.close()
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
	synctest.Test(t, func(t *testing.T) {
		w := &waits{}
		ctx, began := awaiting.Observe(t.Context(), w.begin), time.Now()
		err := w.within(ctx, processLimit, func(ctx context.Context) error {
			waitFor(ctx, "the first", time.Second)
			defer awaiting.For(ctx, "the second")()
			<-ctx.Done()
			return context.Cause(ctx)
		})
		require.ErrorIs(t, err, chaim.ErrUnreachable)
		require.EqualError(t, err, "chaim: unreachable: gave up after 45s of waiting for the second")
		assert.Equal(t, processLimit, time.Since(began))
		require.NoError(t, w.within(ctx, processLimit, func(context.Context) error { return nil }))
	})
}
