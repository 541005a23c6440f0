package chaim_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// atOnce is a gateway that answers no request for keys before so many clients have asked.
func atOnce(srv *chaimtest.Server, clients int) {
	var all sync.WaitGroup
	all.Add(clients)
	srv.Inject(clients, chaimtest.Rewrite(func(body string) string {
		all.Done()
		all.Wait()
		return body
	}))
}

// TestKeepTwoAccountsAtOnce has two clients keep two accounts under one name, again and again: one has it, and the other is
// told so.
func TestKeepTwoAccountsAtOnce(t *testing.T) {
	srv := chaimtest.NewServer(t)
	accounts := []string{"sredev", "Connected Homes"}
	for round := range 50 {
		opts := optionsFor(t, srv)
		opts.TempName, opts.Keep, opts.NoRenew = "dev", true, true
		opts.NoReplace = round%2 == 0
		atOnce(srv, len(accounts))
		clients, errs := make([]*chaim.Client, len(accounts)), make([]error, len(accounts))
		var wg sync.WaitGroup
		for i, account := range accounts {
			opts.Account = account
			clients[i] = clientFor(t, opts)
			wg.Go(func() { _, errs[i] = clients[i].RequestKeys(t.Context()) })
		}
		wg.Wait()
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		require.NoError(t, errs[winner])
		require.ErrorIs(t, errs[1-winner], chaim.ErrInUse)
		assert.ErrorContains(t, errs[1-winner], fmt.Sprintf("profile %q is held for account %q: delete it, or choose another profile name", "dev", accounts[winner]))
		text := read(t, credentialsFile(opts))
		assert.Contains(t, text, "accountname = "+accounts[winner]+"\n")
		assert.Contains(t, text, clients[winner].Creds().AccessKeyID)
	}
}

// TestKeepNoReplace has Options.NoReplace leave living profiles of other accounts alone.
func TestKeepNoReplace(t *testing.T) {
	const keys = "[dev]\naws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\n"
	for name, tt := range map[string]struct {
		section string
		isFree  bool
	}{
		"same account":                 {keys + "expires = 4102444800\naccountname = sredev\n", true},
		"same id, renamed":             {keys + "expires = 4102444800\naccountname = old-name\naccountid = 111111111111\n", true},
		"same id as name":              {keys + "expires = 4102444800\naccountname = 111111111111\n", true},
		"same name, another id":        {keys + "expires = 4102444800\naccountname = sredev\naccountid = 222222222222\n", false},
		"another account":              {keys + "expires = 4102444800\naccountname = other\n", false},
		"another account with an id":   {keys + "expires = 4102444800\naccountname = other\naccountid = 222222222222\n", false},
		"another account, expired":     {keys + "expires = 1536139015\naccountname = other\n", true},
		"another account, unknown end": {keys + "accountname = other\n", false},
		"another account without keys": {"[dev]\naccountname = other\nrole = rro\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			opts.TempName, opts.Keep, opts.NoReplace = "dev", true, true
			write(t, credentialsFile(opts), tt.section)
			_, err := clientFor(t, opts).RequestKeys(t.Context())
			if tt.isFree {
				require.NoError(t, err)
				assert.Contains(t, read(t, credentialsFile(opts)), "accountid = 111111111111\n")
				return
			}
			require.ErrorIs(t, err, chaim.ErrInUse)
			assert.ErrorContains(t, err, `profile "dev" is held for account "`)
			assert.Equal(t, tt.section, read(t, credentialsFile(opts)))
			opts.NoReplace = false
			_, err = clientFor(t, opts).RequestKeys(t.Context())
			assert.NoError(t, err, "by a client that says so")
		})
	}
}
