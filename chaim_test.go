package chaim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func TestMain(m *testing.M) {
	// No test may read a real ~/.aws.
	if err := os.Setenv("AWS_CONFIG_FILE", filepath.Join(os.TempDir(), "chaim-no-such-file")); err != nil {
		panic(err)
	}
	if form := os.Getenv("CHAIM_TEST_DIE"); form != "" {
		dieInScope(form)
	}
	os.Exit(m.Run())
}

// userFile is a user's credentials file in an unusual style.
const userFile = "# keys of the company\r\n\n[prod]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\naws_secret_access_key  = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY ; mine\n\n\n  # parked\n#[old]\n#k = v\n[prod.eu]\nREGION: eu-west-1"

// optionsFor returns options that reach srv in memory, with a credentials file of their own.
func optionsFor(t *testing.T, srv *chaimtest.Server) chaim.Options {
	t.Helper()
	opts := srv.Options(t, "sredev")
	opts.Duration = time.Hour
	return opts
}

func credentialsFile(opts chaim.Options) string { return filepath.Join(opts.Dir, "credentials") }

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// whoAmI returns the ARN of a profile's keys: a new client of the AWS SDK asks the double's STS.
func whoAmI(t *testing.T, profile string) (string, error) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigProfile(profile))
	if err != nil {
		return "", err
	}
	id, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		return "", err
	}
	return aws.ToString(id.Arn), nil
}

func TestWith(t *testing.T) {
	srv := chaimtest.NewServer(t)
	file := filepath.Join(srv.Setenv(t), "credentials")
	write(t, file, userFile)

	var lent string
	err := chaim.With("sredev", "mpu", 1, func(profile string) error {
		lent = profile
		assert.Equal(t, "tempname", profile)
		arn, err := whoAmI(t, profile)
		assert.Contains(t, arn, ":assumed-role/CrossAccountPowerUser/")
		assert.True(t, strings.HasPrefix(read(t, file), userFile), "what was there stays as it was")
		return err
	})
	require.NoError(t, err)

	_, err = whoAmI(t, lent)
	assert.ErrorAs(t, err, new(config.SharedConfigProfileNotExistError))
	assert.Equal(t, userFile, read(t, file))
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	requests := srv.Requests()
	assert.Equal(t, "Keys", requests[0].Action)
	assert.Equal(t, time.Hour, requests[0].Duration)
}

// TestScopeLeavesEveryByte uses files that some programs damage or misread.
func TestScopeLeavesEveryByte(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "corpus", "*.ini"))
	require.NoError(t, err)
	require.Len(t, files, 44)
	srv := chaimtest.NewServer(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			opts := optionsFor(t, srv)
			before := read(t, file)
			write(t, credentialsFile(opts), before)
			called := false
			err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
				called = true
				assert.True(t, strings.HasPrefix(read(t, credentialsFile(opts)), before))
				return nil
			})
			assert.Equal(t, err == nil, called, "%v", err)
			assert.Equal(t, before, read(t, credentialsFile(opts)))
		})
	}
}

// TestContextEndsBeforeTheKeysGo: programs that fn started with its context must not run on without keys.
func TestContextEndsBeforeTheKeysGo(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	var given context.Context
	opts.Logger = slog.New(slog.NewTextHandler(writerFunc(func(line []byte) (int, error) {
		if bytes.Contains(line, []byte("profile removed")) {
			assert.Error(t, given.Err())
		}
		return len(line), nil
	}), nil))
	require.NoError(t, chaim.WithContext(t.Context(), opts, func(ctx context.Context, _ *chaim.Client) error { given = ctx; return nil }))
	assert.Error(t, given.Err())
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestWithReturnsErrorUntouched(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	mine := errors.New("mine")
	err := chaim.With("sredev", "rro", 1, func(string) error { return mine })
	assert.True(t, err == mine, "got %v", err)
	assert.Empty(t, read(t, filepath.Join(home, "credentials")))
}

func TestWithPanic(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	type value struct{ n int }
	thrown := &value{1}
	func() {
		defer func() { assert.True(t, recover() == any(thrown), "the same panic value travels on") }()
		_ = chaim.With("sredev", "rro", 1, func(string) error { panic(thrown) })
		t.Error("With returned")
	}()
	assert.Empty(t, read(t, filepath.Join(home, "credentials")))
}

func TestWithGoexit(t *testing.T) {
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = chaim.With("sredev", "rro", 1, func(string) error { runtime.Goexit(); return nil })
		t.Error("With returned")
	})
	wg.Wait()
	assert.Empty(t, read(t, filepath.Join(home, "credentials")))
}

func TestWithContextCancelled(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	ctx, cancel := context.WithCancel(t.Context())
	err := chaim.WithContext(ctx, opts, func(ctx context.Context, c *chaim.Client) error {
		assert.Contains(t, read(t, credentialsFile(opts)), "[tempname]")
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	assert.Equal(t, context.Canceled, err)
	assert.Empty(t, read(t, credentialsFile(opts)), "a cancelled context does not keep the profile from being removed")

	err = chaim.WithContext(ctx, opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorIs(t, err, context.Canceled)
}

func TestBadInputIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	srv := chaimtest.NewServer(t)
	good := chaim.Options{Account: "sredev", Settings: srv.Settings(), HTTPClient: srv.HTTPClient(), Dir: filepath.Join(t.TempDir(), "new")}
	cases := map[string]func(*chaim.Options){
		"no account":                 func(o *chaim.Options) { o.Account = "" },
		"newline in the account":     func(o *chaim.Options) { o.Account = "a\n[default]\ncredential_process = x" },
		"space before the account":   func(o *chaim.Options) { o.Account, o.Source = " a", aws.AnonymousCredentials{} },
		"account beyond ASCII":       func(o *chaim.Options) { o.Account, o.Source = "\u00e9", aws.AnonymousCredentials{} },
		"account looks like comment": func(o *chaim.Options) { o.Account, o.Source = "#a", aws.AnonymousCredentials{} },
		"account is not text":        func(o *chaim.Options) { o.Account = "a\xff" },
		"long account":               func(o *chaim.Options) { o.Account = strings.Repeat("a", 129) },
		"comma in the role":          func(o *chaim.Options) { o.Role = "rro,12" },
		"control in the role":        func(o *chaim.Options) { o.Role = "rro\x00" },
		"space in the role":          func(o *chaim.Options) { o.Role = "r ro" },
		"duration too short":         func(o *chaim.Options) { o.Duration = 15*time.Minute - time.Second },
		"duration too long":          func(o *chaim.Options) { o.Duration = 12*time.Hour + time.Second },
		"duration negative":          func(o *chaim.Options) { o.Duration = -time.Hour },
		"duration in nanoseconds":    func(o *chaim.Options) { o.Duration = 1 },
		"duration not in seconds":    func(o *chaim.Options) { o.Duration = time.Hour + time.Millisecond },
		"region":                     func(o *chaim.Options) { o.Region = "eu-west-1\nx = y" },
		"unknown form":               func(o *chaim.Options) { o.Form = 2 },
		"process that is kept":       func(o *chaim.Options) { o.Form, o.Keep = chaim.Process, true },
		"process with a token":       func(o *chaim.Options) { o.Form, o.Terrible = chaim.Process, true },
		"folder as a comment":        func(o *chaim.Options) { o.Form, o.Dir = chaim.Process, o.Dir+"; x" },
	}
	for _, name := range []string{
		"DEFAULT", "default", "__proto__", "constructor", "toString", "a b", "a#b", "a;b", "a]b", "[a", "a\nb", "a\x00b", "profile x",
		"\u00e9", "a'b", strings.Repeat("a", 129),
	} {
		cases["profile "+name] = func(o *chaim.Options) { o.TempName = name }
	}
	for name, spoil := range cases {
		opts := good
		spoil(&opts)
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			t.Errorf("%s: fn was called", name)
			return nil
		})
		if assert.Error(t, err, name) {
			assert.Regexp(t, `^chaim: [a-z]`, err.Error(), name)
			assert.NotContains(t, err.Error(), "\n", name)
		}
	}
	for _, hours := range []int{-1, 0, 13, 3600} {
		assert.Error(t, chaim.With("sredev", "rro", hours, func(string) error { t.Error("fn was called"); return nil }))
	}
	assert.Error(t, chaim.With("sredev", "rro", 1, nil))
	assert.Empty(t, srv.Requests())
	assert.NoDirExists(t, good.Dir)
}

