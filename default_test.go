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
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

// defaultFor is optionsFor with the default account.
func defaultFor(t *testing.T, srv *chaimtest.Server) chaim.Options {
	t.Helper()
	opts := optionsFor(t, srv)
	opts.Default = true
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

var filesBefore = map[string]string{
	"empty":              "",
	"no default":         userFile,
	"settings":           gatewayLines,
	"settings, first":    gatewayLines + "\n[a]\nk = v\n",
	"settings, last":     "[a]\nk = v\n\n" + gatewayLines + "# end",
	"settings, CRLF":     strings.ReplaceAll("# c\n"+gatewayLines+"\n[a]\nk = v", "\n", "\r\n"),
	"nested":             "[default]\nregion = eu-west-1\ns3 =\n  max_queue_size = 10\n  region = n\n# c\n\n[b]\nk=v\n",
	"only a header":      "[a]\n[default]",
	"kept, expired":      gatewayLines + "section = dev\naws_access_key_id = ASIAKEPT000000000001\naws_secret_access_key = s\naws_session_token = t\nexpires = 1\n[z]\nk = v\n",
	"kept, not expired":  "[y]\n\n[default]\r\nAWS_Access_Key_Id: ASIAKEPT000000000001\naws_secret_access_key=s\nAlias : d\nsection = Dev\nexpires = 32503680000",
	"kept, no expiry":    "[default]\nsection = Dev\naws_access_key_id = ASIAKEPT000000000001\naws_secret_access_key = s\noutput = json\n",
	"named, without key": "[default]\nalias = dev\n",
}

func TestDefaultDuringAScope(t *testing.T) {
	noSDKConfig(t)
	for name, before := range filesBefore {
		for _, form := range []string{"Keys", "Process", "Terrible"} {
			if form == "Terrible" && !strings.HasPrefix(name, "settings") {
				continue
			}
			t.Run(name+" "+form, func(t *testing.T) {
				opts := defaultFor(t, chaimtest.NewServer(t))
				opts.Terrible = form == "Terrible"
				if form == "Process" {
					opts.Form = chaim.Process
				}
				write(t, credentialsFile(opts), before)
				settings, _, err := inifile.ReadAll([]byte(before), "default")
				require.NoError(t, err)
				err = chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
					for range 2 {
						got, err := sdkKeys(t, opts)
						require.NoError(t, err)
						want := c.Creds()
						assert.Equal(t, want.AccessKeyID+want.SecretAccessKey+want.SessionToken, got.AccessKeyID+got.SecretAccessKey+got.SessionToken)
						text := []byte(read(t, credentialsFile(opts)))
						inDefault, inProfile := copies(t, text, c.Profile())
						assert.Equal(t, inProfile, inDefault)
						assert.Equal(t, opts.Terrible, inDefault["aws_security_token"] != "")
						shared, err := config.LoadSharedConfigProfile(ctx, "default", func(o *config.LoadSharedConfigOptions) {
							o.CredentialsFiles, o.ConfigFiles = []string{credentialsFile(opts)}, []string{}
						})
						require.NoError(t, err)
						assert.Equal(t, inDefault["aws_access_key_id"], shared.Credentials.AccessKeyID)
						assert.Equal(t, form == "Process", shared.CredentialProcess != "" && shared.CredentialProcess != "mine")
						assert.Equal(t, settings["region"], shared.Region)
						during, _, err := inifile.ReadAll(text, "default")
						require.NoError(t, err)
						for _, key := range []string{"endpoint", "region", "username", "usertoken", "output", "s3", "duration", "role", "accountname", "gui_url", "expstr"} {
							assert.Equal(t, settings[key], during[key], key)
						}
						name, err := c.DefaultAccount(ctx)
						require.NoError(t, err)
						assert.Equal(t, c.Profile(), name)
						_, err = c.RequestKeys(ctx)
						require.NoError(t, err)
					}
					return nil
				})
				require.NoError(t, err)
				assert.Equal(t, before, read(t, credentialsFile(opts)))
				assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
			})
		}
	}
}

