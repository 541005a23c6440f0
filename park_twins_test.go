package chaim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// TestParkedTwins has two accounts of one name be two, one account under two names be one, and the name tell where an id is
// not known.
func TestParkedTwins(t *testing.T) {
	const (
		keys   = "aws_access_key_id = ASIAEXAMPLE000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\nexpires = 4102444800\n"
		asked  = "[dev]\nduration = 1\nrole = rro\n"
		first  = "accountname = sredev\naccountid = 111111111111\n"
		second = "accountname = sredev\naccountid = 444444444444\n"
		byID   = "accountname = 444444444444\n"
		noID   = "accountname = sredev\n"
		formed = "accountname = renamed\naccountid = 111111111111\n"
		users  = "accountid = 111111111111\n"
	)
	for name, tt := range map[string]struct {
		held, parked string
		isSame       bool
	}{
		"same name, another id":       {second, first, false},
		"same name, id as the name":   {byID, first, false},
		"same id, another name":       {formed, first, true},
		"same id, name when parked":   {first, formed, true},
		"no id in the profile":        {noID, first, true},
		"no id in the definition":     {first, noID, true},
		"the same":                    {first, first, true},
		"an id without a name is not": {users, first, false},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			srv.SetOriginal(chaimtest.Original{})
			srv.AddAccount("444444444444", "sredev")
			start := func(t *testing.T) (chaim.Options, *chaim.Client, [2]string) {
				opts := optionsFor(t, srv)
				opts.Settings.SlackID, opts.Settings.WorkspaceID = srv.Settings().SlackID, srv.Settings().WorkspaceID
				write(t, credentialsFile(opts), asked+tt.held+keys)
				write(t, parkedFile(opts), asked+tt.parked)
				return opts, clientFor(t, opts), bothFiles(t, opts)
			}
			t.Run("list", func(t *testing.T) {
				_, c, _ := start(t)
				assert.Equal(t, !tt.isSame, len(parkedAccounts(t, c)) == 1)
			})
			t.Run("park", func(t *testing.T) {
				opts, c, before := start(t)
				err := c.ParkAccount(t.Context(), "dev")
				if tt.isSame {
					require.NoError(t, err)
					assert.Equal(t, asked+tt.held, read(t, parkedFile(opts)))
					return
				}
				require.Error(t, err)
				assert.Equal(t, before, bothFiles(t, opts))
				if tt.held == second {
					require.ErrorIs(t, err, chaim.ErrInUse)
					assert.ErrorContains(t, err, `[dev] is one for "sredev" with the id 111111111111`)
				}
			})
			t.Run("unpark", func(t *testing.T) {
				opts, c, before := start(t)
				creds, err := c.UnparkAccount(t.Context(), "dev")
				if tt.isSame {
					require.NoError(t, err)
					assert.Contains(t, ownerOf(t, srv, creds), "::111111111111:")
					assert.Empty(t, read(t, parkedFile(opts)))
					return
				}
				require.ErrorIs(t, err, chaim.ErrInUse)
				assert.Equal(t, before, bothFiles(t, opts))
			})
			t.Run("delete", func(t *testing.T) {
				opts, c, before := start(t)
				err := c.DeleteAccount(t.Context(), "dev")
				if tt.held == users {
					require.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
					assert.Equal(t, before, bothFiles(t, opts))
					return
				}
				require.NoError(t, err)
				assert.Empty(t, read(t, credentialsFile(opts)))
				assert.Equal(t, tt.isSame, len(read(t, parkedFile(opts))) == 0)
			})
		})
	}
}