func TestFailedRequestLeavesUserProfile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	const mine = userFile + "\n[tempname]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
	write(t, credentialsFile(opts), mine)
	for _, profile := range []string{"", "prod", "fresh"} {
		srv.Inject(1, chaimtest.Refuse("IncorrectCredentials: usertoken has expired"))
		opts.TempName = profile
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			t.Error("fn was called")
			return nil
		})
		if profile == "prod" {
			assert.ErrorIs(t, err, chaim.ErrInUse)
			assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
		} else {
			assert.ErrorIs(t, err, chaim.ErrDenied)
		}
		assert.Equal(t, mine, read(t, credentialsFile(opts)))
		srv.Clear()
	}
	assert.Len(t, srv.Requests(), 2, "a taken name is refused before the gateway is asked")
}

// TestNameOrAnother gives a name that may be taken by another scope, by the user, or by the AWS config file.
func TestNameOrAnother(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	write(t, credentialsFile(opts), userFile)
	write(t, filepath.Join(opts.Dir, "config"), "[profile team]\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = prod\n")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(opts.Dir, "config"))
	opts.TempName = "dev-rro-*"
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, outer *chaim.Client) error {
		assert.Equal(t, "dev-rro", outer.Profile())
		return chaim.WithContext(ctx, opts, func(_ context.Context, inner *chaim.Client) error {
			assert.Regexp(t, `^dev-rro-[a-z2-7]{12}$`, inner.Profile())
			assert.Contains(t, read(t, credentialsFile(opts)), "["+inner.Profile()+"]")
			return nil
		})
	})
	require.NoError(t, err)
	for _, taken := range []string{"prod", "team"} {
		opts.TempName = taken + "-*"
		err = chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
			assert.Regexp(t, "^"+taken+`-[a-z2-7]{12}$`, c.Profile())
			return nil
		})
		require.NoError(t, err)
	}
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	for _, wrong := range []string{"-*", "*", "a*", "a-*b", "a-*-*", "default-*", strings.Repeat("a", 116) + "-*"} {
		opts.TempName = wrong
		_, err = chaim.New(opts)
		var option *chaim.OptionError
		if assert.ErrorAs(t, err, &option, wrong) {
			assert.Equal(t, "TempName", option.Field)
		}
	}
	opts.TempName = strings.Repeat("a", 115) + "-*"
	c, err := chaim.New(opts)
	require.NoError(t, err)
	assert.NoError(t, c.Close())
}

func TestTakenProfile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, outer *chaim.Client) error {
		assert.Equal(t, "tempname", outer.Profile())

		named := opts
		named.TempName = "tempname"
		err := chaim.WithContext(ctx, named, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
		assert.ErrorIs(t, err, chaim.ErrInUse)

		err = chaim.WithContext(ctx, opts, func(_ context.Context, inner *chaim.Client) error {
			assert.Regexp(t, `^tempname-[a-z2-7]{12}$`, inner.Profile())
			return nil
		})
		assert.NoError(t, err)
		assert.Contains(t, read(t, credentialsFile(opts)), "[tempname]", "the end of an inner scope leaves the outer one alone")
		return nil
	})
	require.NoError(t, err)
	assert.Empty(t, read(t, credentialsFile(opts)))
}

func TestEditDuringScopeSurvives(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	write(t, credentialsFile(opts), userFile)
	const added = "\n[added-by-user]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
		f, err := os.OpenFile(credentialsFile(opts), os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString(added)
		return err
	})
	require.NoError(t, err)
	assert.Equal(t, userFile+added, read(t, credentialsFile(opts)))
}

func TestSectionTakenOverByUserStays(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for name, edit := range map[string]func(string) string{
		"marker removed": func(s string) string { return strings.ReplaceAll(s, "accountname = sredev\n", "") },
		"own keys put in": func(s string) string {
			i := strings.Index(s, "ASIA")
			return s[:i] + "AKIAIOSFODNN7EXAMPLE" + s[i+20:]
		},
		"other scope": func(s string) string { return strings.ReplaceAll(s, "chaim_scope = ", "chaim_scope = X") },
	} {
		opts := optionsFor(t, srv)
		var edited string
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			edited = edit(read(t, credentialsFile(opts)))
			write(t, credentialsFile(opts), edited)
			_, err := c.RequestKeys(ctx)
			assert.ErrorIs(t, err, chaim.ErrInUse, name)
			return nil
		})
		assert.NoError(t, err, name)
		assert.Equal(t, edited, read(t, credentialsFile(opts)), name)
	}
}

func TestOddLinesAddedDuringScopeDoNotKeepTheProfile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, added := range []string{
		"\n\u00a0[mine]\naws_access_key_id = AKIAUSER\naws_secret_access_key = usersecret\n",
		"\n[mine\naws_access_key_id = AKIAUSER\n",
		"\n[mine]\n= x\n",
		"\n# a\rb\n",
		"\n[mine]\nnote = \"\"\"\noutput = `x\n",
	} {
		opts := optionsFor(t, srv)
		write(t, credentialsFile(opts), "[prod]\nk = v\n")
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			text := read(t, credentialsFile(opts))
			write(t, credentialsFile(opts), text+added)
			return nil
		})
		assert.NoError(t, err, "%q", added)
		assert.Equal(t, "[prod]\nk = v\n"+added, read(t, credentialsFile(opts)))
	}
}

