package chaim_test

import (
	"encoding/base64"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/gatewaytest"
)

// jsonGateway starts a gateway that speaks protocol v1 only, and returns settings for it.
func jsonGateway(t *testing.T) (*gatewaytest.Gateway, chaim.Settings) {
	t.Helper()
	g, stop := gatewaytest.New()
	t.Cleanup(stop)
	return g, chaim.Settings{Endpoint: g.URL(), Protocol: "v1", Username: gatewaytest.User, UserToken: g.NewToken(time.Hour)}
}

func TestProtocolV1(t *testing.T) {
	g, settings := jsonGateway(t)
	dir := t.TempDir()
	require.NoError(t, settings.Store(t.Context(), dir))
	c, err := chaim.New(chaim.Options{Account: "O'Brien", Role: "rro", Duration: time.Hour, Dir: dir})
	require.NoError(t, err)
	defer func() { assert.NoError(t, c.Close()) }()
	creds, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "333333333333", creds.AccountID)
	assert.Contains(t, read(t, filepath.Join(dir, "credentials")), "accountid = 333333333333")
	accounts, err := c.RequestList(t.Context())
	require.NoError(t, err)
	assert.Len(t, accounts, 3)
	link, err := c.ConsoleURL(t.Context())
	require.NoError(t, err)
	assert.Contains(t, link, "https://signin.aws.amazon.com/")
	require.NoError(t, c.CheckToken(t.Context()))
	roles, err := c.Broker().(*chaim.Gateway).Roles(t.Context(), "sredev")
	require.NoError(t, err)
	assert.Equal(t, []string{"rro", "adm"}, roles)
	_, err = c.Broker().(*chaim.Gateway).Roles(t.Context(), "sredve")
	require.ErrorContains(t, err, `0 of the accounts that you may use`)
	for _, asked := range g.Asked() {
		assert.NotContains(t, asked, "POST /gui", "no fall-back to forms")
		assert.NotEqual(t, "POST /", asked, "no fall-back to forms")
	}

	g.EndAll(true)
	_, err = c.RequestKeys(t.Context())
	require.ErrorIs(t, err, chaim.ErrSignedOut)
	require.ErrorIs(t, err, chaim.ErrDenied)
	require.ErrorContains(t, err, "run 'chaim login "+g.URL()+"/'")
	refusal := (*chaim.GatewayError)(nil)
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, "expired_token", refusal.Kind)
	require.ErrorIs(t, c.CheckToken(t.Context()), chaim.ErrSignedOut)
}

