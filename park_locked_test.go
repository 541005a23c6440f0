package chaim_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// TestParkedIsLocked has another process hold the lock of chaim-parked. Those who wait for it keep nobody from the credentials
// file, are told which lock it is, and go on when it is free.
func TestParkedIsLocked(t *testing.T) {
	for name, op := range map[string]func(ctx context.Context, c *chaim.Client) error{
		"park":   func(ctx context.Context, c *chaim.Client) error { return c.ParkAccount(ctx, "dev") },
		"delete": func(ctx context.Context, c *chaim.Client) error { return c.DeleteAccount(ctx, "dev") },
		"unpark": func(ctx context.Context, c *chaim.Client) error {
			_, err := c.UnparkAccount(ctx, "dev")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			c := clientFor(t, opts)
			keep(t, opts, "dev")
			if name != "park" {
				require.NoError(t, c.ParkAccount(t.Context(), "dev"))
			}
			inBoth := func() {
				if name == "delete" {
					keep(t, opts, "dev")
				}
			}
			inBoth()
			lock, err := sharedfile.LockSide(parkedFile(opts)+".lock", os.O_CREATE|os.O_RDWR, false)
			require.NoError(t, err)
			require.NotNil(t, lock)

			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- op(ctx, c) }()
			for isOver := false; !isOver; {
				start := time.Now()
				keep(t, opts, "other")
				assert.Less(t, time.Since(start), 2*time.Second, "others are kept waiting")
				select {
				case err = <-ended:
					isOver = true
				default:
				}
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, parkedFile(opts)+".lock")

			inBoth()
			go func() { ended <- op(t.Context(), c) }()
			keep(t, opts, "other")
			require.NoError(t, lock.Close())
			require.NoError(t, <-ended)
			names := parkedAccounts(t, c)
			assert.Equal(t, name == "park", len(names) == 1, names)
		})
	}
}

// TestKeptProfileBehindAnIncompleteLine has profiles kept, parked and brought back in files that do not end in a newline, and
// removed from there.
func TestKeptProfileBehindAnIncompleteLine(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	write(t, credentialsFile(opts), userFile)
	write(t, parkedFile(opts), userFile)
	before := [2]string{userFile, userFile}
	c := clientFor(t, opts)
	keep(t, opts, "dev")
	_, err := c.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	require.NoError(t, c.ParkAccount(t.Context(), "dev"), "again")
	_, err = c.UnparkAccount(t.Context(), "dev")
	require.NoError(t, err)
	assert.Equal(t, userFile, read(t, parkedFile(opts)))
	profiles, err := c.MyAccountList(t.Context())
	require.NoError(t, err)
	require.Len(t, profiles, 1)
	assert.False(t, profiles[0].Live || profiles[0].Dead)
	keep(t, opts, "dev") // in place of that
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.Equal(t, before, bothFiles(t, opts))
}
