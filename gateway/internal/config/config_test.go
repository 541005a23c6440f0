package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// least is the shortest configuration that is complete.
const least = `url: http://127.0.0.1:8443
database: {url: "sqlite:gateway.db"}
keyring: keyring.json
`

func TestDefaults(t *testing.T) {
	c, from, err := parse("/etc/gw/config.yaml", []byte(least), nil)
	require.NoError(t, err)
	assert.Equal(t, "http://127.0.0.1:8443", c.Server.URL.String())
	assert.Equal(t, "sqlite:/etc/gw/gateway.db", c.Database.Reveal())
	assert.Equal(t, "/etc/gw/keyring.json", c.KeyRing)
	assert.True(t, c.IsSQLite())
	assert.Equal(t, []string{"eu-west-1"}, c.AWS.Regions)
	assert.Equal(t, Legacy{144 * time.Hour, true, true}, c.Legacy)
	assert.Equal(t, "/etc/gw/config.yaml:1:6", from["url"])
	assert.NotContains(t, from, "listen")
}

func TestAllSettings(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dsn"), []byte("postgres://gw:CANARYpassword@db/chaim\n"), 0o600))
	t.Setenv("EXTERNAL_ID", "CANARYexternal")
	c, from, err := parse(filepath.Join(dir, "config.yaml"), []byte(`
url: https://chaim.example.com/gw
listen: ":8443"
admin_listen: 127.0.0.1:9090
database:
  url: file:dsn
keyring: /k/ring
tls: {cert: tls.crt, key: /t/tls.key}
trusted_proxies: [10.0.0.0/8, 192.0.2.7]
aws:
  identity: ambient
  regions: [eu-central-1, eu-west-1]
  external_id: env:EXTERNAL_ID
legacy: {max: 24h, hide_accounts: false, console_links: false}
audit: {checkpoints: checkpoints, every: 10s}
limits: {tokens_per_user: 2}
`), nil)
	require.NoError(t, err)
	assert.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}, c.Server.TrustedProxies)
	assert.Equal(t, filepath.Join(dir, "tls.crt"), c.Server.TLSCert)
	assert.Equal(t, "/t/tls.key", c.Server.TLSKey)
	assert.Equal(t, "postgres://gw:CANARYpassword@db/chaim", c.Database.Reveal())
	assert.False(t, c.IsSQLite())
	assert.Equal(t, "CANARYexternal", c.AWS.ExternalID.Reveal())
	assert.Equal(t, Legacy{24 * time.Hour, false, false}, c.Legacy)
	assert.Equal(t, Audit{filepath.Join(dir, "checkpoints"), 10 * time.Second}, c.Audit)
	assert.Equal(t, Limits{2}, c.Limits)

	lines := c.Describe(from)
	assert.Len(t, lines, len(keys))
	text, err := json.Marshal(lines)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "CANARY")
	assert.Contains(t, string(text), `"postgres://db/chaim"`)
	for _, l := range lines {
		assert.NotEmpty(t, l.Value, l.Name)
	}
}

