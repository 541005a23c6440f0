package chaim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
)

// gatewayLines are what chaim's own settings look like.
const gatewayLines = "[default]\nendpoint = https://gateway.example/prod\nregion = eu-west-1\nusername = chris\nusertoken = CANARY-token\n"

// defaultFor is optionsFor for a default account that is kept.
func defaultFor(t *testing.T, srv *chaimtest.Server) chaim.Options {
	t.Helper()
	opts := optionsFor(t, srv)
	opts.Default, opts.Keep, opts.TempName = true, true, "dev"
	return opts
}

// folder tells all that a call which only reads must leave as it is.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	found := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		found[e.Name()] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano())
		if !e.IsDir() {
			found[e.Name()] += read(t, filepath.Join(dir, e.Name()))
		}
	}
	return found
}

// assertReads checks that a call leaves the folder of opts as it is, and fails after Close.
func assertReads[T any](t *testing.T, opts chaim.Options, call func(*chaim.Client, context.Context) (T, error)) (T, error) {
	t.Helper()
	before := folder(t, opts.Dir)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	value, callErr := call(c, t.Context())
	require.NoError(t, c.Close())
	_, err = call(c, t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.Equal(t, before, folder(t, opts.Dir))
	return value, callErr
}

func TestDefaultSection(t *testing.T) {
	noSDKConfig(t)
	opts := chaim.Options{Dir: t.TempDir()}
	for _, text := range []string{"", "[a]\nk = v\n"} {
		_, err := assertReads(t, opts, (*chaim.Client).DefaultSection)
		require.ErrorIs(t, err, chaim.ErrNotConfigured)
		assert.ErrorContains(t, err, "no section [default] in "+credentialsFile(opts)+": store the settings of a gateway there")
		write(t, credentialsFile(opts), text)
	}
	write(t, credentialsFile(opts), gatewayLines+"Mine=x # y\ns3 =\n  region = z\n")
	s, err := assertReads(t, opts, (*chaim.Client).DefaultSection)
	require.NoError(t, err)
	assert.Equal(t, "default", s.Name)
	assert.Equal(t, []string{"endpoint", "mine", "region", "s3", "username", "usertoken"}, s.Keys())
	assert.Equal(t, "CANARY-token", s.Value("usertoken"))
	assert.Equal(t, "eu-west-1", s.Value("region"))
	assert.Equal(t, "x # y", s.Value("mine"))
	assert.Empty(t, s.Value("absent"))
	assert.Empty(t, chaim.Section{}.Keys())
	assert.Empty(t, chaim.Section{}.Value("region"))

	var out bytes.Buffer
	wrapped := struct{ s chaim.Section }{s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p", "%T"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, s, &s, wrapped, []chaim.Section{s})
	}
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		log.Info("section", "value", s, "pointer", &s, "wrapped", wrapped)
	}
	text, err := json.Marshal(map[string]any{"value": s, "pointer": &s, "wrapped": wrapped})
	require.NoError(t, err)
	assert.Contains(t, string(text), "default")
	for _, value := range []string{"CANARY", fmt.Sprintf("%x", "CANARY"), "chris", "gateway.example"} {
		assert.NotContains(t, out.String()+string(text), value)
	}

	opts.Settings = chaimtest.NewServer(t).Settings() // or New would not get that far
	write(t, credentialsFile(opts), "[default]\n[a]\n[default]\n")
	_, err = assertReads(t, opts, (*chaim.Client).DefaultSection)
	assert.ErrorContains(t, err, "stands twice")
	assert.NotErrorIs(t, err, chaim.ErrNotConfigured)
}

func TestDefaultAccount(t *testing.T) {
	noSDKConfig(t)
	opts := chaim.Options{Dir: t.TempDir()}
	_, err := assertReads(t, opts, (*chaim.Client).DefaultAccount)
	assert.ErrorIs(t, err, chaim.ErrNotConfigured)
	write(t, credentialsFile(opts), gatewayLines)
	_, err = assertReads(t, opts, (*chaim.Client).DefaultAccount)
	require.ErrorIs(t, err, chaim.ErrNotConfigured)
	assert.ErrorContains(t, err, "names no default account: keep one with Options.Default")
	for lines, want := range map[string]string{"section = Dev\n": "Dev", "section = Dev\nAlias = d\n": "d", "alias = d\n": "d"} {
		write(t, credentialsFile(opts), gatewayLines+lines)
		name, err := assertReads(t, opts, (*chaim.Client).DefaultAccount)
		assert.NoError(t, err)
		assert.Equal(t, want, name)
	}
}