func TestOldTextSavedOverOursIsRemoved(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		old := read(t, credentialsFile(opts))
		for range 3 {
			_, err := c.RequestKeys(ctx)
			require.NoError(t, err)
		}
		write(t, credentialsFile(opts), old)
		return nil
	})
	require.NoError(t, err)
	assert.Empty(t, read(t, credentialsFile(opts)))
}

func TestNameInConfigFileIsTaken(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	configFile := filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", configFile)
	write(t, configFile, "[profile tempname]\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = y\n[profile  'dev']\nsso_session = z\n[profile plain]\nregion = eu-west-1\n")
	for name, want := range map[string]string{"": "tempname-", "plain": "plain"} {
		opts.TempName = name
		assert.NoError(t, chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
			assert.Contains(t, c.Profile(), want)
			return nil
		}))
	}
	opts.TempName = "dev"
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorIs(t, err, chaim.ErrInUse)
	assert.ErrorContains(t, err, "sso_session")
}

// TestStoreKeysWhereTheConfigFileHasTheName: SDKs would prefer the config file to the stored keys.
func TestStoreKeysWhereTheConfigFileHasTheName(t *testing.T) {
	srv := chaimtest.NewServer(t)
	configFile := filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", configFile)
	const role = "role_arn = arn:aws:iam::111111111111:role/x\nsource_profile = y\n"
	write(t, configFile, "[profile tempname]\n"+role+"[profile dev]\n"+role+"[default]\n"+role)
	for name, isDefault := range map[string]bool{"": false, "dev": false, "other": true} {
		opts := optionsFor(t, srv)
		opts.TempName, opts.Keep, opts.Default = name, isDefault, isDefault
		c := clientFor(t, opts)
		_, err := c.StoreKeys(t.Context(), []byte(keysText(nil)))
		if name == "" {
			require.NoError(t, err)
			assert.Contains(t, c.Profile(), "tempname-")
			continue
		}
		require.ErrorIs(t, err, chaim.ErrInUse, name)
		assert.ErrorContains(t, err, `chaim: keys for account "sredev" as "rro": `)
		assert.ErrorContains(t, err, "role_arn")
		assert.NoFileExists(t, credentialsFile(opts))
	}
	assert.Empty(t, srv.Requests())
}

func TestManyScopesAtOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "credentials"), userFile)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			opts := chaim.Options{Account: "sredev", Dir: dir, TempName: fmt.Sprint("p", i), Source: credentials.NewStaticCredentialsProvider("ASIA", "s", "t")}
			assert.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil }))
		})
	}
	wg.Wait()
	assert.Equal(t, userFile, read(t, filepath.Join(dir, "credentials")))
}

func TestParallelScopes(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	write(t, credentialsFile(opts), userFile)
	var mu sync.Mutex
	lent := map[string]bool{}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 3 {
				err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
					mu.Lock()
					if lent[c.Profile()] {
						t.Errorf("profile %s was lent twice at once", c.Profile())
					}
					lent[c.Profile()] = true
					mu.Unlock()
					text := read(t, credentialsFile(opts))
					assert.Contains(t, text, "["+c.Profile()+"]\r\naws_access_key_id = "+c.Creds().AccessKeyID)
					assert.True(t, strings.HasPrefix(text, userFile))
					mu.Lock()
					delete(lent, c.Profile())
					mu.Unlock()
					return nil
				})
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	leftovers, err := filepath.Glob(filepath.Join(opts.Dir, ".chaim-tmp-*"))
	require.NoError(t, err)
	assert.Empty(t, leftovers)
}

func TestMissingCredentialsFile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Dir = filepath.Join(opts.Dir, "home", ".aws")
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
		for path, mode := range map[string]os.FileMode{opts.Dir: 0o700, credentialsFile(opts): 0o600} {
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, mode, info.Mode().Perm(), path)
		}
		return nil
	})
	require.NoError(t, err)
	assert.Empty(t, read(t, credentialsFile(opts)))
}

func TestNotConfigured(t *testing.T) {
	chaimtest.NewServer(t).Setenv(t)
	for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN"} {
		t.Setenv(name, "")
	}
	_, err := chaim.New(chaim.Options{Account: "sredev"})
	require.ErrorIs(t, err, chaim.ErrNotConfigured)
	require.EqualError(t, err, "chaim: not configured: there is no gateway and no Identity Center to ask, and no Options.Broker or Source; "+
		"AWS STS takes 12-digit account ids and ARNs of roles")

	t.Setenv("CHAIM_TOKEN", "CANARY")
	_, err = chaim.New(chaim.Options{Account: "sredev"})
	require.ErrorIs(t, err, chaim.ErrNotConfigured)
	assert.NotContains(t, err.Error(), "CANARY")
}

func TestKeep(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.Keep, opts.TempName = true, "dev"
	for range 2 { // the second one replaces the first
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil }))
	}
	text := read(t, credentialsFile(opts))
	assert.Equal(t, 1, strings.Count(text, "[dev]\n"))
	assert.Contains(t, text, "accountname = sredev\n")
	assert.NotContains(t, text, "chaim_scope")

	opts.Keep = false
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorIs(t, err, chaim.ErrInUse, "a scope does not take a kept profile away")

	opts.TempName = ""
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	assert.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.Empty(t, read(t, credentialsFile(opts)))
}

func TestDeleteAccount(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	assert.NoError(t, c.DeleteAccount(t.Context(), "absent"))
	assert.NoFileExists(t, credentialsFile(opts))
	assert.NoFileExists(t, credentialsFile(opts)+".lock", "nothing to delete leaves nothing behind")

	write(t, credentialsFile(opts), userFile)
	assert.ErrorIs(t, c.DeleteAccount(t.Context(), "prod"), chaim.ErrUnmanagedAccount)
	assert.Error(t, c.DeleteAccount(t.Context(), "default"))

	other, err := chaim.New(opts)
	require.NoError(t, err)
	defer other.Close()
	_, err = other.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.ErrorIs(t, c.DeleteAccount(t.Context(), other.Profile()), chaim.ErrInUse, "the live scope of another client")

	const theirs = "[nested]\ncredential_process = x\n  accountname = y\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n" +
		"[reused]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naccountname = y\nchaim_scope = dead\nexpires = 1\n"
	plain := optionsFor(t, srv)
	write(t, credentialsFile(plain), theirs)
	reader, err := chaim.New(plain)
	require.NoError(t, err)
	defer reader.Close()
	for _, profile := range []string{"nested", "reused"} {
		assert.ErrorIs(t, reader.DeleteAccount(t.Context(), profile), chaim.ErrUnmanagedAccount)
	}
	assert.Equal(t, theirs, read(t, credentialsFile(plain)))
	write(t, credentialsFile(plain), strings.ReplaceAll(theirs, "AKIA", "ASIA"))
	assert.NoError(t, reader.DeleteAccount(t.Context(), "reused"), "expired keys of a dead scope")

	assert.NoError(t, other.DeleteAccount(t.Context(), other.Profile()))
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	assert.Zero(t, other.Creds().AccessKeyID)

	_, err = other.RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed, "that closed it")
	_, err = other.Retrieve(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.ErrorIs(t, other.DeleteAccount(t.Context(), other.Profile()), chaim.ErrClosed)
	assert.NoError(t, other.Close())
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
}