func TestVariablesComeBeforeTheFile(t *testing.T) {
	c, from, err := parse("config.yaml", []byte(least), []string{
		"CHAIM_GATEWAY_URL=https://other.example.com", "CHAIM_GATEWAY_TRUSTED_PROXIES=10.0.0.0/8, 10.1.0.0/16",
		"CHAIM_GATEWAY_DATABASE_URL=postgres://u:CANARY@h/d", "CHAIM_GATEWAY_AWS_REGIONS=us-east-1,us-west-2",
		"CHAIM_GATEWAY_CONFIG=elsewhere", "CHAIM_GATEWAY_SERVICE_HOST=10.0.0.1", "CHAIM_GATEWAY_PORT_8443_TCP=tcp://10.0.0.1:8443",
		"HOME=/root",
	})
	require.NoError(t, err)
	assert.Equal(t, "https://other.example.com", c.Server.URL.String())
	assert.Len(t, c.Server.TrustedProxies, 2)
	assert.Equal(t, []string{"us-east-1", "us-west-2"}, c.AWS.Regions)
	assert.Equal(t, "CHAIM_GATEWAY_URL", from["url"])

	_, _, err = parse("config.yaml", []byte(least), []string{"CHAIM_GATEWAY_LISTN=:1"})
	assert.EqualError(t, err, "CHAIM_GATEWAY_LISTN: there is no such setting")
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"unknown setting", least + "listne: ':1'\n", "c.yaml:4:1: listne: there is no such setting; there are url, listen,"},
		{"unknown setting below", least + "tls: {crt: x}\n", "c.yaml:4:7: tls.crt: there is no such setting; there are cert, key"},
		{"later section", least + "slack: {}\n", "c.yaml:4:1: slack: it is not yet supported"},
		{"later setting of the provider", least + "oidc: {offline: true}\n", "oidc.offline: it is not yet supported"},
		{"later setting", least + "legacy:\n  max: 1h\n  tokens: allow\n", "c.yaml:6:3: legacy.tokens: it is not yet supported"},
		{"acme", least + "tls: {acme: {email: a@b}}\n", "c.yaml:4:7: tls.acme: it is not yet supported"},
		{"identity", least + "aws: {identity: oidc}\n", `c.yaml:4:17: aws.identity: "oidc" is not yet supported`},
		{"twice", least + "keyring: other\n", "c.yaml:4:1: "},
		{"no mapping", least + "tls: yes\n", "c.yaml:4:6: tls: it takes settings"},
		{"list for one", least + "listen: [a, b]\n", "listen: it takes one value, not a list"},
		{"mapping for one", least + "listen: {a: b}\n", "listen: it takes a value"},
		{"alias", "url: &u http://127.0.0.1\n" + least[strings.Index(least, "database"):], "anchors, aliases and tags"},
		{"duration", least + "audit: {every: soon}\n", `audit.every: it is a time from 1s to 24h0m0s, such as 12h or 90s, not "soon"`},
		{"count", least + "limits: {tokens_per_user: 0}\n", "limits.tokens_per_user: it is a whole number"},
		{"bool", least + "legacy: {hide_accounts: maybe}\n", "legacy.hide_accounts: it is true or false"},
		{"region", least + "aws: {regions: ['*']}\n", "aws.regions: "},
		{"proxy", least + "trusted_proxies: [all]\n", "trusted_proxies: "},
		{"plain http elsewhere", strings.Replace(least, "127.0.0.1", "192.0.2.1", 1), "c.yaml:1:6: url: plain http is for loopback addresses only"},
		{"loopback in disguise", strings.Replace(least, "127.0.0.1", "127.0.0.1.example.com", 1), "plain http is for loopback"},
		{"https without a certificate", strings.Replace(least, "http", "https", 1), "c.yaml:1:6: url: it is https"},
		{"listens for all without a certificate", least + "listen: ':8443'\n", "c.yaml:4:9: listen: without tls.cert"},
		{"missing", "listen: ':1'\n", "c.yaml: url: it is missing"},
		{"half a certificate", strings.Replace(least, "http", "https", 1) + "tls: {cert: a}\n", "tls.cert and tls.key go together"},
		{"policy file of replicas", strings.Replace(least, "sqlite:gateway.db", "postgres://h/d", 1) + "policy: {file: p}\n", "c.yaml:4:16: policy.file: it is for SQLite only"},
		{"kind of database", strings.Replace(least, "sqlite:gateway.db", "mysql://CANARY@h/d", 1), "database.url: it is sqlite:PATH or postgres://"},
		{"secret in a missing file", strings.Replace(least, "sqlite:gateway.db", "file:none", 1), "database.url: open none"},
		{"secret in a missing variable", least + "aws: {external_id: 'env:CHAIM_TEST_NONE'}\n", `the variable "CHAIM_TEST_NONE" is not set`},
		{"second document", least + "---\nurl: x\n", "a second document"},
		{"syntax", "url: [\n", "c.yaml:"},
		{"tab", "url: http://127.0.0.1\n\tlisten: CANARY\n", "c.yaml:2:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := parse("c.yaml", []byte(test.text), nil)
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "CANARY")
		})
	}
}

func TestAllProblemsAreSaidAtOnce(t *testing.T) {
	_, _, err := parse("c.yaml", []byte("url: ftp://x\nnonsense: 1\nlimits: {tokens_per_user: many}\n"), nil)
	require.Error(t, err)
	for _, want := range []string{"c.yaml:1:6: url", "c.yaml:2:1: nonsense", "c.yaml:3:27: limits.tokens_per_user"} {
		assert.ErrorContains(t, err, want)
	}
}

func TestEmptyDocumentsLackWhatMustBeThere(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		_, _, err := parse("c.yaml", []byte(text), nil)
		assert.ErrorContains(t, err, "url: it is missing", "%q", text)
	}
}

func TestMissingFile(t *testing.T) {
	_, _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "chaim-gateway init")
}

func TestSecretsPrintWithoutTheirValue(t *testing.T) {
	c, _, err := parse("c.yaml", []byte(least), []string{"CHAIM_GATEWAY_DATABASE_URL=postgres://u:CANARY@h/d"})
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "database", c.Database, "config", c)
	text, err := json.Marshal(c)
	require.NoError(t, err)
	for _, shown := range []string{
		fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%v %s %q %x", c.Database, c.Database, c.Database, c.Database), log.String(), string(text),
	} {
		assert.NotContains(t, shown, "CANARY")
	}
	assert.NotContains(t, fmt.Sprintf("%#v", *c), "CANARY")
}

func FuzzParse(f *testing.F) {
	f.Add(least)
	f.Add("a: &x [*x]\n")
	f.Add("? {a: b}\n: c\n")
	f.Add("tls:\n  - cert\n<<: *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, from, err := parse("c.yaml", []byte(text), nil)
		if (c == nil) != (err != nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if c != nil {
			c.Describe(from)
		}
	})
}
