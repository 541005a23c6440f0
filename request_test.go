package chaim_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
)

func TestRequestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		opts.Account, opts.Role, opts.Duration = "Connected Homes", "mpu", 2*time.Hour
		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		assert.NoFileExists(t, credentialsFile(opts))
		var seen []string
		for range 3 {
			creds, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
			assert.Equal(t, creds, c.Creds())
			assert.NotContains(t, seen, creds.AccessKeyID, "new ones each time")
			seen = append(seen, creds.AccessKeyID)
			pairs, _, err := inifile.ReadManaged([]byte(read(t, credentialsFile(opts))), c.Profile())
			require.NoError(t, err)
			assert.Equal(t, creds.AccessKeyID, pairs["aws_access_key_id"])
			assert.Equal(t, "Connected Homes", pairs[inifile.MarkerKey])
			<-time.After(time.Minute)
		}
		require.Equal(t, "List", srv.Requests()[0].Action, "once")
		for _, r := range srv.Requests()[1:] {
			assert.Equal(t, []any{"222222222222", "mpu", 2 * time.Hour}, []any{r.Account, r.Role, r.Duration})
		}

		before, held := read(t, credentialsFile(opts)), c.Creds()
		srv.Inject(1, chaimtest.Refuse("IncorrectCredentials: usertoken has expired"))
		_, err = c.RequestKeys(t.Context())
		require.ErrorIs(t, err, chaim.ErrDenied)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = c.RequestKeys(ctx)
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait() // for the call that nobody waits for any more
		require.NoError(t, c.Close())
		_, err = c.RequestKeys(t.Context())
		require.ErrorIs(t, err, chaim.ErrClosed)
		assert.Contains(t, before, held.AccessKeyID)
		assert.Empty(t, read(t, credentialsFile(opts)))
	})
}