func TestEndpoint(t *testing.T) {
	noSDKConfig(t)
	opts := chaim.Options{Dir: t.TempDir()}
	_, err := assertReads(t, opts, (*chaim.Client).Endpoint)
	require.ErrorIs(t, err, chaim.ErrNotConfigured)
	assert.ErrorContains(t, err, "CHAIM_URL")
	for text, want := range map[string]string{
		gatewayLines: "https://gateway.example/prod/",
		"[default]\napi = abcdefghij\nstage = prod\nregion = eu-west-2\nusername = u\nusertoken = t\n": "https://abcdefghij.execute-api.eu-west-2.amazonaws.com/prod/",
	} {
		write(t, credentialsFile(opts), text)
		url, err := assertReads(t, opts, (*chaim.Client).Endpoint)
		assert.NoError(t, err)
		assert.Equal(t, want, url)
	}
	opts.Account, opts.Source = "sredev", credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "s", "t")
	_, err = assertReads(t, opts, (*chaim.Client).Endpoint)
	assert.ErrorIs(t, err, chaim.ErrNotConfigured, "a Source is asked, and no gateway")
}

func TestClientWithoutAccount(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Account = ""
	write(t, credentialsFile(opts), userFile)
	before := folder(t, opts.Dir)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.RequestKeys(t.Context())
	assert.EqualError(t, err, "chaim: no account given")
	_, err = c.Retrieve(t.Context())
	assert.EqualError(t, err, "chaim: no account given")
	err = chaim.With("", "rro", 1, func(string) error { t.Error("fn was called"); return nil })
	assert.EqualError(t, err, "chaim: no account given")
	err = chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.EqualError(t, err, "chaim: no account given")
	assert.Empty(t, srv.Requests())
	assert.Equal(t, before, folder(t, opts.Dir))

	accounts, err := c.RequestList(t.Context())
	assert.NoError(t, err)
	assert.NotEmpty(t, accounts)
	plain, err := chaim.New(chaim.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer plain.Close()
	_, err = plain.MyAccountList(t.Context())
	assert.NoError(t, err)
	_, err = plain.RequestList(t.Context())
	assert.ErrorIs(t, err, chaim.ErrNotConfigured)
}

// sdkKeys are what an SDK gets that is told of no profile.
func sdkKeys(t *testing.T, opts chaim.Options) (aws.Credentials, error) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedCredentialsFiles([]string{credentialsFile(opts)}), config.WithSharedConfigFiles([]string{}))
	require.NoError(t, err)
	return cfg.Credentials.Retrieve(t.Context())
}

// copies returns what [default] and a profile hold of that which a copy has.
func copies(t *testing.T, text []byte, profile string) (inDefault, inProfile map[string]string) {
	t.Helper()
	pick := func(name string) map[string]string {
		pairs, _, err := inifile.ReadManaged(text, name)
		require.NoError(t, err)
		picked := map[string]string{}
		for _, key := range []string{"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token", "expires", inifile.ProcessKey, inifile.ScopeKey} {
			picked[key] = pairs[key]
		}
		return picked
	}
	return pick(inifile.DefaultSection), pick(profile)
}

// TestDefaultOfAKeptAccount keeps a default account beside what may stand in [default], and renews and deletes it.
func TestDefaultOfAKeptAccount(t *testing.T) {
	noSDKConfig(t)
	const header = "[default]\n"
	for name, tt := range map[string]struct{ before, after string }{ // after is what the deletion leaves
		"empty":             {"", header},
		"no default":        {"[a]\nk = v\n", "[a]\nk = v\n\n" + header},
		"settings":          {gatewayLines, gatewayLines},
		"settings, first":   {gatewayLines + "\n[a]\nk = v\n", gatewayLines + "\n[a]\nk = v\n"},
		"settings, last":    {"[a]\nk = v\n\n" + gatewayLines + "# end\n", "[a]\nk = v\n\n" + gatewayLines + "# end\n"},
		"settings, CRLF":    {strings.ReplaceAll(gatewayLines, "\n", "\r\n"), strings.ReplaceAll(gatewayLines, "\n", "\r\n")},
		"nested":            {header + "region = eu-west-1\ns3 =\n  section = 10\n# c\n\n[b]\nk=v\n", header + "region = eu-west-1\ns3 =\n  section = 10\n# c\n\n[b]\nk=v\n"},
		"another was kept":  {gatewayLines + "section = old\nexpires = 1\n[z]\nk = v\n", gatewayLines + "[z]\nk = v\n"},
		"another, odd case": {header + "Alias : old\nSection=Old\n", header},
	} {
		t.Run(name, func(t *testing.T) {
			opts := defaultFor(t, chaimtest.NewServer(t))
			opts.Terrible = name == "settings"
			write(t, credentialsFile(opts), tt.before)
			settings, _, err := inifile.ReadAll([]byte(tt.before), "default")
			require.NoError(t, err)
			c, err := chaim.New(opts)
			require.NoError(t, err)
			defer c.Close()
			for range 2 {
				_, err := c.RequestKeys(t.Context())
				require.NoError(t, err)
				got, err := sdkKeys(t, opts)
				require.NoError(t, err)
				assert.Equal(t, c.Creds().AccessKeyID+c.Creds().SecretAccessKey+c.Creds().SessionToken, got.AccessKeyID+got.SecretAccessKey+got.SessionToken)
				text := []byte(read(t, credentialsFile(opts)))
				inDefault, inProfile := copies(t, text, "dev")
				assert.Equal(t, inProfile, inDefault)
				assert.Equal(t, opts.Terrible, inDefault["aws_security_token"] != "")
				kept, _, err := inifile.ReadAll(text, "default")
				require.NoError(t, err)
				for _, key := range []string{"endpoint", "region", "username", "usertoken", "output", "s3", "duration", "role", "accountname", "gui_url", "expstr"} {
					assert.Equal(t, settings[key], kept[key], key)
				}
			}
			require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
			assert.Equal(t, tt.after, read(t, credentialsFile(opts)))
		})
	}
}