func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		started := time.Now()
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			for range 24 * 12 {
				<-time.After(5 * time.Minute)
				creds, err := c.Retrieve(ctx)
				require.NoError(t, err)
				left := time.Until(creds.Expires)
				assert.GreaterOrEqual(t, left, 20*time.Minute-time.Second)
				assert.Contains(t, read(t, credentialsFile(opts)), "aws_access_key_id = "+creds.AccessKeyID, "the profile has the keys that Retrieve gives")
			}
			return ctx.Err()
		})
		require.NoError(t, err)
		assert.Equal(t, 24*time.Hour, time.Since(started))
		assert.Empty(t, read(t, credentialsFile(opts)))
		n := len(srv.Requests())
		assert.True(t, 36 <= n && n <= 49, "24 hours with keys of 1 hour took %d requests", n)
	})
}

func TestExpiredKeysEndTheScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		started := time.Now()
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			first := c.Creds()
			assert.Equal(t, chaim.StateOK, c.State())
			srv.Inject(-1, chaimtest.Status(503))
			<-ctx.Done()
			assert.Equal(t, chaim.StateExpired, c.State())
			assert.ErrorIs(t, context.Cause(ctx), chaim.ErrExpired)
			var ge *chaim.GatewayError
			if assert.ErrorAs(t, context.Cause(ctx), &ge) {
				assert.Equal(t, 503, ge.StatusCode)
			}
			assert.Equal(t, 1, strings.Count(context.Cause(ctx).Error(), "chaim: "))
			assert.False(t, time.Now().Before(first.Expires), "valid keys are kept until they expire")

			_, err := c.Retrieve(t.Context())
			assert.ErrorIs(t, err, chaim.ErrExpired)
			return err
		})
		assert.ErrorIs(t, err, chaim.ErrExpired)
		assert.Less(t, time.Since(started), 62*time.Minute)
		assert.Empty(t, read(t, credentialsFile(opts)))
	})
}

func TestRenewalRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		err := chaim.WithContext(t.Context(), optionsFor(t, srv), func(ctx context.Context, c *chaim.Client) error {
			srv.Inject(-1, chaimtest.Garbage())
			<-time.After(50 * time.Minute)
			srv.Clear()
			<-time.After(2 * time.Hour)
			return ctx.Err()
		})
		assert.NoError(t, err)
	})
}

func TestNoRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		opts.NoRenew, opts.Duration = true, 15*time.Minute
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			<-ctx.Done()
			assert.Len(t, srv.Requests(), 1)
			return context.Cause(ctx)
		})
		assert.ErrorIs(t, err, chaim.ErrExpired)

		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		_, err = c.RequestKeys(t.Context())
		require.NoError(t, err)
		<-time.After(time.Hour)
		assert.Len(t, srv.Requests(), 2)
		creds, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		assert.Len(t, srv.Requests(), 3, "a call that finds expired keys waits for new ones")
		assert.Equal(t, 15*time.Minute, time.Until(creds.Expires))
	})
}

func TestLockedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		write(t, credentialsFile(opts), userFile)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		_, err = c.RequestKeys(t.Context())
		require.NoError(t, err)

		held, err := sharedfile.LockSide(credentialsFile(opts)+".lock", os.O_CREATE|os.O_RDONLY, false)
		require.NoError(t, err)
		started := time.Now()
		assert.ErrorIs(t, c.Close(), chaim.ErrLocked)
		assert.Equal(t, 10*time.Second, time.Since(started))
		err = chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
		assert.ErrorIs(t, err, chaim.ErrLocked)

		require.NoError(t, held.Close())
		assert.NoError(t, c.Close(), "Close tries again")
		assert.NoError(t, c.Close())
		assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	})
}

func TestRemovalThatFailsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		var log bytes.Buffer
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		hold := func() *sharedfile.Side {
			l, err := sharedfile.LockSide(credentialsFile(opts)+".lock", os.O_RDONLY, false)
			require.NoError(t, err)
			require.NotNil(t, l)
			return l
		}
		var held *sharedfile.Side
		mine := errors.New("mine")
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			held = hold()
			return mine
		})
		assert.ErrorIs(t, err, mine)
		assert.ErrorIs(t, err, chaim.ErrLocked)
		assert.ErrorContains(t, err, "tempname")

		require.NoError(t, held.Close())
		assert.Panics(t, func() {
			_ = chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				held = hold()
				panic("mine")
			})
		})
		require.NoError(t, held.Close())
		assert.Equal(t, 2, strings.Count(log.String(), "profile could not be removed"))
	})
}

// TestDeafSourceDoesNotKeepTheProfile: the scope ends during a renewal, and the source ignores its context.
func TestDeafSourceDoesNotKeepTheProfile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := chaim.Options{Account: "sredev", Dir: t.TempDir()}
		release := make(chan struct{})
		calls := 0
		opts.Source = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			if calls++; calls > 1 {
				<-release
			}
			return aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
		})
		err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			<-time.After(45 * time.Minute)
			return nil
		})
		assert.NoError(t, err)
		assert.Empty(t, read(t, credentialsFile(opts)))
		close(release)
		synctest.Wait()
		assert.Empty(t, read(t, credentialsFile(opts)), "what comes too late is not written")
	})
}

func TestSourceWithoutKeys(t *testing.T) {
	opts := chaim.Options{Account: "sredev", Dir: t.TempDir()}
	opts.Source = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil })
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorContains(t, err, "without keys")
	assert.NotErrorIs(t, err, chaim.ErrExpired)
	assert.NoFileExists(t, credentialsFile(opts))
}

func TestColdRetrieveAsksOnce(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, err := chaim.New(optionsFor(t, srv))
	require.NoError(t, err)
	defer c.Close()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := c.Retrieve(t.Context())
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Len(t, srv.Requests(), 1)
}

func TestCloseEndsARequestUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		srv.Inject(-1, chaimtest.Hang())
		c, err := chaim.New(opts)
		require.NoError(t, err)
		failed := make(chan error)
		go func() { _, err := c.RequestKeys(t.Context()); failed <- err }()
		synctest.Wait()
		started := time.Now()
		assert.NoError(t, c.Close())
		assert.ErrorIs(t, <-failed, chaim.ErrClosed)
		assert.Zero(t, time.Since(started))
		assert.NoFileExists(t, credentialsFile(opts))
	})
}

