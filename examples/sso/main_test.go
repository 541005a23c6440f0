package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

const (
	// The variable with the file for the output of this binary when it runs as the program.
	child = "CHAIM_SSO_CHILD"

	key, secret, session = "ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "CANARYsession-"
	loginToken           = "CANARYlogin"

	configText = `[profile work]
sso_session = corp
sso_account_id = 111111111111
sso_role_name = ReadOnly
region = eu-north-1

[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.awsapps.example/start
sso_registration_scopes = sso:account:access
`
	credentialsText = "# mine\n[prod]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n"
)

func TestMain(m *testing.M) {
	path := os.Getenv(child)
	if path == "" {
		os.Exit(m.Run())
	}
	onlyCredentials := func(o *config.LoadSharedConfigOptions) {
		o.CredentialsFiles, o.ConfigFiles = []string{os.Getenv("AWS_SHARED_CREDENTIALS_FILE")}, []string{}
	}
	profile, err := config.LoadSharedConfigProfile(context.Background(), os.Getenv("AWS_PROFILE"), onlyCredentials)
	if err != nil {
		log.Fatal(err)
	}
	found := profile.Credentials
	text, err := json.Marshal([]string{found.AccessKeyID, found.SecretAccessKey, found.SessionToken, profile.Region})
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		log.Fatal(err)
	}
}

// portal answers as the SSO portal does, with a new session for the login's role each time.
// https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html
type portal struct{ calls atomic.Int64 }

func (p *portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	isRole := query.Get("account_id") == "111111111111" && query.Get("role_name") == "ReadOnly"
	if r.URL.Path != "/federation/credentials" || !isRole || r.Header.Get("X-Amz-Sso_bearer_token") != loginToken {
		w.Header().Set("X-Amzn-ErrorType", "UnauthorizedException")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	keys := map[string]any{
		"accessKeyId": key, "secretAccessKey": secret, "sessionToken": fmt.Sprint(session, p.calls.Add(1)),
		"expiration": time.Now().Add(time.Hour).UnixMilli(),
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"roleCredentials": keys})
}

// newHome makes a home with an SSO login: the token is valid for this long. It returns the paths of the credentials file and
// of the program's output.
func newHome(t *testing.T, token string, left time.Duration) (credentials, found string) {
	t.Helper()
	home := chaimtest.NewServer(t).Setenv(t) // hides the real environment
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} { // would win over the profile's
		require.NoError(t, os.Unsetenv(name))
	}
	srv := httptest.NewServer(new(portal))
	t.Cleanup(srv.Close)
	t.Setenv("AWS_ENDPOINT_URL_SSO", srv.URL)
	found = filepath.Join(home, "found")
	t.Setenv(child, found)

	cache, err := ssocreds.StandardCachedTokenFilepath("corp")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(cache), 0o700))
	expires := time.Now().Add(left).UTC().Format(time.RFC3339)
	text, err := json.Marshal(map[string]string{"accessToken": token, "expiresAt": expires})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cache, text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(configText), 0o600))
	credentials = filepath.Join(home, "credentials")
	require.NoError(t, os.WriteFile(credentials, []byte(credentialsText), 0o600))
	return credentials, found
}

func assertUntouched(t *testing.T, credentials string) {
	t.Helper()
	text, err := os.ReadFile(credentials)
	require.NoError(t, err)
	assert.Equal(t, credentialsText, string(text))
}

func TestLends(t *testing.T) {
	credentials, found := newHome(t, loginToken, time.Hour)
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, run(t.Context(), "work", []string{self}))

	text, err := os.ReadFile(found)
	require.NoError(t, err)
	var keys []string
	require.NoError(t, json.Unmarshal(text, &keys))
	assert.Equal(t, []string{key, secret, session + "1", "eu-north-1"}, keys)
	assertUntouched(t, credentials)
}

func TestProgramFails(t *testing.T) {
	credentials, found := newHome(t, loginToken, time.Hour)
	assert.Error(t, run(t.Context(), "work", []string{filepath.Join(t.TempDir(), "absent")}))
	assert.NoFileExists(t, found)
	assertUntouched(t, credentials)
}

func TestNoLogin(t *testing.T) {
	for name, test := range map[string]struct {
		login, token string
		left         time.Duration
		want         string
	}{
		"login expired": {"work", loginToken, -time.Hour, "expired"},
		"login refused": {"work", "CANARYother", time.Hour, "401"},
		"no profile":    {"play", loginToken, time.Hour, "play"},
		"own keys":      {"prod", loginToken, time.Hour, `profile "prod" has no SSO login`},
	} {
		t.Run(name, func(t *testing.T) {
			credentials, found := newHome(t, test.token, test.left)
			self, err := os.Executable()
			require.NoError(t, err)
			err = run(t.Context(), test.login, []string{self})
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "CANARY")
			assert.NoFileExists(t, found)
			assertUntouched(t, credentials)
		})
	}
}