func TestDefaultRefusals(t *testing.T) {
	noSDKConfig(t)
	const foreign = "[default]\naws_access_key_id = ASIAEXAMPLE000000001\naws_secret_access_key = s\naws_session_token = t\n"
	for name, tt := range map[string]struct {
		credentials, config string
		isUnmanaged         bool
		says                string
	}{
		"long-lived keys":           {credentials: "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\nsection = dev\n", isUnmanaged: true, says: "keys of yours"},
		"temporary keys":            {credentials: foreign, isUnmanaged: true, says: "keys of yours"},
		"token alone":               {credentials: "[default]\naws_session_token = t\n", isUnmanaged: true, says: "keys of yours"},
		"role in the config file":   {config: "[default]\nrole_arn = x\n", says: "role_arn"},
		"SSO in the config file":    {credentials: gatewayLines, config: "[profile default]\nsso_session = x\n", says: "sso_session"},
		"role":                      {credentials: "[default]\nrole_arn = x\n", says: "role_arn"},
		"SSO":                       {credentials: "[default]\nsso_start_url = x\n", says: "sso_start_url"},
		"process":                   {credentials: "[default]\ncredential_process = mine\n", isUnmanaged: true, says: "a process that gives them"},
		"role for everybody":        {credentials: "[DEFAULT]\nrole_arn = x\n", says: "[DEFAULT]"},
		"indented line":             {credentials: "[default]\n  region = x\n", says: "indented"},
		"header with blanks":        {credentials: "[ default ]\nregion = x\n", says: "header"},
		"section twice":             {credentials: "[default]\n[a]\n[default]\n", says: "twice"},
		"copy that somebody edited": {credentials: "[default]\nsection = dev\naws_access_key_id = ASIAEXAMPLE000000001\nchaim_scope = dead\n", says: "[default] "},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := defaultFor(t, srv)
			write(t, credentialsFile(opts), tt.credentials)
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(opts.Dir, "config"))
			write(t, filepath.Join(opts.Dir, "config"), tt.config)
			before := folder(t, opts.Dir)
			err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
			require.ErrorContains(t, err, tt.says)
			assert.Equal(t, 1, strings.Count(strings.ReplaceAll(err.Error(), "by chaim: ", ""), "chaim: "), "%v", err)
			assert.Equal(t, name != "section twice", errors.Is(err, chaim.ErrInUse), "%v", err)
			if tt.isUnmanaged {
				assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
			}
			assert.Empty(t, srv.Requests())
			assert.Equal(t, before, folder(t, opts.Dir))
		})
	}
}

// TestDefaultIsOfAKeptProfile refuses to lend [default] to a scope, before anything is asked or written.
func TestDefaultIsOfAKeptProfile(t *testing.T) {
	for name, form := range map[string]chaim.ProfileForm{"keys": chaim.Keys, "process": chaim.Process} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.Default, opts.Form = true, form
		_, err := chaim.New(opts)
		assert.EqualError(t, err, "chaim: Options.Default is for a profile that is kept, and goes with Options.Keep", name)
	}
}

// TestDefaultBesideItsGateway has the settings of the gateway in the section that the keys are copied to.
func TestDefaultBesideItsGateway(t *testing.T) {
	noSDKConfig(t)
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} { // or they would win
		require.NoError(t, os.Unsetenv(name))
	}
	srv := chaimtest.NewServer(t)
	opts := defaultFor(t, srv)
	s := opts.Settings
	opts.Settings = nil
	before := fmt.Sprintf("[default]\nendpoint = %s\nusername = %s\nusertoken = %s\nregion = eu-west-2\n", s.Endpoint, s.Username, s.UserToken)
	write(t, credentialsFile(opts), before)
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		other := opts
		other.Default, other.Keep, other.TempName = false, false, ""
		creds, err := c.RequestKeys(ctx)
		require.NoError(t, err)
		assert.Equal(t, "eu-west-2", creds.Region)
		require.NoError(t, chaim.WithContext(ctx, other, func(ctx context.Context, c *chaim.Client) error {
			assert.Equal(t, "eu-west-2", c.Creds().Region)
			url, err := c.Endpoint(ctx)
			assert.Equal(t, s.Endpoint, url)
			return err
		}))
		held, err := c.MyAccountList(ctx)
		require.NoError(t, err)
		require.Len(t, held, 1)
		assert.True(t, held[0].Default)
		return c.DeleteAccount(ctx, "dev")
	})
	require.NoError(t, err)
	for _, r := range srv.Requests() {
		assert.Equal(t, s.Username, r.User)
	}
	assert.Equal(t, before, read(t, credentialsFile(opts)))
}
