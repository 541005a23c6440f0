package container

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func clientFor(t *testing.T, srv *chaimtest.Server) *chaim.Client {
	c, err := chaim.New(chaim.Options{
		Account: "sredev", Duration: time.Hour, Settings: srv.Settings(), HTTPClient: srv.HTTPClient(),
		Dir: t.TempDir(), NoProfile: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	return c
}

// TestServedKeysLiveLong runs for a day: botocore asks again at every call when less than 15 minutes are left.
func TestServedKeysLiveLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		h, path, token, _ := handlerFor(clientFor(t, srv))
		least := time.Hour
		seen := map[string]bool{}
		for started := time.Now(); time.Since(started) < 24*time.Hour; <-time.After(10 * time.Second) {
			w := call(h, path, token)
			require.Equal(t, http.StatusOK, w.Code)
			var doc struct{ AccessKeyID, Expiration string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
			end, err := time.Parse(time.RFC3339, doc.Expiration)
			require.NoError(t, err)
			least = min(least, time.Until(end))
			seen[doc.AccessKeyID] = true
		}
		assert.GreaterOrEqual(t, least, 19*time.Minute)
		assert.Greater(t, len(seen), 30, "sets of keys")
	})
}

func TestGatewayIsNeverAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		c := clientFor(t, srv)
		h, path, token, log := handlerFor(c)
		srv.Inject(-1, chaimtest.Hang())
		end := c.Creds().Expires
		asked := len(srv.Requests())
		started := time.Now()
		for n := range 1_000 {
			require.Equal(t, http.StatusOK, call(h, path, token).Code)
			if n%10 == 9 {
				<-time.After(time.Second)
			}
		}
		assert.Equal(t, 100*time.Second, time.Since(started), "no request took any time")
		assert.Len(t, srv.Requests(), asked)

		<-time.After(time.Until(end) + time.Second)
		assert.Equal(t, http.StatusServiceUnavailable, call(h, path, token).Code)
		require.NoError(t, c.Close())
		assert.Equal(t, http.StatusServiceUnavailable, call(h, path, token).Code)
		assert.NotContains(t, log.String(), "CANARY")
	})
}

// TestSDK reads the keys with the provider that the AWS SDK for Go makes of the environment.
func TestSDK(t *testing.T) {
	var keys atomic.Pointer[chaim.AwsCreds]
	s, _ := listenFor(t, sourceFunc(func() chaim.AwsCreds { return *keys.Load() }))
	home := t.TempDir()
	credentials := filepath.Join(home, "credentials")
	const users = "[default]\naws_access_key_id = AKIAUSERS\naws_secret_access_key = x\n"
	require.NoError(t, os.WriteFile(credentials, []byte(users), 0o600))
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // to be put back
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", credentials)

	keys.Store(new(keysUntil(time.Now().Add(time.Hour))))
	for _, v := range s.ChildEnviron() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "eu-west-2", cfg.Region)
	for _, id := range []string{"ASIAEXAMPLE000000001", "ASIAEXAMPLE000000002"} {
		next := keysUntil(time.Now().Add(time.Hour))
		next.AccessKeyID = id
		keys.Store(&next)
		cfg.Credentials.(*aws.CredentialsCache).Invalidate()
		got, err := cfg.Credentials.Retrieve(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{id, "CANARYsecret", "CANARYtoken", "CredentialsEndpointProvider"},
			[]string{got.AccessKeyID, got.SecretAccessKey, got.SessionToken, got.Source})
		assert.True(t, got.CanExpire)
	}
}
