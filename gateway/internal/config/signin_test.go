package config

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const provider = `oidc: {id: corp, issuer: "https://idp.example.com/", client_id: chaim, client_secret: CANARYsecret}
`

func TestWithoutAProviderSignInHasDefaults(t *testing.T) {
	c, _, err := parse("c.yaml", []byte(least), nil)
	require.NoError(t, err)
	assert.False(t, c.OIDC.IsSet())
	assert.Empty(t, c.OIDC.GroupPrefix())
	assert.Equal(t, SignIn{Login: Login{12 * time.Hour, 8 * time.Hour, time.Hour, true}, AdminGroups: []string{"admins"}}, c.SignIn)
}

func TestProviderHasDefaults(t *testing.T) {
	c, from, err := parse("c.yaml", []byte(least+provider), nil)
	require.NoError(t, err)
	assert.Equal(t, OIDC{
		ID: "corp", Issuer: "https://idp.example.com/", ClientID: "chaim", ClientSecret: NewSecret("CANARYsecret"),
		Username: "preferred_username", Groups: "groups", Scopes: []string{"openid", "profile"},
	}, c.OIDC)
	assert.Equal(t, "corp:", c.OIDC.GroupPrefix())
	text, err := json.Marshal(c.Describe(from))
	require.NoError(t, err)
	assert.NotContains(t, string(text), "CANARY")
	assert.Contains(t, string(text), `"https://idp.example.com/"`)
}

func TestSignInSettings(t *testing.T) {
	c, _, err := parse("c.yaml", []byte(least+`
oidc:
  id: corp
  issuer: http://127.0.0.1:3000
  client_id: chaim
  client_secret: env:CHAIM_TEST_NOT_SET
  username: email
  domains: [Example.com, corp.example]
  groups: roles
  scopes: [openid, groups]
admin_groups: [admins, "corp:platform"]
login: {max: 1h, web_max: 2h, idle_web: 5m, device: false}
`), []string{"CHAIM_GATEWAY_OIDC_CLIENT_SECRET=CANARY", "CHAIM_GATEWAY_OIDC_SCOPES=openid,profile groups"})
	require.NoError(t, err)
	assert.Equal(t, []string{"openid", "profile", "groups"}, c.OIDC.Scopes)
	assert.Equal(t, "email roles", c.OIDC.Username+" "+c.OIDC.Groups)
	assert.Equal(t, []string{"example.com", "corp.example"}, c.OIDC.Domains)
	assert.Equal(t, []string{"admins", "corp:platform"}, c.AdminGroups)
	assert.Equal(t, Login{time.Hour, 2 * time.Hour, 5 * time.Minute, false}, c.Login)
}

func TestWrongSignInSettingsAreSaidWithTheirPlace(t *testing.T) {
	with := func(old, now string) string { return least + strings.Replace(provider, old, now, 1) }
	for _, test := range []struct{ name, text, want string }{
		{"list of providers", least + "oidc: [{id: corp}]\n", "c.yaml:4:7: oidc: it takes settings of the form NAME: VALUE"},
		{"id", with("corp", "'corp:x'"), "oidc.id: it has 1 to 32 lower-case letters"},
		{"no id", with("id: corp, ", ""), "oidc.id: it is missing"},
		{"no issuer", with(`issuer: "https://idp.example.com/", `, ""), "oidc.issuer: it is missing"},
		{"no client", with("client_id: chaim, ", ""), "oidc.client_id: it is missing"},
		{"no secret", with(", client_secret: CANARYsecret", ""), "oidc.client_secret: it is missing"},
		{"only a scope", least + "oidc: {scopes: [openid]}\n", "oidc.issuer: it is missing"},
		{"plain http", with("https", "http"), "oidc.issuer: plain http is for loopback addresses only"},
		{"query", with(".com/", ".com/?tenant=1"), "oidc.issuer: it has no user, query or fragment"},
		{"no address", with("https://idp.example.com/", "idp.example.com"), "oidc.issuer: it is an address"},
		{"scope", with("id: corp", "id: corp, scopes: [profile]"), "oidc.scopes: openid is not among them"},
		{"address for a domain", with("id: corp", "id: corp, domains: ['@example.com']"), `oidc.domains: "@example.com" is not a domain`},
		{"two words", with("id: corp", "id: corp, username: 'a b'"), "oidc.username: it is one word"},
		{"path", strings.Replace(least, "8443", "8443/gw", 1) + provider, "c.yaml:1:6: url: with oidc it has no path"},
		{"admins", least + "admin_groups: []\n", "admin_groups: it names at least one"},
		{"long", least + "login: {max: 25h}\n", "login.max: it is a time from 1h0m0s to 24h0m0s"},
		{"bind", least + "login: {bind: require}\n", "login.bind: it is not yet supported"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := parse("c.yaml", []byte(test.text), nil)
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "CANARY")
		})
	}
	_, _, err := parse("c.yaml", []byte(strings.Replace(least, "8443", "8443/", 1)+provider), nil)
	assert.NoError(t, err, "a slash is no path")
}
