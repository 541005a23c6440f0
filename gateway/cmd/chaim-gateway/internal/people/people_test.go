package people

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

func initString(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	c := &config.Config{Server: config.Server{URL: u}, AWS: config.AWS{Regions: []string{"eu-central-1"}}}
	row := store.Token{User: "ann.b@example.com", Expires: time.Unix(1800000000, 0)}
	return InitString(c, row, "chm1_id_CANARY")
}

func TestInitStringsAreForTheClientsInGoAndInPython(t *testing.T) {
	for _, test := range []struct{ address, endpoint, api string }{
		{"https://chaim.example.com", "https://chaim.example.com/", "chaim.example.com/legacy/#"},
		{"https://chaim.example.com:8443/gw/", "https://chaim.example.com:8443/gw/", "chaim.example.com:8443/gw/legacy/#"},
		{"http://127.0.0.1:8443", "http://127.0.0.1:8443/", ""},
	} {
		text := initString(t, test.address)
		s, err := chaim.ParseInit(text)
		require.NoError(t, err)
		assert.Equal(t, chaim.Settings{
			Endpoint: test.endpoint, API: test.api, Stage: s.Stage, Region: "eu-central-1", Username: "ann.b@example.com",
			UserToken: "chm1_id_CANARY", TokenExpires: time.Unix(1800000000, 0).UTC(),
		}, chaim.Settings{
			Endpoint: s.Endpoint, API: s.API, Stage: s.Stage, Region: s.Region, Username: s.Username, UserToken: s.UserToken,
			TokenExpires: s.TokenExpires.UTC(),
		})

		// As the originals read it: base64.urlsafe_b64decode, split("&"), split("=")[1].
		plain, err := base64.URLEncoding.DecodeString(text)
		require.NoError(t, err)
		pairs := map[string]string{}
		for pair := range strings.SplitSeq(string(plain), "&") {
			words := strings.Split(pair, "=")
			require.Len(t, words, 2, pair)
			pairs[words[0]] = words[1]
		}
		assert.Equal(t, test.api, pairs["api"])
		assert.Equal(t, "1800000000", pairs["expires"])
		assert.Equal(t, "ann.b@example.com", pairs["username"])
	}
}

func TestUserNames(t *testing.T) {
	for _, name := range []string{"ab", "a.b@c-d_e", "0a", strings.Repeat("a", 64)} {
		assert.NoError(t, CheckUserName(name), name)
	}
	for _, name := range []string{"chaim-gateway-doctor", "", "a", "-a", ".a", "A", "a b", "a%b", "a/b", "zoë", "a\n", strings.Repeat("a", 65)} {
		assert.Error(t, CheckUserName(name), "%q", name)
	}
}

func TestPartsOfTokensAreNotRepeated(t *testing.T) {
	assert.NotContains(t, shortID("chm1_06h2slbqfto1d80g2c6ve1idp0_CANARY"), "CANARY")
	assert.Equal(t, "tok_06h2slbqfto1d80g2c6ve1idp0", shortID("tok_06h2slbqfto1d80g2c6ve1idp0"))
}
