package chaim_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// TestDefaultOfTheOriginals has a default account that cca wrote, or rewrote after chaim had, in each state of the two
// sections. Whatever becomes of the profile becomes of it.
func TestDefaultOfTheOriginals(t *testing.T) {
	keysOf := func(id string) string {
		return "aws_access_key_id = ASIAEXAMPLE0000000" + id + "\naws_secret_access_key = CANARY\naws_session_token = CANARY\n"
	}
	const (
		stale = "chaim_copy = 0123456789abcdef\n"
		named = "section = sredev\nalias = dev\nexpires = 4102444800.5\n"
	)
	profile := func(id string) string {
		return "[dev]\n" + keysOf(id) + "expires = 4102444800\naccountname = sredev\nrole = rro\nduration = 1\nregion = eu-west-1\n"
	}
	settings := "[default]\nregion = eu-west-1\n"
	for name, tt := range map[string]struct{ inDefault, held string }{
		"as cca leaves it":           {keysOf("01") + named, profile("01")},
		"keys of before":             {keysOf("01") + named, profile("02")},
		"over chaim's copy":          {keysOf("02") + named + stale, profile("02")},
		"without a name":             {keysOf("02") + stale, profile("02")},
		"only the account's name":    {keysOf("01") + strings.Replace(named, "section = sredev\nalias", "section", 1), profile("01")},
		"expired":                    {keysOf("01") + strings.Replace(named, "4102444800.5", "1536139015", 1), profile("01")},
		"expires empty":              {keysOf("01") + strings.Replace(named, " 4102444800.5", "", 1), profile("02")},
		"expires ISO":                {keysOf("01") + strings.Replace(named, "4102444800.5", "2030-01-01T00:00:00Z", 1), profile("02")},
		"expires negative":           {keysOf("01") + strings.Replace(named, "4102444800.5", "-1", 1), profile("02")},
		"terrible":                   {keysOf("01") + "aws_security_token = CANARY\n" + named, profile("01")},
		"by the module":              {keysOf("01") + "expires = 4102444800\nexpstr = later\nduration = 1\ngui_url = notset\nrole = rro\naccountname = dev\n", ""},
		"by the module, expired":     {keysOf("01") + "expires = 1536139015\nexpstr = later\nrole = rro\naccountname = dev\n", profile("02")},
		"profile gone":               {keysOf("01") + named, ""},
		"profile gone, chaim's copy": {keysOf("01") + named + stale, ""},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			before := settings + tt.inDefault + "\n" + tt.held
			c := clientFor(t, opts)
			reset := func() { write(t, credentialsFile(opts), before) }

			reset()
			require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
			assert.Equal(t, strings.TrimRight(settings, "\n"), strings.TrimSpace(read(t, credentialsFile(opts))))

			reset()
			other := opts
			other.Default = true
			keeper(t, other, "Connected Homes", "homes")
			text := read(t, credentialsFile(opts))
			inDefault, inProfile := copies(t, []byte(text), "homes")
			assert.Equal(t, inProfile, inDefault)
			assert.Contains(t, text, "alias = homes\n")
			assert.Equal(t, 1, strings.Count(text, "section ="), text)

			if tt.held == "" {
				return
			}
			reset()
			_, err := c.RenewSection(t.Context(), "dev")
			require.NoError(t, err)
			inDefault, inProfile = copies(t, []byte(read(t, credentialsFile(opts))), "dev")
			assert.Equal(t, inProfile, inDefault)
			assert.NotContains(t, inProfile["aws_access_key_id"], "EXAMPLE0000000")

			reset()
			require.NoError(t, c.ParkAccount(t.Context(), "dev"))
			both := bothFiles(t, opts)
			assert.NotContains(t, both[0]+both[1], "aws_access_key_id")
			assert.NotContains(t, both[0]+both[1], "CANARY")
		})
	}
}

// TestDefaultOfTheUser has keys in [default] that are nobody's but the user's, whatever chaim or cca left beside them.
func TestDefaultOfTheUser(t *testing.T) {
	const profile = "\n[dev]\naws_access_key_id = ASIAEXAMPLE00000000D\naws_secret_access_key = D\naws_session_token = D\naccountname = sredev\n"
	for name, inDefault := range map[string]string{
		"long-lived":           "aws_access_key_id = AKIAEXAMPLE00000MINE\naws_secret_access_key = M\nsection = sredev\nalias = dev\nexpires = 1536139015\n",
		"long-lived, token":    "aws_access_key_id = AKIAEXAMPLE00000MINE\naws_secret_access_key = M\naws_session_token = M\nalias = dev\nexpires = 1536139015\n",
		"no expiry":            "aws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = M\naws_session_token = M\nalias = dev\n",
		"no token":             "aws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = M\nalias = dev\nexpires = 4102444800\n",
		"no account":           "aws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = M\naws_session_token = M\nexpires = 4102444800\n",
		"pasted over the copy": "aws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = M\naws_session_token = M\nalias = dev\nexpires = 4102444800\nchaim_copy = 0123456789abcdef\n",
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			before := "[default]\n" + inDefault + profile
			write(t, credentialsFile(opts), before)
			other := opts
			other.Default, other.Keep, other.TempName = true, true, "homes"
			_, err := clientFor(t, other).RequestKeys(t.Context())
			assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
			assert.Equal(t, before, read(t, credentialsFile(opts)))
			require.NoError(t, clientFor(t, opts).DeleteAccount(t.Context(), "dev"))
			assert.Equal(t, "[default]\n"+inDefault, read(t, credentialsFile(opts)))
		})
	}
}

// TestDefaultThatHasExpired replaces temporary keys that are of no use any more, whoever wrote them.
func TestDefaultThatHasExpired(t *testing.T) {
	for _, expires := range []string{"1536139015", "0", "-5", "2018-09-05 09:16:55", "2018-09-05T09:16:55.123456"} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		write(t, credentialsFile(opts), "[default]\noutput = json\naws_access_key_id = ASIAEXAMPLE00000MINE\naws_secret_access_key = CANARYOLD\naws_session_token = CANARYOLD\nexpires = "+expires+"\n")
		opts.Default = true
		keeper(t, opts, "sredev", "dev")
		text := read(t, credentialsFile(opts))
		assert.NotContains(t, text, "CANARYOLD")
		inDefault, inProfile := copies(t, []byte(text), "dev")
		assert.Equal(t, inProfile, inDefault)
	}
}
