package awssts

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/profiles"
)

// write writes text into a new file, and sets the variable to its path.
func write(t *testing.T, variable, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(os.Getenv(variable), []byte(text), 0o600))
}

func TestConfigOfLentKeys(t *testing.T) {
	const lent = "[tempname]\naccountname = sredev\naws_access_key_id = ASIALENT00000000\naws_secret_access_key = s\naws_session_token = t\nchaim_scope = 1 x\n"
	const byProcess = "[tempname]\naccountname = sredev\ncredential_process = cat '/h/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'\nchaim_scope = 1 x\n"
	const mine = "[default]\naws_access_key_id = AKIAMINE00000000\naws_secret_access_key = s\n"
	role := func(source string) string {
		return "[profile other]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = " + source + "\n"
	}
	mark := func(id string) string { return strings.TrimPrefix(awsenv.Mark(id), "CHAIM_LENT=") }
	const server = "http://127.0.0.1:1/x"
	atServer := map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": server, "CHAIM_LENT": mark(server)}
	byChaim := func(process string) string { return "[profile outer]\ncredential_process = " + process + "\n" }
	from := func(source string) string {
		return "[profile other]\nrole_arn = arn:aws:iam::111111111111:role/R\ncredential_source = " + source + "\n"
	}
	inside := map[string]string{"AWS_ACCESS_KEY_ID": "ASIALENT00000000", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "CHAIM_LENT": mark("ASIALENT00000000")}
	with := func(env map[string]string, name, value string) map[string]string {
		changed := map[string]string{name: value}
		for k, v := range env {
			if k != name {
				changed[k] = v
			}
		}
		return changed
	}
	for name, tt := range map[string]struct {
		credentials, config string
		env                 map[string]string
		isLent              string // text of the error; empty for the user's own keys
	}{
		"a scope":                        {mine + lent, "", map[string]string{"AWS_PROFILE": "tempname"}, `lent as profile "tempname": name the profile that signs in AWS_PROFILE`},
		"a scope, older variable":        {mine + lent, "", map[string]string{"AWS_DEFAULT_PROFILE": "tempname"}, `lent as profile "tempname"`},
		"a process":                      {mine + byProcess, "", map[string]string{"AWS_PROFILE": "tempname"}, `lent as profile "tempname"`},
		"of another tool, kept":          {mine + strings.Replace(lent, "chaim_scope = 1 x\n", "", 1), "", map[string]string{"AWS_PROFILE": "tempname"}, `lent as profile "tempname"`},
		"source of a role":               {mine + lent, role("tempname"), map[string]string{"AWS_PROFILE": "other"}, `lent as profile "tempname"`},
		"source of a source":             {mine + lent, role("third") + "[profile third]\nrole_arn = arn:aws:iam::111111111111:role/S\nsource_profile = tempname\n", map[string]string{"AWS_PROFILE": "other"}, `lent as profile "tempname"`},
		"environment":                    {mine, "", inside, "lent in the environment: unset AWS_ACCESS_KEY_ID"},
		"environment, as a source":       {"", from("Environment"), with(inside, "AWS_PROFILE", "other"), "lent in the environment"},
		"process is chaim":               {mine, byChaim("env AWS_PROFILE=base /opt/chaim/bin/chaim -q credential-process 111111111111"), map[string]string{"AWS_PROFILE": "outer"}, `lent by the credential_process of profile "outer"`},
		"process is chaim, in a shell":   {mine, byChaim("sh -c 'chaim env 111111111111 --format process'"), map[string]string{"AWS_PROFILE": "outer"}, `lent by the credential_process of profile "outer"`},
		"source whose process is chaim":  {mine, role("outer") + byChaim(`"C:\\Program Files\\chaim.exe" credential-process 111111111111`), map[string]string{"AWS_PROFILE": "other"}, `lent by the credential_process of profile "outer"`},
		"process of another program":     {mine, byChaim("env HOME=/home/chaim /home/chaim/bin/saml credential-process"), map[string]string{"AWS_PROFILE": "outer"}, ""},
		"server":                         {"", "", atServer, "lent by its server"},
		"server, as a source":            {"", from("EcsContainer"), with(atServer, "AWS_PROFILE", "other"), "lent by its server"},
		"mine":                           {mine + lent, "", nil, ""},
		"mine inside a scope":            {mine + lent, "", map[string]string{"AWS_PROFILE": "default", "CHAIM_ACCOUNT": "sredev"}, ""},
		"mine, source of a role":         {mine + lent, role("default"), map[string]string{"AWS_PROFILE": "other"}, ""},
		"my keys inside":                 {mine, "", with(inside, "AWS_ACCESS_KEY_ID", "ASIAMINE00000000"), ""},
		"temporary keys outside":         {mine, "", with(inside, "CHAIM_LENT", ""), ""},
		"environment wins over a scope":  {mine + lent, "", map[string]string{"AWS_PROFILE": "tempname", "AWS_ACCESS_KEY_ID": "AKIAMINE00000000", "AWS_SECRET_ACCESS_KEY": "s"}, ""},
		"server of another tool":         {"", "", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/x"}, ""},
		"container inside":               {"", "", with(atServer, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.2/x"), ""},
		"own role beside a scope's name": {mine + "[tempname]\naccountname = x\n", "[profile tempname]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = default\n", map[string]string{"AWS_PROFILE": "tempname"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			noFiles(t)
			write(t, "AWS_SHARED_CREDENTIALS_FILE", tt.credentials)
			write(t, "AWS_CONFIG_FILE", tt.config)
			for variable, value := range tt.env {
				t.Setenv(variable, value)
			}
			_, err := Config(t.Context(), Options{Files: profiles.AWSFiles{}})
			if tt.isLent == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "chaim: the AWS SDK finds no keys but those that chaim has "+tt.isLent)
			_, err = Config(t.Context(), Options{Files: profiles.AWSFiles{}, HasKeys: true})
			require.NoError(t, err)
		})
	}
}

// TestConfigRefusesPlainHTTP points the SDK's chain to a plain http server without a literal loopback address, in each way
// that the SDK knows, with each kind of provider that sends secrets.
func TestConfigRefusesPlainHTTP(t *testing.T) {
	const base = "[base]\naws_access_key_id = AKIABASE00000000\naws_secret_access_key = s\n"
	const sso = "sso_account_id = 111111111111\nsso_role_name = R\n"
	const session = "[sso-session s]\nsso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n"
	type chain struct {
		config string
		env    map[string]string
		asks   []string // ids of services
	}
	chains := map[string]chain{
		"role":               {"[default]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = base\n", nil, []string{"STS"}},
		"role of a role":     {"[default]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = b\n[profile b]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = base\n", nil, []string{"STS"}},
		"role of a process":  {"[default]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = b\n[profile b]\ncredential_process = x\n", nil, []string{"STS"}},
		"role of a machine":  {"[default]\nrole_arn = arn:aws:iam::111111111111:role/R\ncredential_source = Ec2InstanceMetadata\n", nil, []string{"STS"}},
		"web identity":       {"[default]\nrole_arn = arn:aws:iam::111111111111:role/R\nweb_identity_token_file = /x\n", nil, []string{"STS"}},
		"web identity (env)": {"[default]\n", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/x", "AWS_ROLE_ARN": "arn:aws:iam::111111111111:role/R"}, []string{"STS"}},
		"SSO":                {"[default]\nsso_session = s\n" + sso + session, nil, []string{"SSO", "SSO_OIDC"}},
		"SSO, old":           {"[default]\nsso_start_url = https://x\nsso_region = eu-west-1\n" + sso, nil, []string{"SSO"}},
		"role of SSO":        {"[default]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = b\n[profile b]\nsso_session = s\n" + sso + session, nil, []string{"STS", "SSO", "SSO_OIDC"}},
		"login":              {"[default]\nlogin_session = arn:aws:iam::111111111111:user/u\n", nil, []string{"SIGNIN"}},
		"static":             {"[default]\naws_access_key_id = AKIABASE00000000\naws_secret_access_key = s\n", nil, nil},
		"process":            {"[default]\ncredential_process = x\n", nil, nil},
		"environment":        {"[default]\n", map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENV000000000", "AWS_SECRET_ACCESS_KEY": "s"}, nil},
	}
	const elsewhere = "http://sts.example:1"
	all := []string{"STS", "SSO", "SSO_OIDC", "SIGNIN"}
	load := func(t *testing.T, c chain, env map[string]string, config string, o Options) error {
		o.Files = profiles.AWSFiles{}
		t.Helper()
		noFiles(t)
		write(t, "AWS_SHARED_CREDENTIALS_FILE", base)
		write(t, "AWS_CONFIG_FILE", config)
		for _, variables := range []map[string]string{c.env, env} {
			for variable, value := range variables {
				t.Setenv(variable, value)
			}
		}
		o.Region, o.Log = "eu-west-1", slog.New(slog.DiscardHandler)
		_, err := Config(t.Context(), o)
		return err
	}
	for name, c := range chains {
		t.Run(name, func(t *testing.T) {
			asks := map[string]bool{}
			for _, service := range c.asks {
				asks[service] = true
			}
			ways := map[string]struct{ variable, setting string }{}
			for _, service := range all {
				ways[service] = struct{ variable, setting string }{"AWS_ENDPOINT_URL_" + service, "services = s\n[services s]\n" + strings.ToLower(service) + " =\n  endpoint_url = "}
			}
			ways[""] = struct{ variable, setting string }{"AWS_ENDPOINT_URL", "endpoint_url = "}
			for service, way := range ways {
				want := asks[service] || service == "" && len(asks) > 0
				t.Run("variable "+service, func(t *testing.T) {
					assert.Equal(t, want, load(t, c, map[string]string{way.variable: elsewhere}, c.config, Options{}) != nil)
					assert.NoError(t, load(t, c, map[string]string{way.variable: elsewhere}, c.config, Options{AllowInsecure: true}))
					assert.NoError(t, load(t, c, map[string]string{way.variable: "http://127.0.0.1:1"}, c.config, Options{}))
					assert.NoError(t, load(t, c, map[string]string{way.variable: "https://sts.example"}, c.config, Options{}))
				})
				t.Run("file "+service, func(t *testing.T) {
					config := strings.Replace(c.config, "[default]\n", "[default]\n"+way.setting+elsewhere+"\n[default]\n", 1)
					assert.Equal(t, want, load(t, c, nil, config, Options{}) != nil)
					assert.NoError(t, load(t, c, map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, config, Options{}))
				})
			}
		})
	}
	err := load(t, chains["role"], map[string]string{"AWS_ENDPOINT_URL_STS": elsewhere}, chains["role"].config, Options{})
	require.EqualError(t, err, `chaim: endpoint of STS is plain http to "sts.example:1": the keys would be readable on the way; use https, a loopback address such as 127.0.0.1, or AllowInsecure`)
}

// TestChainFollowsNoRedirect: Identity Center redirects a request with a login token. The SDK alone would follow.
func TestChainFollowsNoRedirect(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, canary, r.Header.Get("X-Amz-Sso_bearer_token"))
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	noFiles(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	token, err := ssocreds.StandardCachedTokenFilepath("https://x")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(token), 0o700))
	require.NoError(t, os.WriteFile(token, []byte(`{"accessToken": "`+canary+`", "expiresAt": "2099-01-01T00:00:00Z"}`), 0o600))
	write(t, "AWS_CONFIG_FILE", "[default]\nsso_start_url = https://x\nsso_region = eu-west-1\nsso_account_id = 111111111111\nsso_role_name = R\n")
	t.Setenv("AWS_ENDPOINT_URL_SSO", srv.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	cfg, err := Config(t.Context(), Options{Files: profiles.AWSFiles{}, Region: "eu-west-1"})
	require.NoError(t, err)
	_, err = cfg.Credentials.Retrieve(t.Context())
	require.ErrorContains(t, foreign(err), "the server redirects elsewhere")
	assert.NotContains(t, fmt.Sprint(foreign(err)), canary)
	assert.Zero(t, elsewhere.Load())
}

// TestChainSendsNothingInClearText uses a host name that resolves to this machine.
func TestChainSendsNothingInClearText(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	noFiles(t)
	write(t, "AWS_SHARED_CREDENTIALS_FILE", "[base]\naws_access_key_id = AKIABASE00000000\naws_secret_access_key = s\n")
	write(t, "AWS_CONFIG_FILE", "[default]\nrole_arn = arn:aws:iam::111111111111:role/R\nsource_profile = base\n")
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://localhost:"+port)
	_, err = Config(t.Context(), Options{Files: profiles.AWSFiles{}, Region: "eu-west-1"})
	require.ErrorContains(t, err, "plain http")
	assert.Zero(t, asked.Load())
}