func TestAfterClose(t *testing.T) {
	srv := chaimtest.NewServer(t)
	c, err := chaim.New(optionsFor(t, srv))
	require.NoError(t, err)
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.Close())

	_, err = c.RequestKeys(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	_, err = c.Retrieve(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	_, err = c.RequestList(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.ErrorIs(t, c.DeleteAccount(t.Context(), "x"), chaim.ErrClosed)
	_, err = c.ConsoleURL(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
	assert.Zero(t, c.Creds().AccessKeyID)
}

// TestDeleteAccountDuringAWrite: another program first empties the file and later fills it.
func TestDeleteAccountDuringAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := optionsFor(t, chaimtest.NewServer(t))
		const text = "[a]\nk = v\n\n[old]\naws_access_key_id = ASIAEXAMPLE000000001\naccountname = x\n"
		write(t, credentialsFile(opts), text)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		f, err := os.OpenFile(credentialsFile(opts), os.O_WRONLY|os.O_TRUNC, 0)
		require.NoError(t, err)
		written := make(chan error)
		go func() {
			<-time.After(time.Second)
			_, err := f.WriteString(text)
			written <- errors.Join(err, f.Close())
		}()
		deleted := make(chan error)
		go func() { deleted <- c.DeleteAccount(t.Context(), "old") }()
		require.NoError(t, <-written)
		require.NoError(t, <-deleted)
		assert.Equal(t, "[a]\nk = v\n", read(t, credentialsFile(opts)))
	})
}

func TestNewWarnsOfTheFile(t *testing.T) {
	var log bytes.Buffer
	opts := chaim.Options{
		Account: "sredev", Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Source: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE000000001", "secret", "token"),
	}
	for text, want := range map[string]string{"[a]\nk = v\n": "", "[a]\nk = v\n[a]\n": "line=3"} {
		write(t, credentialsFile(opts), text)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		assert.Contains(t, log.String(), want)
		assert.Equal(t, want != "", log.Len() > 0, log.String())
		assert.Equal(t, text, read(t, credentialsFile(opts)))
		log.Reset()
	}
}

func TestSource(t *testing.T) {
	opts := chaim.Options{
		Account: "222222222222", Role: "Ops", Region: "us-gov-west-1", Duration: 90 * time.Minute, Terrible: true, Dir: t.TempDir(),
		Source: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", "token"),
	}
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		assert.Equal(t, strings.Join([]string{
			"[tempname]", "aws_access_key_id = AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key = secret", "aws_session_token = token",
			"aws_security_token = token", "duration = 5400", "gui_url = notset", "role = Ops", "accountname = 222222222222", "region = us-gov-west-1", "chaim_scope = ID-HASHES", "",
		}, "\n"), regexp.MustCompile(`[A-Z2-7]{26}(-[0-9a-f]{16}){2}`).ReplaceAllLiteralString(read(t, credentialsFile(opts)), "ID-HASHES"))
		_, err := c.RequestList(ctx)
		assert.ErrorIs(t, err, chaim.ErrNotConfigured)
		return nil
	})
	require.NoError(t, err)

	opts.Source = credentials.NewStaticCredentialsProvider("AKIA", "line\nbreak", "")
	err = chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
	assert.ErrorContains(t, err, "aws_secret_access_key")
	assert.Empty(t, read(t, credentialsFile(opts)))
}

func TestEnviron(t *testing.T) {
	srv := chaimtest.NewServer(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	opts := optionsFor(t, srv)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	other := optionsFor(t, srv)
	other.Dir, other.Account = opts.Dir, "Connected Homes"
	assert.NotContains(t, clientFor(t, other).Environ(), "AWS_PROFILE=tempname", "which is another account's")
	creds, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, clientFor(t, other).Environ(), "AWS_PROFILE=tempname")
	env := c.Environ()
	for _, want := range []string{"AWS_PROFILE=tempname", "AWS_DEFAULT_PROFILE=tempname", "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=", "AWS_SHARED_CREDENTIALS_FILE=" + credentialsFile(opts)} {
		assert.Contains(t, env, want)
	}
	assert.NotContains(t, strings.Join(env, "\n"), creds.AccessKeyID)
}

func TestConcurrentUse(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	check := func(err error) {
		if err != nil && !errors.Is(err, chaim.ErrClosed) && !errors.Is(err, chaim.ErrNoURL) {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { _, err := c.Retrieve(t.Context()); check(err) })
		wg.Go(func() { _, err := c.RequestKeys(t.Context()); check(err) })
		wg.Go(func() { check(c.DeleteAccount(t.Context(), c.Profile())) })
		wg.Go(func() { _ = fmt.Sprint(c, c.Creds(), c.Profile(), c.Environ()) })
		wg.Go(func() { _, err := c.ConsoleURL(t.Context()); check(err) })
	}
	wg.Go(func() { check(c.Close()) })
	wg.Wait()
	require.NoError(t, c.Close())
	assert.NotContains(t, string(readIfThere(t, credentialsFile(opts))), "[")
}

func readIfThere(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	return text
}

func TestRequestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		opts.Account, opts.Role, opts.Duration = "Connected Homes", "mpu", 2*time.Hour
		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		assert.NoFileExists(t, credentialsFile(opts))
		var seen []string
		for range 3 {
			creds, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
			assert.Equal(t, creds, c.Creds())
			assert.NotContains(t, seen, creds.AccessKeyID, "new ones each time")
			seen = append(seen, creds.AccessKeyID)
			pairs, _, err := inifile.Parse([]byte(read(t, credentialsFile(opts)))).Managed(c.Profile())
			require.NoError(t, err)
			assert.Equal(t, creds.AccessKeyID, pairs["aws_access_key_id"])
			assert.Equal(t, "Connected Homes", pairs[inifile.MarkerKey])
			<-time.After(time.Minute)
		}
		require.Equal(t, "List", srv.Requests()[0].Action, "once")
		for _, r := range srv.Requests()[1:] {
			assert.Equal(t, []any{"222222222222", "mpu", 2 * time.Hour}, []any{r.Account, r.Role, r.Duration})
		}

		before, held := read(t, credentialsFile(opts)), c.Creds()
		srv.Inject(1, chaimtest.Refuse("IncorrectCredentials: usertoken has expired"))
		_, err = c.RequestKeys(t.Context())
		require.ErrorIs(t, err, chaim.ErrDenied)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = c.RequestKeys(ctx)
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait() // the call has no caller any more
		require.NoError(t, c.Close())
		_, err = c.RequestKeys(t.Context())
		require.ErrorIs(t, err, chaim.ErrClosed)
		assert.Contains(t, before, held.AccessKeyID)
		assert.Empty(t, read(t, credentialsFile(opts)))
	})
}

