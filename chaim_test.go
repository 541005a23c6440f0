package chaim_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestMain(m *testing.M) {
	// The tests look at nobody's ~/.aws.
	if err := os.Setenv("AWS_CONFIG_FILE", filepath.Join(os.TempDir(), "chaim-no-such-file")); err != nil {
		panic(err)
	}
	if form := os.Getenv("CHAIM_TEST_DIE"); form != "" {
		dieInScope(form)
	}
	os.Exit(m.Run())
}

// userFile is what a user may have in the credentials file, written the way nobody else would.
const userFile = "# keys of the company\r\n\n[prod]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\naws_secret_access_key  = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY ; mine\n\n\n  # parked\n#[old]\n#k = v\n[prod.eu]\nREGION: eu-west-1"

// optionsFor reaches srv in memory, with a credentials file of its own.
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

// whoAmI asks the double's STS who owns a profile, with the AWS SDK and a new client.
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

// TestScopeLeavesEveryByte has files that programs are known to damage or misread.
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
	assert.ErrorContains(t, err, "CHAIM_URL")
	assert.ErrorContains(t, err, "[default]")

	t.Setenv("CHAIM_TOKEN", "CANARY")
	_, err = chaim.New(chaim.Options{Account: "sredev"})
	require.ErrorIs(t, err, chaim.ErrNotConfigured)
	assert.NotContains(t, err.Error(), "CANARY")
}