// TestDefaultIsRenewedInOneStep reads the file all the time while the scope, and another client, renew.
func TestDefaultIsRenewedInOneStep(t *testing.T) {
	opts := defaultFor(t, chaimtest.NewServer(t))
	write(t, credentialsFile(opts), gatewayLines+"section = dev\naws_access_key_id = ASIAKEPT000000000001\naws_secret_access_key = s\n")
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		other := opts
		other.Account, other.Default = "", false
		renewer, err := chaim.New(other)
		require.NoError(t, err)
		defer renewer.Close()
		ctx, stop := context.WithCancel(ctx)
		var reader sync.WaitGroup
		seen := map[string]bool{}
		reader.Go(func() {
			for ctx.Err() == nil {
				text, err := os.ReadFile(credentialsFile(opts))
				assert.NoError(t, err)
				inDefault, inProfile := copies(t, text, c.Profile())
				assert.Equal(t, inProfile, inDefault)
				assert.NotEmpty(t, inDefault["aws_session_token"])
				seen[inDefault["aws_access_key_id"]] = true
			}
		})
		for range 10 {
			_, err := c.RequestKeys(ctx)
			assert.NoError(t, err)
			creds, err := renewer.RenewSection(ctx, c.Profile())
			assert.NoError(t, err)
			inDefault, _ := copies(t, []byte(read(t, credentialsFile(opts))), c.Profile())
			assert.Equal(t, creds.AccessKeyID, inDefault["aws_access_key_id"])
		}
		stop()
		reader.Wait()
		assert.Greater(t, len(seen), 1)
		return nil
	})
	require.NoError(t, err)
}

func TestDefaultRefusals(t *testing.T) {
	noSDKConfig(t)
	const foreign = "[default]\naws_access_key_id = ASIAEXAMPLE000000001\naws_secret_access_key = s\naws_session_token = t\n"
	for name, tt := range map[string]struct {
		credentials, config string
		form                chaim.ProfileForm
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
		"process for a process":     {credentials: "[default]\ncredential_process = mine\n", form: chaim.Process, isUnmanaged: true, says: "a process that gives them"},
		"role for everybody":        {credentials: "[DEFAULT]\nrole_arn = x\n", says: "[DEFAULT]"},
		"indented line":             {credentials: "[default]\n  region = x\n", says: "indented"},
		"header with blanks":        {credentials: "[ default ]\nregion = x\n", says: "header"},
		"section twice":             {credentials: "[default]\n[a]\n[default]\n", says: "twice"},
		"copy that somebody edited": {credentials: "[default]\nsection = dev\naws_access_key_id = ASIAEXAMPLE000000001\nchaim_scope = dead\n", says: "[default] "},
		"what a scope put aside":    {credentials: "[default]\nchaim_was_section = dev\n", says: "chaim_was_section"},
	} {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", keep), func(t *testing.T) {
				if keep && tt.form == chaim.Process {
					return // refused for itself
				}
				srv := chaimtest.NewServer(t)
				opts := defaultFor(t, srv)
				opts.Form, opts.Keep, opts.TempName = tt.form, keep, "dev"
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
}

// TestDefaultBesideItsGateway has the settings of the gateway in the section that the keys are copied to.
func TestDefaultBesideItsGateway(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	opts := defaultFor(t, srv)
	s := opts.Settings
	opts.Settings = nil
	before := fmt.Sprintf("[default]\nendpoint = %s\nusername = %s\nusertoken = %s\nregion = eu-west-2\n", s.Endpoint, s.Username, s.UserToken)
	write(t, credentialsFile(opts), before)
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		other := opts
		other.Default = false
		for range 3 {
			creds, err := c.RequestKeys(ctx)
			require.NoError(t, err)
			assert.Equal(t, "eu-west-2", creds.Region)
			require.NoError(t, chaim.WithContext(ctx, other, func(ctx context.Context, c *chaim.Client) error {
				assert.Equal(t, "eu-west-2", c.Creds().Region)
				url, err := c.Endpoint(ctx)
				assert.Equal(t, s.Endpoint, url)
				return err
			}))
		}
		held, err := c.MyAccountList(ctx)
		require.NoError(t, err)
		require.Len(t, held, 1)
		assert.True(t, held[0].Default)
		write(t, credentialsFile(opts), "[default]\nendpoint = https://elsewhere.invalid\n")
		_, err = c.RequestKeys(ctx)
		return err
	})
	require.NoError(t, err)
	for _, r := range srv.Requests() {
		assert.Equal(t, s.Username, r.User)
	}
	assert.Equal(t, "[default]\nendpoint = https://elsewhere.invalid\n", read(t, credentialsFile(opts)))
}