// TestZeroValuesReturnErrors calls every method of a zero and a nil Client and Monitor. A deferred Close gets nil if New
// failed.
func TestZeroValuesReturnErrors(t *testing.T) {
	asError := reflect.TypeFor[error]()
	for _, value := range []any{&chaim.Client{}, &chaim.Monitor{}, (*chaim.Client)(nil), (*chaim.Monitor)(nil)} {
		v := reflect.ValueOf(value)
		for i := range v.NumMethod() {
			name, method := v.Type().Method(i).Name, v.Method(i)
			if name == "Format" {
				continue // needs a fmt.State
			}
			require.NotPanics(t, func() {
				results := method.Call(argumentsFor(t, method))
				for _, result := range results {
					if result.Type() != asError {
						continue
					}
					err, _ := result.Interface().(error)
					assert.ErrorContains(t, err, "zero value: make one with chaim.New", "%T.%s", value, name)
				}
			}, "%T.%s", value, name)
		}
		assert.NotContains(t, fmt.Sprintf("%v %+v %x", value, value, value), "PANIC")
	}
	assert.Equal(t, []string{"AWS_PROFILE=no-profile-of-chaim", "AWS_DEFAULT_PROFILE=no-profile-of-chaim"}, new(chaim.Client).Environ())
	assert.Equal(t, chaim.StateExpired, new(chaim.Monitor).State())
	assert.Equal(t, chaim.StateExpired, new(chaim.Client).State())
}

// TestNilReceivers calls every method with a pointer receiver on nil and on a zero value: the results are the same.
func TestNilReceivers(t *testing.T) {
	types := []reflect.Type{
		reflect.TypeFor[chaim.Client](), reflect.TypeFor[chaim.Monitor](), reflect.TypeFor[chaim.STS](), reflect.TypeFor[chaim.AwsCreds](),
		reflect.TypeFor[chaim.Settings](), reflect.TypeFor[chaim.Options](), reflect.TypeFor[chaim.EachOptions](), reflect.TypeFor[chaim.MonitorOptions](),
		reflect.TypeFor[chaim.Section](), reflect.TypeFor[chaim.Profile](), reflect.TypeFor[chaim.Account](), reflect.TypeFor[chaim.EachProgress](),
		reflect.TypeFor[chaim.State](), reflect.TypeFor[chaim.ProfileForm](),
		reflect.TypeFor[chaim.GatewayError](), reflect.TypeFor[chaim.AccountError](), reflect.TypeFor[chaim.EachError](),
	}
	noSDKConfig(t)
	for _, of := range types {
		ofNil, ofZero := reflect.Zero(reflect.PointerTo(of)), reflect.New(of)
		for i := range ofNil.NumMethod() {
			method := ofNil.Type().Method(i)
			if _, isOfValue := of.MethodByName(method.Name); isOfValue || method.Name == "Format" {
				continue
			}
			var got, want []any
			require.NotPanics(t, func() { got = callWithNothing(t, ofNil.Method(i)) }, "%s.%s", of, method.Name)
			require.NotPanics(t, func() { want = callWithNothing(t, ofZero.Method(i)) }, "%s.%s", of, method.Name)
			assert.Equal(t, want, got, "%s.%s", of, method.Name)
		}
		assert.NotContains(t, fmt.Sprintf("%v %+v %x", ofNil, ofNil, ofNil), "PANIC", of)
	}
	failed := &chaim.EachError{Total: 1, Accounts: []*chaim.AccountError{nil}}
	assert.NotPanics(t, func() { _, _ = failed.Error(), failed.Unwrap() })
}

// callWithNothing calls a method with empty arguments, and returns the texts of its errors and its other results.
func callWithNothing(t *testing.T, method reflect.Value) (results []any) {
	for _, result := range method.Call(argumentsFor(t, method)) {
		switch value := result.Interface().(type) {
		case error:
			results = append(results, value.Error())
		case <-chan struct{}:
			results = append(results, value == nil)
		default:
			results = append(results, value)
		}
	}
	return results
}

func argumentsFor(t *testing.T, method reflect.Value) []reflect.Value {
	n := method.Type().NumIn()
	if method.Type().IsVariadic() {
		n--
	}
	arguments := make([]reflect.Value, n)
	for j := range arguments {
		switch in := method.Type().In(j); in {
		case reflect.TypeFor[context.Context]():
			arguments[j] = reflect.ValueOf(t.Context())
		case reflect.TypeFor[io.Writer]():
			arguments[j] = reflect.ValueOf(io.Discard)
		case reflect.TypeFor[string]():
			arguments[j] = reflect.ValueOf("dev")
		default:
			arguments[j] = reflect.Zero(in)
		}
	}
	return arguments
}

// blockingLog is a log handler that blocks until it is released.
type blockingLog struct {
	slog.Handler
	line     string
	released <-chan struct{}
}

func (b blockingLog) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, b.line) {
		<-b.released
	}
	return nil
}

// TestNothingThatBlocksKeepsKeys: the work ends while the program's logger, broker or source blocks.
func TestNothingThatBlocksKeepsKeys(t *testing.T) {
	ends := map[string]func(ctx context.Context, c *chaim.Client) error{
		"return": func(context.Context, *chaim.Client) error { return nil },
		"panic":  func(context.Context, *chaim.Client) error { panic("mine") },
		"Goexit": func(context.Context, *chaim.Client) error { runtime.Goexit(); return nil },
		"delete": func(ctx context.Context, c *chaim.Client) error { return c.DeleteAccount(ctx, c.Profile()) },
	}
	for what, line := range map[string]string{"watcher's log": "is written again", "monitor's log": "renewing credentials failed", "Source": "-"} {
		for how, end := range ends {
			t.Run(what+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					released, begun, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
					opts := chaim.Options{
						Account: "sredev", Dir: t.TempDir(),
						Logger: slog.New(blockingLog{slog.NewTextHandler(t.Output(), nil), line, released}),
					}
					calls := 0
					opts.Source = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
						if calls++; calls > 1 {
							if what == "Source" {
								<-released // ignores the context
							}
							return aws.Credentials{}, assert.AnError
						}
						return aws.Credentials{AccessKeyID: "ASIAEXAMPLE000000001", SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
					})
					go func() {
						defer close(ended)
						defer func() { _ = recover() }()
						_ = chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
							if what == "watcher's log" {
								write(t, credentialsFile(opts), "[a]\nk = v\n")
							}
							<-time.After(50 * time.Minute)
							close(begun)
							return end(ctx, c)
						})
					}()
					<-begun
					synctest.Wait()
					text := read(t, credentialsFile(opts))
					assert.NotContains(t, text, "ASIA")
					assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
					select {
					case <-ended:
						t.Error("nothing has blocked")
					default:
					}
					close(released)
					<-ended
					synctest.Wait()
					assert.Equal(t, text, read(t, credentialsFile(opts)), "what comes too late is not written")
				})
			})
		}
	}
}

// TestEachWaitsForNoProgress: Progress blocks while Each must still try again to remove profiles.
func TestEachWaitsForNoProgress(t *testing.T) {
	accounts, opts := eachOf(t, chaimtest.NewServer(t), 4)
	opts.Profiles, opts.Parallel = true, 4
	begun, first, last := make(chan struct{}, 4), make(chan struct{}), make(chan struct{})
	told, released, ended := make(chan struct{}, 4), make(chan struct{}), make(chan struct{})
	opts.Progress = func(chaim.EachProgress) {
		told <- struct{}{}
		<-released
	}
	go func() {
		defer close(ended)
		_ = chaim.Each(t.Context(), accounts, opts, func(_ context.Context, a chaim.Account, _ *chaim.Client) error {
			begun <- struct{}{}
			if a == accounts[0] {
				<-last
			}
			<-first
			return assert.AnError
		})
	}()
	for range accounts {
		<-begun
	}
	path := credentialsFile(opts.Options)
	require.NoError(t, os.Remove(path+".lock"))
	require.NoError(t, os.Mkdir(path+".lock", 0o700)) // no profile can be removed
	close(first)
	<-told
	assert.Contains(t, read(t, path), "accountname")
	require.NoError(t, os.Remove(path+".lock"))
	close(last)
	require.Eventually(t, func() bool { return !strings.Contains(read(t, path), "accountname") }, 20*time.Second, 10*time.Millisecond)
	assert.Empty(t, told, "the first call still blocks")
	close(released)
	<-ended
}

func TestNoProfileWritesNoFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		opts.NoProfile = true
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			assert.Empty(t, c.Profile())
			first := c.Creds()
			assert.Contains(t, c.Environ(), "AWS_ACCESS_KEY_ID="+first.AccessKeyID)
			<-time.After(50 * time.Minute)
			assert.NotEqual(t, first.AccessKeyID, c.Creds().AccessKeyID, "renewed in the background")
			creds, err := c.Retrieve(ctx)
			assert.Equal(t, c.Creds().AccessKeyID, creds.AccessKeyID)
			return err
		}))
		assert.NoFileExists(t, credentialsFile(opts))
		assert.NoFileExists(t, credentialsFile(opts)+".lock")
	})
}

// TestNoProfileNeedsNoFile: there is no home folder and no place for the AWS files.
func TestNoProfileNeedsNoFile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, variable := range srv.Environ(t.TempDir()) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	for _, variable := range []string{"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"} {
		t.Setenv(variable, "$NOWHERE/"+variable)
	}
	opts := chaim.Options{Account: "sredev", NoProfile: true}
	require.NoError(t, chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		assert.NotEmpty(t, c.Creds().AccessKeyID)
		_, err := c.MyAccountList(ctx)
		assert.ErrorContains(t, err, "AWS_SHARED_CREDENTIALS_FILE")
		return nil
	}))
	opts.NoProfile = false
	_, err := chaim.New(opts)
	assert.ErrorContains(t, err, "AWS_SHARED_CREDENTIALS_FILE")
}

func TestNoProfileExcludesWhatIsSaidOfOne(t *testing.T) {
	for name, change := range map[string]func(*chaim.Options){
		"TempName": func(o *chaim.Options) { o.TempName = "dev" },
		"Terrible": func(o *chaim.Options) { o.Terrible = true },
		"Form":     func(o *chaim.Options) { o.Form = chaim.Process },
		"Default":  func(o *chaim.Options) { o.Default = true },
		"Keep":     func(o *chaim.Options) { o.Keep = true },
	} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.NoProfile = true
		change(&opts)
		_, err := chaim.New(opts)
		assert.ErrorContains(t, err, "NoProfile", name)
	}
	opts := chaim.EachOptions{Options: chaim.Options{NoProfile: true}, Profiles: true}
	assert.ErrorContains(t, chaim.Each(t.Context(), nil, opts, func(context.Context, chaim.Account, *chaim.Client) error { return nil }), "NoProfile")
}

// TestNoProfileSweeps: a client with keys in memory removes a killed scope's files, or logs why it cannot.
func TestNoProfileSweeps(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		path := scopeOfTheDead(t, form)
		opts := optionsFor(t, srv)
		opts.NoProfile, opts.Dir = true, filepath.Dir(path)
		clientFor(t, opts)
		assert.Equal(t, userFile, read(t, path))
		assert.Empty(t, scopeFiles(t, path))
	}

	path := scopeOfTheDead(t, chaim.Keys)
	before := read(t, path)
	require.NoError(t, os.Remove(path+".lock"))
	require.NoError(t, os.Mkdir(path+".lock", 0o700))
	opts := optionsFor(t, srv)
	opts.NoProfile, opts.Dir = true, filepath.Dir(path)
	var log strings.Builder
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	_, err := clientFor(t, opts).RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Contains(t, log.String(), "what dead processes left cannot be removed")
	assert.NotContains(t, log.String(), "CANARY")
	assert.Equal(t, before, read(t, path))

	opts = optionsFor(t, srv)
	opts.NoProfile = true
	clientFor(t, opts)
	left, err := os.ReadDir(opts.Dir)
	require.NoError(t, err)
	assert.Empty(t, left, "where there is no file none is made")
}

func TestUnreachable(t *testing.T) {
	for name, c := range map[string]struct {
		fault chaimtest.Fault
		want  bool
	}{
		"502":       {chaimtest.Status(502), true},
		"503":       {chaimtest.Status(503), true},
		"504":       {chaimtest.Status(504), true},
		"500":       {chaimtest.Status(500), false},
		"throttled": {chaimtest.Throttle(0), false},
		"refused":   {chaimtest.Refuse("DataNotFound: Account not found: sredev"), false},
		"denied":    {chaimtest.Refuse("IncorrectCredentials: Invalid token"), false},
		"garbage":   {chaimtest.Garbage(), false},
		"hang":      {chaimtest.Hang(), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				srv.Inject(-1, c.fault)
				opts := optionsFor(t, srv)
				opts.NoProfile = true
				assert.Equal(t, c.want, errors.Is(keysOf(t, opts), chaim.ErrUnreachable), "gateway")

				opts.Settings, opts.Account = nil, "111111111111"
				opts.Source = &chaim.STS{
					RoleARN: "arn:aws:iam::111111111111:role/CrossAccountReadOnly", Keys: credentials.StaticCredentialsProvider{Value: srv.AddKeys("sredev", "me")},
					HTTPClient: srv.HTTPClient(),
				}
				if name != "refused" && name != "denied" { // these errors are a gateway's, not of STS
					assert.Equal(t, c.want, errors.Is(keysOf(t, opts), chaim.ErrUnreachable), "STS")
				}
			})
		})
	}
}

func TestUnreachableAddress(t *testing.T) {
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	for _, url := range []string{"http://127.0.0.1:1", untrusted.URL} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.NoProfile, opts.HTTPClient, opts.Settings.Endpoint = true, nil, url
		assert.ErrorIs(t, keysOf(t, opts), chaim.ErrUnreachable, url)
	}
}

func TestOwnDeadlineIsNotUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		srv.Inject(-1, chaimtest.Hang())
		opts := optionsFor(t, srv)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { synctest.Wait(); cancel(errors.New("enough")) }()
		err := chaim.WithContext(ctx, opts, func(context.Context, *chaim.Client) error { return nil })
		assert.ErrorContains(t, err, "enough")
		assert.NotErrorIs(t, err, chaim.ErrUnreachable)
	})
}

// keysOf asks for keys and returns the error.
func keysOf(t *testing.T, opts chaim.Options) error {
	return chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil })
}

