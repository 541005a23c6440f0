package chaim_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// lockedOut runs Each for three accounts at a time. While the first two are closed nobody can open the lock file. Then end
// is called for the third.
func lockedOut(t *testing.T, of error, end func(unlock func()) error) (told []chaim.EachProgress, log, left string, err error) {
	srv := chaimtest.NewServer(t)
	accounts, opts := eachOf(t, srv, 3)
	opts.Profiles = true
	var text bytes.Buffer
	opts.Options.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn}))
	opts.Progress = func(p chaim.EachProgress) { told = append(told, p) }
	path := credentialsFile(opts.Options)
	lock := path + ".lock"
	write(t, path, userFile)
	func() {
		defer func() {
			if value := recover(); value != nil {
				err = value.(error)
			}
		}()
		err = chaim.Each(t.Context(), accounts, opts, func(_ context.Context, a chaim.Account, c *chaim.Client) error {
			switch a {
			case accounts[0]:
				<-time.After(2 * time.Second)
				return nil
			case accounts[1]:
				<-time.After(time.Second)
				require.NoError(t, os.Remove(lock))
				require.NoError(t, os.Mkdir(lock, 0o700))
				return of
			}
			<-time.After(3 * time.Second)
			synctest.Wait()
			assert.Equal(t, 3, strings.Count(read(t, path), "accountname"))
			assert.Empty(t, text.String())
			for _, p := range told {
				assert.Equal(t, accounts[1], p.Account)
				assert.Equal(t, of, p.Err)
			}
			return end(func() { require.NoError(t, os.Remove(lock)) })
		})
	}()
	return told, text.String(), read(t, path), err
}

func TestEachClosesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told, log, left, err := lockedOut(t, nil, func(unlock func()) error { unlock(); return nil })
		assert.NoError(t, err)
		assert.Equal(t, userFile, left)
		assert.Empty(t, log)
		require.Len(t, told, 3)
		assert.Equal(t, "team-002", told[0].Account.Name)
		for i, p := range told {
			assert.NoError(t, p.Err)
			assert.Equal(t, []int{i + 1, 0, 3}, []int{p.Done, p.Failed, p.Total})
		}
	})
}

func TestEachClosesAgainAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := errors.New("mine")
		told, _, left, err := lockedOut(t, nil, func(unlock func()) error { unlock(); panic(mine) })
		assert.Equal(t, mine, err)
		assert.Equal(t, userFile, left)
		assert.Len(t, told, 3)
	})
}

func TestEachTellsOfWhatCannotBeClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := errors.New("mine")
		told, log, left, err := lockedOut(t, mine, func(func()) error { return nil })
		assert.Equal(t, 3, strings.Count(left, "accountname"))
		assert.Equal(t, 3, strings.Count(log, "profile could not be removed"))
		var failed *chaim.EachError
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed.Accounts, 3)
		assert.ErrorIs(t, failed.Accounts[1], mine)
		for _, a := range failed.Accounts {
			assert.ErrorContains(t, a, "cannot lock")
			assert.Equal(t, 1, strings.Count(a.Error(), "cannot lock"), "what went wrong at first is dropped")
		}
		require.Len(t, told, 3, "each is told once")
		assert.Equal(t, "team-001", told[0].Account.Name)
		assert.ErrorContains(t, told[2].Err, "cannot lock")
	})
}