// TestTwoDefaults has the second refused, without troubling anybody, until the first has ended.
func TestTwoDefaults(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := defaultFor(t, srv)
	write(t, credentialsFile(opts), gatewayLines)
	second, err := chaim.New(opts)
	require.NoError(t, err)
	defer second.Close()
	err = chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		before := read(t, credentialsFile(opts))
		srv.Reset()
		for _, keep := range []bool{false, true} {
			other := opts
			other.Keep = keep
			err := chaim.WithContext(ctx, other, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
			require.ErrorIs(t, err, chaim.ErrInUse)
			assert.ErrorContains(t, err, "[default] is lent to a scope that may still run")
		}
		_, err := second.RequestKeys(ctx)
		assert.ErrorIs(t, err, chaim.ErrInUse)
		assert.Empty(t, srv.Requests())
		assert.Equal(t, before, read(t, credentialsFile(opts)))
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, gatewayLines, read(t, credentialsFile(opts)))
	_, err = second.RequestKeys(t.Context())
	require.NoError(t, err)
	name, err := second.DefaultAccount(t.Context())
	assert.NoError(t, err)
	assert.Equal(t, second.Profile(), name)
	require.NoError(t, second.Close())
	assert.Equal(t, gatewayLines, read(t, credentialsFile(opts)))
}

// TestDefaultThatAnotherScopeTook gives [default] to a second scope while the copy of the first is gone for a moment.
func TestDefaultThatAnotherScopeTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaultFor(t, chaimtest.NewServer(t))
		write(t, credentialsFile(opts), gatewayLines)
		assertDefaultOf := func(c *chaim.Client) {
			t.Helper()
			inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), c.Profile())
			assert.Equal(t, inProfile, inDefault)
		}
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, first *chaim.Client) error {
			text := read(t, credentialsFile(opts))
			<-time.After(1234 * time.Millisecond) // between two looks
			write(t, credentialsFile(opts), gatewayLines+text[strings.Index(text, "\n[tempname]"):])
			require.NoError(t, chaim.WithContext(ctx, opts, func(_ context.Context, second *chaim.Client) error {
				<-time.After(3 * time.Hour)
				assertDefaultOf(second)
				return nil
			}))
			<-time.After(time.Second)
			assertDefaultOf(first)
			return ctx.Err()
		})
		require.NoError(t, err)
		assert.Equal(t, gatewayLines, read(t, credentialsFile(opts)))
	})
}

// TestDefaultOfLongLivedKeys lends keys that look like the user's own.
func TestDefaultOfLongLivedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := chaim.Options{Account: "sredev", Default: true, Dir: t.TempDir(), Source: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "s", "")}
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			during := read(t, credentialsFile(opts))
			<-time.After(1234 * time.Millisecond)
			damaged := strings.LastIndex(during, "aws_secret_access_key = s") // in [default]
			write(t, credentialsFile(opts), during[:damaged]+strings.Replace(during[damaged:], "= s", "= t", 1))
			<-time.After(time.Second)
			assert.Equal(t, during, read(t, credentialsFile(opts)))
			return ctx.Err()
		})
		require.NoError(t, err)
		assert.Empty(t, read(t, credentialsFile(opts)))
	})
}