func TestAwsCreds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		creds := chaim.AwsCreds{
			Region: "eu-west-1", AccountID: "111111111111", AccessKeyID: "ASIA", SecretAccessKey: "s", SessionToken: "t",
			Expires: time.Now().Add(time.Hour),
		}
		got, err := creds.Retrieve(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "111111111111", got.AccountID)
		assert.Equal(t, "s", got.SecretAccessKey)
		assert.True(t, got.CanExpire)
		assert.False(t, creds.Expired(time.Hour-time.Second))
		assert.True(t, creds.Expired(time.Hour))

		assert.Equal(t, []string{
			"AWS_ACCESS_KEY_ID=ASIA", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=t", "CHAIM_LENT=e1eba3226891f58a", "AWS_REGION=eu-west-1",
			"AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCOUNT_ID=111111111111", "AWS_CREDENTIAL_EXPIRATION=2000-01-01T01:00:00Z",
		}, creds.Environ())

		doc, err := creds.ProcessJSON()
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, json.Unmarshal(doc, &fields))
		assert.Equal(t, map[string]any{
			"Version": 1.0, "AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2000-01-01T01:00:00Z",
			"AccountId": "111111111111",
		}, fields)

		<-time.After(time.Hour)
		_, err = creds.Retrieve(t.Context())
		assert.ErrorIs(t, err, chaim.ErrExpired)
		_, err = creds.ProcessJSON()
		assert.ErrorIs(t, err, chaim.ErrExpired)
	})
}

func TestAwsCredsZeroValue(t *testing.T) {
	var creds chaim.AwsCreds
	_, err := creds.Retrieve(t.Context())
	assert.ErrorContains(t, err, "no keys")
	assert.True(t, creds.Expired(0))

	creds = chaim.AwsCreds{AccessKeyID: "AKIA", SecretAccessKey: "s"}
	assert.False(t, creds.Expired(time.Hour), "keys without an expiration do not expire")
	got, err := creds.Retrieve(t.Context())
	require.NoError(t, err)
	assert.False(t, got.CanExpire)
}

// misleading are variables that make some SDK use other keys than the lent ones, or another account.
var misleading = []string{
	"AWS_PROFILE=prod", "AWS_ACCESS_KEY_ID=AKIAWRONG", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=x", "AWS_SECURITY_TOKEN=x",
	"AWS_ACCOUNT_ID=999999999999", "AMAZON_ACCESS_KEY_ID=AKIAWRONG", "AMAZON_SECRET_ACCESS_KEY=x", "EC2_ACCESS_KEY=AKIAWRONG",
	"AWS_WEB_IDENTITY_TOKEN_FILE=/token", "AWS_ROLE_ARN=arn:aws:iam::999999999999:role/R", "AWS_BEARER_TOKEN_BEDROCK=x",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/x", "AWS_SHARED_CREDENTIALS_FILE=/other", "AWS_CREDENTIAL_FILE=/other",
	"CHAIM_TOKEN=a-user-token",
}

// environment returns the variables as a program sees them: if a name occurs twice, the last one counts.
func environment(variables []string) map[string]string {
	env := map[string]string{}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	return env
}

func TestChildEnviron(t *testing.T) {
	environ := append([]string{"HOME=/home/u", "AWS_CONFIG_FILE=/config"}, misleading...)
	for _, isInMemory := range []bool{false, true} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.NoProfile = isInMemory
		err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
			given := slices.Clone(environ)
			env := environment(c.ChildEnviron(given))
			assert.Equal(t, environ, given)
			assert.Equal(t, "/home/u", env["HOME"])
			creds := c.Creds()
			want := map[string]string{"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
			if isInMemory {
				want["AWS_ACCESS_KEY_ID"], want["AWS_SECRET_ACCESS_KEY"] = creds.AccessKeyID, creds.SecretAccessKey
				want["AWS_SESSION_TOKEN"], want["AWS_ACCOUNT_ID"] = creds.SessionToken, "111111111111"
			} else {
				want["AWS_PROFILE"], want["AWS_SHARED_CREDENTIALS_FILE"] = c.Profile(), credentialsFile(opts)
				want["AWS_SDK_LOAD_CONFIG"] = "1" // the file is not in its usual place
			}
			for name, value := range want {
				assert.Equal(t, value, env[name], name)
			}
			for _, variable := range misleading {
				name, wrong, _ := strings.Cut(variable, "=")
				value, isSet := env[name]
				assert.NotEqual(t, wrong, value, name)
				assert.Equal(t, want[name] != "", isSet, "%s: some SDKs heed empty values", name)
			}
			return nil
		})
		require.NoError(t, err)
	}
}

// TestEnvironWins: the appended variables win over a misleading environment.
func TestEnvironWins(t *testing.T) {
	for _, variable := range misleading {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	for _, isInMemory := range []bool{false, true} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.NoProfile = isInMemory
		err := chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
			env := environment(append(os.Environ(), c.Environ()...))
			for _, name := range []string{"AWS_SECURITY_TOKEN", "AMAZON_ACCESS_KEY_ID", "EC2_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_BEARER_TOKEN_BEDROCK"} {
				assert.Empty(t, env[name], name)
			}
			if !isInMemory {
				assert.Equal(t, c.Profile(), env["AWS_PROFILE"])
				assert.Empty(t, env["AWS_ACCESS_KEY_ID"])
				assert.Empty(t, env["AWS_ACCOUNT_ID"])
				return nil
			}
			assert.Equal(t, c.Creds().AccessKeyID, env["AWS_ACCESS_KEY_ID"])
			assert.Equal(t, "111111111111", env["AWS_ACCOUNT_ID"])
			assert.Empty(t, env["AWS_PROFILE"], "the SDK for JavaScript prefers it")
			assert.Equal(t, "prod", env["AWS_DEFAULT_PROFILE"], "botocore fails without a name")
			return nil
		})
		require.NoError(t, err)
	}
}

// TestEnvironWithoutKeys: a child finds no credentials, not those of another account.
func TestEnvironWithoutKeys(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	for _, opts.NoProfile = range []bool{false, true} {
		c := clientFor(t, opts)
		for _, variables := range [][]string{c.Environ(), c.ChildEnviron(misleading)} {
			env := environment(variables)
			assert.Equal(t, "no-profile-of-chaim", env["AWS_PROFILE"])
			assert.Equal(t, "no-profile-of-chaim", env["AWS_DEFAULT_PROFILE"])
		}
	}
}

// TestConfigHasTheKeysOfTheClient: the Config follows the client's renewal and Close.
func TestConfigHasTheKeysOfTheClient(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	opts.NoProfile = true
	c := clientFor(t, opts)
	cfg, err := c.Config(t.Context())
	require.NoError(t, err)
	for range 2 {
		creds, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		got, err := cfg.Credentials.Retrieve(t.Context())
		require.NoError(t, err)
		assert.Equal(t, creds.AccessKeyID, got.AccessKeyID)
		assert.Equal(t, "chaim", got.Source)
	}
	require.NoError(t, c.Close())
	_, err = cfg.Credentials.Retrieve(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
}
