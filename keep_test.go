package chaim_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
)

// keeper has keys in a profile that it keeps under a name, and is closed when the test ends.
func keeper(t *testing.T, opts chaim.Options, account, name string) *chaim.Client {
	t.Helper()
	opts.Account, opts.TempName, opts.Keep = account, name, true
	c := clientFor(t, opts)
	_, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	return c
}

// TestKeptProfileWithKeysOfTheUser does what "aws configure --profile dev" does, which leaves the accountname.
func TestKeptProfileWithKeysOfTheUser(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	c := keeper(t, opts, "sredev", "dev")
	mine := strings.NewReplacer(c.Creds().AccessKeyID, "AKIAIOSFODNN7EXAMPLE", c.Creds().SecretAccessKey, "mine").Replace(read(t, credentialsFile(opts)))
	write(t, credentialsFile(opts), mine)
	for _, client := range []*chaim.Client{c, clientFor(t, opts)} {
		assert.ErrorIs(t, client.DeleteAccount(t.Context(), "dev"), chaim.ErrUnmanagedAccount)
		assert.ErrorIs(t, client.ParkAccount(t.Context(), "dev"), chaim.ErrUnmanagedAccount)
	}
	_, err := c.RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrInUse)
	opts.TempName, opts.Keep = "dev", true
	_, err = clientFor(t, opts).RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrInUse)
	assert.Equal(t, mine, read(t, credentialsFile(opts)))
}

func TestTwoKeepersOfOneName(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	first := keeper(t, opts, "sredev", "dev")
	second := keeper(t, opts, "Connected Homes", "dev")
	want := read(t, credentialsFile(opts))
	_, err := first.RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrInUse)
	assert.ErrorIs(t, first.DeleteAccount(t.Context(), "dev"), chaim.ErrUnmanagedAccount)
	assert.Equal(t, want, read(t, credentialsFile(opts)), "of the last one")
	require.NoError(t, second.DeleteAccount(t.Context(), "dev"))
	assert.Empty(t, read(t, credentialsFile(opts)))
}

// TestDeletedDefaultLeavesNoKeys deletes default accounts of whose copy the section tells little, or nothing.
func TestDeletedDefaultLeavesNoKeys(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, opts chaim.Options){
		"section removed by hand": func(t *testing.T, opts chaim.Options) {
			doc, err := inifile.Delete([]byte(read(t, credentialsFile(opts))), "dev")
			require.NoError(t, err)
			write(t, credentialsFile(opts), string(doc))
		},
		"kept again for another account": func(t *testing.T, opts chaim.Options) {
			keeper(t, opts, "Connected Homes", "dev")
			inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), "dev")
			assert.Equal(t, inProfile, inDefault)
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			def := opts
			def.Default = true
			keeper(t, def, "sredev", "dev")
			change(t, opts)
			require.NoError(t, clientFor(t, opts).DeleteAccount(t.Context(), "dev"))
			assert.NotContains(t, read(t, credentialsFile(opts)), "aws_")
		})
	}
}

// TestPastedDefaultStays has the user put temporary keys of their own over the copy of a kept account.
func TestPastedDefaultStays(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	def := opts
	def.Default = true
	c := keeper(t, def, "sredev", "dev")
	text := read(t, credentialsFile(opts))
	pasted := strings.Replace(text, c.Creds().AccessKeyID, "ASIAEXAMPLE00000MINE", 1)
	require.True(t, strings.HasPrefix(pasted, "[default]\naws_access_key_id = ASIAEXAMPLE00000MINE\n"), pasted)
	write(t, credentialsFile(opts), pasted)
	_, err := c.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	opts.Default, opts.TempName, opts.Keep = true, "homes", true
	_, err = clientFor(t, opts).RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	inDefault, _ := copies(t, []byte(read(t, credentialsFile(opts))), "dev")
	assert.Equal(t, "ASIAEXAMPLE00000MINE", inDefault["aws_access_key_id"])
	assert.NotEmpty(t, inDefault["aws_session_token"])
}

// TestParkedBesideAnotherFile has two credentials files in one folder, each with accounts of its own.
func TestParkedBesideAnotherFile(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	work := opts
	work.Dir = ""
	keep(t, opts, "dev")
	require.NoError(t, clientFor(t, opts).ParkAccount(t.Context(), "dev"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", credentialsFile(opts)+"-work")
	c := keeper(t, work, "sredev", "dev")
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.Equal(t, []string{"dev"}, parkedAccounts(t, clientFor(t, opts)))
	c = keeper(t, work, "Connected Homes", "dev")
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	assert.FileExists(t, parkedFile(opts)+"-credentials-work")
	assert.Equal(t, []string{"dev"}, parkedAccounts(t, c))
}

// TestStoreKeysQuotesNoToken stores a refusal that quotes what somebody else was refused with.
func TestStoreKeysQuotesNoToken(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	c := clientFor(t, opts)
	for _, token := range []string{opts.Settings.UserToken, "0b0e7b8e-7d3f-4a1e-9a51-7f6c0d6e9c11"} {
		_, err := c.StoreKeys(t.Context(), []byte(`{"statusCode": "400", "text": "Error IncorrectCredentials: token `+token+` has expired"}`))
		require.ErrorIs(t, err, chaim.ErrDenied)
		assert.NotContains(t, err.Error(), token)
		assert.Contains(t, err.Error(), "has expired")
	}
}

func TestUnparkIntoNotesOfTheUser(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	keep(t, opts, "dev")
	c := clientFor(t, opts)
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	require.NoError(t, os.WriteFile(credentialsFile(opts), []byte("[dev]\n# notes\n"), 0o600))
	_, err := c.UnparkAccount(t.Context(), "dev")
	assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
	assert.Equal(t, "[dev]\n# notes\n", read(t, credentialsFile(opts)))
	assert.Equal(t, []string{"dev"}, parkedAccounts(t, c))
}
