package chaim_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestEachStopsOnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 50)
		opts.Profiles, opts.StopOnError, opts.Parallel = true, true, 4
		mine := errors.New("mine")
		start := time.Now()
		ran := atomic.Int32{}
		told := 0
		opts.Progress = func(chaim.EachProgress) { told++ }
		err := chaim.Each(t.Context(), accounts, opts, func(ctx context.Context, a chaim.Account, _ *chaim.Client) error {
			ran.Add(1)
			if a == accounts[2] {
				<-time.After(time.Second)
				return mine
			}
			<-ctx.Done()
			assert.ErrorContains(t, context.Cause(ctx), "another account failed")
			return nil // has come to its end
		})
		assert.EqualValues(t, 4, ran.Load())
		assert.Less(t, time.Since(start), 2*time.Second)
		assert.ErrorIs(t, err, mine)
		assert.Len(t, failedOf(t, err), 47, "one that failed, and those that were not begun")
		assert.Equal(t, 50, told)
		assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "))
		assert.Empty(t, read(t, credentialsFile(opts.Options)))
	})
}

func TestEachEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 50)
		opts.Profiles = true
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		cleaned := atomic.Int32{}
		var notBegun []time.Duration
		start := time.Now()
		opts.Progress = func(p chaim.EachProgress) {
			if strings.HasPrefix(p.Err.Error(), "chaim: not begun: ") {
				notBegun = append(notBegun, time.Since(start))
			}
		}
		err := chaim.Each(ctx, accounts, opts, func(ctx context.Context, _ chaim.Account, _ *chaim.Client) error {
			<-ctx.Done()
			assert.Equal(t, cause, context.Cause(ctx))
			<-time.After(5 * time.Second)
			cleaned.Add(1)
			return ctx.Err()
		})
		assert.EqualValues(t, 8, cleaned.Load())
		assert.ErrorIs(t, err, cause)
		assert.Len(t, failedOf(t, err), 50)
		require.Len(t, notBegun, 42)
		assert.Equal(t, time.Minute, notBegun[41], "those that wait end at once")
		assert.Empty(t, read(t, credentialsFile(opts.Options)))

		err = chaim.Each(ctx, accounts, opts, doNothing)
		assert.ErrorIs(t, err, cause)
		assert.Len(t, srv.Requests(), 8)
	})
}

func TestEachPanics(t *testing.T) {
	type value struct{ n int }
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 50)
		opts.Profiles = true
		write(t, credentialsFile(opts.Options), userFile)
		ended := atomic.Int32{}
		mine := &value{1}
		got := func() (got any) {
			defer func() { got = recover() }()
			_ = chaim.Each(t.Context(), accounts, opts, func(ctx context.Context, a chaim.Account, _ *chaim.Client) error {
				if a == accounts[3] {
					<-time.After(time.Second)
					panic(mine)
				}
				<-ctx.Done()
				ended.Add(1)
				return nil
			})
			return nil
		}()
		assert.Same(t, mine, got)
		assert.EqualValues(t, 7, ended.Load())
		assert.Equal(t, userFile, read(t, credentialsFile(opts.Options)))
	})
}

func TestEachProgressPanics(t *testing.T) {
	for _, at := range []int{1, 20} { // of an account that has run, and of one that is not begun
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			accounts, opts := eachOf(t, srv, 20)
			opts.Profiles = true
			ctx, cancel := context.WithCancel(t.Context())
			opts.Progress = func(p chaim.EachProgress) {
				if p.Done == at {
					panic("mine")
				}
			}
			assert.PanicsWithValue(t, "mine", func() {
				_ = chaim.Each(ctx, accounts, opts, func(ctx context.Context, a chaim.Account, _ *chaim.Client) error {
					if at == 20 {
						cancel()
						<-time.After(time.Minute)
					}
					return nil
				})
			})
			cancel()
			assert.Empty(t, read(t, credentialsFile(opts.Options)))
		})
	}
}

func TestEachGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		accounts, opts := eachOf(t, srv, 20)
		opts.Profiles = true
		err := chaim.Each(t.Context(), accounts, opts, func(_ context.Context, a chaim.Account, _ *chaim.Client) error {
			if a == accounts[4] {
				runtime.Goexit()
			}
			return nil
		})
		assert.ErrorContains(t, err, `account "team-004" (500000000004): fn did not return`)
		assert.Equal(t, accounts[4:5], failedOf(t, err))
		assert.Empty(t, read(t, credentialsFile(opts.Options)))
	})
}