// TestRoleARNAtAGateway: a gateway knows names only, and its aliases may be spelt like roles.
func TestRoleARNAtAGateway(t *testing.T) {
	g, settings := jsonGateway(t)
	g.Accounts[0].Roles = append(g.Accounts[0].Roles, gatewaytest.Role{Alias: "other", AWS: "Adm", Seconds: 3600})
	for role, want := range map[string]string{
		"arn:aws:iam::111111111111:role/OrgAdmin":                         "",
		"arn:aws:iam::111111111111:role/Adm":                              "",
		"arn:aws:iam::111111111111:role/rro":                              "it lends you no role",
		"arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/adm": "is not the ARN of a role",
		"arn:aws:iam::111111111111:user/adm":                              "is not the ARN of a role",
		"arn:aws:iam::222222222222:role/OrgAdmin":                         "is of another",
		"arn:aws-us-gov:iam::111111111111:role/OrgAdmin":                  "is of partition aws-us-gov",
	} {
		opts := chaim.Options{Account: "sredev", Role: role, Region: "eu-west-1", Duration: time.Hour, Settings: &settings, NoProfile: true}
		_, err := clientFor(t, opts).RequestKeys(t.Context())
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

// TestTokenInAnAnswer: it would stay in the profile after a logout.
func TestTokenInAnAnswer(t *testing.T) {
	g, settings := jsonGateway(t)
	dir := t.TempDir()
	g.Change = func(path string, answer map[string]any) {
		if path == "/api/v1/credentials" {
			answer["account"] = map[string]any{"id": "111111111111", "name": settings.UserToken}
		}
	}
	c := clientFor(t, chaim.Options{Account: "111111111111", Role: "rro", Duration: time.Hour, Dir: dir, Settings: &settings})
	_, err := c.RequestKeys(t.Context())
	require.ErrorContains(t, err, "repeats the user token")
	assert.NotContains(t, err.Error(), gatewaytest.Secret)
	assert.NoFileExists(t, filepath.Join(dir, "credentials"))
}

// TestProtocolNeverFallsBack asks each kind of gateway in the other's protocol.
func TestProtocolNeverFallsBack(t *testing.T) {
	g, settings := jsonGateway(t)
	settings.Protocol = ""
	c, err := chaim.New(chaim.Options{Settings: &settings, NoProfile: true})
	require.NoError(t, err)
	_, err = c.RequestList(t.Context())
	require.Error(t, err)
	assert.Equal(t, []string{"POST /"}, g.Asked())
}

func TestProtocolsThatAreRefused(t *testing.T) {
	good := chaim.Settings{Endpoint: "https://gateway.example/", Protocol: "v1", Username: "chris", UserToken: "CANARY"}
	for name, tt := range map[string]struct {
		change func(*chaim.Settings)
		want   string
	}{
		"unknown":       {func(s *chaim.Settings) { s.Protocol = "v2" }, `protocol "v2" in the settings is not one that this chaim speaks`},
		"in upper case": {func(s *chaim.Settings) { s.Protocol = "V1" }, `protocol "V1" in the settings`},
		"by API":        {func(s *chaim.Settings) { s.Endpoint, s.API, s.Stage = "", "abc123", "prod" }, "needs the gateway's URL as endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			tt.change(&s)
			require.ErrorContains(t, s.Store(t.Context(), t.TempDir()), tt.want)
			_, err := chaim.New(chaim.Options{Account: "sredev", Settings: &s, NoProfile: true})
			require.ErrorContains(t, err, "protocol")
			assert.NotContains(t, err.Error(), "CANARY")
		})
	}
	s := good
	s.UserToken = ""
	_, err := chaim.New(chaim.Options{Account: "sredev", Settings: &s, NoProfile: true})
	require.ErrorIs(t, err, chaim.ErrSignedOut)
	require.ErrorContains(t, err, "run 'chaim login https://gateway.example/'")
}

func TestProtocolOfSettings(t *testing.T) {
	text := "endpoint=https%3A%2F%2Fgateway.example&api=gw%2F%23&username=chris&usertoken=CANARY&protocol=v1"
	s, err := chaim.ParseInit(base64.URLEncoding.EncodeToString([]byte(text)))
	require.NoError(t, err)
	assert.Equal(t, "v1", s.Protocol)

	const stored = "[default]\nendpoint = https://old.example/\napi = abc123\nstage = prod\nusername = chris\nusertoken = CANARY\nprotocol = v1\n"
	for name, tt := range map[string]struct {
		s    chaim.Settings
		want string
	}{
		"forms":        {chaim.Settings{Endpoint: "https://old.example/", Username: "chris", UserToken: "CANARY"}, "endpoint = https://old.example/\napi = abc123\nstage = prod\nusername = chris\nusertoken = CANARY\n"},
		"another":      {chaim.Settings{Endpoint: "https://new.example", Protocol: "v1", Username: "chris", UserToken: "CANARY"}, "endpoint = https://new.example\nusername = chris\nusertoken = CANARY\nprotocol = v1\n"},
		"the same one": {chaim.Settings{Endpoint: "https://old.example", Protocol: "v1", Username: "chris", UserToken: "CANARY"}, "endpoint = https://old.example\napi = abc123\nstage = prod\nusername = chris\nusertoken = CANARY\nprotocol = v1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials")
			write(t, path, stored)
			require.NoError(t, tt.s.Store(t.Context(), filepath.Dir(path)))
			assert.Equal(t, "[default]\n"+tt.want, read(t, path))
		})
	}
	t.Setenv("CHAIM_URL", "https://gateway.example/")
	t.Setenv("CHAIM_USER", "chris")
	t.Setenv("CHAIM_TOKEN", "CANARY")
	t.Setenv("CHAIM_PROTOCOL", "v3")
	_, err = chaim.New(chaim.Options{Account: "sredev", NoProfile: true})
	require.ErrorContains(t, err, `protocol "v3" in the CHAIM_ variables of the environment`)
}
