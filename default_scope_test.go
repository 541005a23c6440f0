package chaim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
)

// TestDefaultOfTheDead runs itself in a process that ends where no deferred call runs.
func TestDefaultOfTheDead(t *testing.T) {
	if dir := os.Getenv("CHAIM_TEST_DEFAULT_DIES"); dir != "" {
		opts := chaim.Options{Account: "sredev", Default: true, Dir: dir, Source: credentials.NewStaticCredentialsProvider("ASIADEAD000000000001", "s", "t")}
		if os.Getenv("CHAIM_TEST_FORM") == "Process" {
			opts.Form = chaim.Process
		}
		panic(chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
			self, err := os.FindProcess(os.Getpid())
			require.NoError(t, err)
			require.NoError(t, self.Kill())
			select {}
		}))
	}
	for name, before := range filesBefore {
		for _, form := range []string{"Keys", "Process"} {
			for _, by := range []string{"New", "Sweep", "the next scope"} {
				if by != "Sweep" && name != "kept, expired" {
					continue // is the same, and takes its time
				}
				t.Run(strings.Join([]string{name, form, by}, " "), func(t *testing.T) {
					dir := t.TempDir()
					file := filepath.Join(dir, "credentials")
					write(t, file, before)
					cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDefaultOfTheDead$")
					cmd.Env = append(os.Environ(), "CHAIM_TEST_DEFAULT_DIES="+dir, "CHAIM_TEST_FORM="+form)
					require.EqualError(t, cmd.Run(), "signal: killed")
					inDefault, inProfile := copies(t, []byte(read(t, file)), "tempname")
					require.Equal(t, inProfile, inDefault)
					require.NotEmpty(t, inDefault[inifile.ScopeKey])

					opts := chaim.Options{Account: "sredev", Default: true, Dir: dir, Source: credentials.NewStaticCredentialsProvider("ASIANEXT000000000001", "s", "t")}
					switch by {
					case "Sweep":
						swept, err := chaim.Sweep(t.Context(), dir)
						require.NoError(t, err)
						for _, profile := range []string{"default", "tempname"} {
							assert.Contains(t, swept, chaim.Swept{Path: file, Profile: profile})
						}
					case "New":
						c, err := chaim.New(opts)
						require.NoError(t, err)
						defer c.Close()
					default:
						require.NoError(t, chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
							inDefault, _ := copies(t, []byte(read(t, file)), c.Profile())
							assert.Equal(t, "ASIANEXT000000000001", inDefault["aws_access_key_id"])
							return nil
						}))
					}
					assert.Equal(t, before, read(t, file))
					assert.Empty(t, scopeFiles(t, file))
				})
			}
		}
	}
}

// TestDefaultOfOneWhoDiedMeanwhile has a scope end without a trace between New and the first keys.
func TestDefaultOfOneWhoDiedMeanwhile(t *testing.T) {
	opts := defaultFor(t, chaimtest.NewServer(t))
	write(t, credentialsFile(opts), gatewayLines+"section = dev\naws_access_key_id = ASIAKEPT000000000001")
	var during string
	require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
		during = read(t, credentialsFile(opts))
		return nil
	}))
	before := read(t, credentialsFile(opts))
	c, err := chaim.New(opts)
	require.NoError(t, err)
	defer c.Close()
	write(t, credentialsFile(opts), during)
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), c.Profile())
	assert.Equal(t, inProfile, inDefault)
	require.NoError(t, c.Close())
	_, err = chaim.Sweep(t.Context(), opts.Dir)
	require.NoError(t, err)
	assert.Equal(t, before, read(t, credentialsFile(opts)))
}

// TestDefaultEditedDuringAScope has others write into the file while a scope lives.
func TestDefaultEditedDuringAScope(t *testing.T) {
	const before = "[a]\nk = v\n\n" + gatewayLines
	const users = "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = mine\n"
	temporary := strings.Replace(users, "AKIA", "ASIA", 1)
	for name, tt := range map[string]struct {
		edit   func(during, profile string) string // profile is that part of the text
		isLost bool                                // [default] is the user's by then
		after  string                              // the end
	}{
		"copy removed":         {edit: func(_, profile string) string { return before + profile }, after: before},
		"all removed":          {edit: func(string, string) string { return "" }},
		"old copy of the file": {edit: func(string, string) string { return before }, after: before},
		"secret changed": {
			edit: func(during, _ string) string {
				return strings.Replace(during, "\naws_secret_access_key = ", "\naws_secret_access_key = x", 1)
			},
			after: before,
		},
		"other settings": {
			edit:  func(during, _ string) string { return strings.Replace(during, "eu-west-1", "us-east-1", 1) },
			after: strings.Replace(before, "eu-west-1", "us-east-1", 1),
		},
		"keys of the user":           {edit: func(_, profile string) string { return users + profile }, isLost: true, after: users},
		"keys of the user alone":     {edit: func(string, string) string { return users }, isLost: true, after: users},
		"temporary keys of the user": {edit: func(_, profile string) string { return temporary + profile }, isLost: true, after: temporary},
		"role of the user":           {edit: func(string, string) string { return "[default]\nrole_arn = x\n" }, isLost: true, after: "[default]\nrole_arn = x\n"},
	} {
		for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
			t.Run(name+" "+form.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					opts := defaultFor(t, chaimtest.NewServer(t))
					opts.Form = form
					write(t, credentialsFile(opts), before)
					err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
						during := read(t, credentialsFile(opts))
						<-time.After(1234 * time.Millisecond) // between two looks
						write(t, credentialsFile(opts), tt.edit(during, during[strings.Index(during, "\n[tempname]"):]))
						for range 2 {
							<-time.After(time.Second)
							text := read(t, credentialsFile(opts))
							if tt.isLost {
								assert.True(t, strings.HasPrefix(text, tt.after), text)
							} else {
								inDefault, inProfile := copies(t, []byte(text), c.Profile())
								assert.Equal(t, inProfile, inDefault)
							}
							inProfile, _, err := inifile.ReadManaged([]byte(text), c.Profile())
							require.NoError(t, err)
							assert.Equal(t, form == chaim.Process, inProfile[inifile.ProcessKey] != "")
							assert.Equal(t, form == chaim.Keys, inProfile["aws_access_key_id"] == c.Creds().AccessKeyID)
							_, err = c.RequestKeys(ctx)
							assert.NoError(t, err)
						}
						return ctx.Err()
					})
					require.NoError(t, err)
					assert.Equal(t, tt.after, read(t, credentialsFile(opts)))
					assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
				})
			})
		}
	}
}

// TestUserConfiguresDefaultDuringAScope has the user's keys written over those of the copy, as "aws configure" does.
// TestUserConfiguresDefaultDuringAScope does what "aws configure" does, which knows of no session token and leaves ours.
func TestUserConfiguresDefaultDuringAScope(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		synctest.Test(t, func(t *testing.T) {
			opts := defaultFor(t, chaimtest.NewServer(t))
			write(t, credentialsFile(opts), gatewayLines)
			keepDefault(t, opts, "sredev", "dev")
			kept := opts
			opts.Form = form
			configure := func(c *chaim.Client) {
				text := read(t, credentialsFile(opts))
				if lent, _ := copies(t, []byte(text), c.Profile()); form == chaim.Keys {
					text = strings.Replace(text, "aws_access_key_id = "+lent["aws_access_key_id"], "aws_access_key_id = AKIAIOSFODNN7EXAMPLE", 1)
					text = strings.Replace(text, "aws_secret_access_key = "+lent["aws_secret_access_key"], "aws_secret_access_key = mine", 1)
				} else {
					text = strings.Replace(text, "[default]\n", "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = mine\n", 1)
				}
				write(t, credentialsFile(opts), text)
			}
			check := func(moment string) {
				text := read(t, credentialsFile(opts))
				pairs, _, err := inifile.ReadAll([]byte(text), "default")
				require.NoError(t, err)
				settings, _, err := inifile.ReadAll([]byte(gatewayLines), "default")
				require.NoError(t, err)
				settings["aws_access_key_id"], settings["aws_secret_access_key"] = "AKIAIOSFODNN7EXAMPLE", "mine"
				assert.Equal(t, settings, pairs, moment)
			}
			err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
				<-time.After(1234 * time.Millisecond)
				configure(c)
				<-time.After(time.Second)
				check("within a second")
				<-time.After(2 * time.Hour)
				check("later")
				return ctx.Err()
			})
			require.NoError(t, err)
			check("afterwards")

			write(t, credentialsFile(opts), gatewayLines)
			keepDefault(t, kept, "sredev", "dev")
			err = chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error { configure(c); return nil })
			require.NoError(t, err)
			check("at the end")
		})
	}
}

// TestDefaultThatStandsTwiceAtTheEnd cannot be told apart until the user has mended it.
func TestDefaultThatStandsTwiceAtTheEnd(t *testing.T) {
	opts := defaultFor(t, chaimtest.NewServer(t))
	write(t, credentialsFile(opts), gatewayLines)
	c, err := chaim.New(opts)
	require.NoError(t, err)
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	write(t, credentialsFile(opts), read(t, credentialsFile(opts))+"[default]\n")
	assert.ErrorContains(t, c.Close(), "[default] stands twice")
	text := read(t, credentialsFile(opts))
	assert.NotContains(t, text, "[tempname]")
	assert.Contains(t, text, "aws_access_key_id")
	write(t, credentialsFile(opts), strings.TrimSuffix(text, "[default]\n"))
	assert.NoError(t, c.Close(), "Close tries again")
	assert.Equal(t, gatewayLines, read(t, credentialsFile(opts)))
	assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
}

// keepDefault keeps an account under a name as the default account, and returns the client.
func keepDefault(t *testing.T, opts chaim.Options, account, name string) *chaim.Client {
	t.Helper()
	opts.Account, opts.TempName, opts.Keep = account, name, true
	c, err := chaim.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	return c
}

func TestKeptDefault(t *testing.T) {
	noSDKConfig(t)
	opts := defaultFor(t, chaimtest.NewServer(t))
	write(t, credentialsFile(opts), gatewayLines)
	first := keepDefault(t, opts, "sredev", "dev")
	require.NoError(t, first.Close())
	kept := read(t, credentialsFile(opts))
	inDefault, inProfile := copies(t, []byte(kept), "dev")
	assert.Equal(t, inProfile, inDefault)
	assert.Empty(t, inDefault[inifile.ScopeKey])
	got, err := sdkKeys(t, opts)
	require.NoError(t, err)
	assert.Equal(t, inProfile["aws_access_key_id"], got.AccessKeyID)

	plain := opts
	plain.Account, plain.Default = "", false
	looker, err := chaim.New(plain)
	require.NoError(t, err)
	defer looker.Close()
	assertDefault := func(want string) {
		t.Helper()
		name, err := looker.DefaultAccount(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, name)
		inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), want)
		assert.Equal(t, inProfile, inDefault)
	}
	assertDefault("dev")
	_, err = looker.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	assertDefault("dev")
	kept = read(t, credentialsFile(opts))

	require.NoError(t, chaim.WithContext(t.Context(), opts, func(_ context.Context, c *chaim.Client) error {
		assertDefault(c.Profile())
		return nil
	}))
	assert.Equal(t, kept, read(t, credentialsFile(opts)), "it comes back")

	second := keepDefault(t, opts, "Connected Homes", "homes")
	assertDefault("homes")
	require.NoError(t, looker.DeleteAccount(t.Context(), "dev"))
	assertDefault("homes")
	require.NoError(t, looker.ParkAccount(t.Context(), "homes"))
	assert.Equal(t, gatewayLines, read(t, credentialsFile(opts)))
	_, err = looker.UnparkAccount(t.Context(), "homes")
	require.NoError(t, err)
	require.NoError(t, second.Close())

	third := keepDefault(t, opts, "sredev", "dev")
	assertDefault("dev")
	require.NoError(t, third.DeleteAccount(t.Context(), "dev"), "its own")
	require.NoError(t, looker.DeleteAccount(t.Context(), "homes"))
	assert.Equal(t, gatewayLines, read(t, credentialsFile(opts)))
}

// TestLastKeptDefaultWins has two clients that both renew what they keep.
func TestLastKeptDefaultWins(t *testing.T) {
	opts := defaultFor(t, chaimtest.NewServer(t))
	first := keepDefault(t, opts, "sredev", "dev")
	second := keepDefault(t, opts, "Connected Homes", "homes")
	for _, c := range []*chaim.Client{first, second, first} {
		_, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		name, err := c.DefaultAccount(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "homes", name)
		inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), "homes")
		assert.Equal(t, inProfile, inDefault)
	}
	require.NoError(t, first.DeleteAccount(t.Context(), "homes"))
	_, err := first.RequestKeys(t.Context())
	require.NoError(t, err)
	_, err = first.DefaultAccount(t.Context())
	assert.ErrorIs(t, err, chaim.ErrNotConfigured)
}

// TestKeptDefaultUnderAScope changes the kept account while a scope has its place.
func TestKeptDefaultUnderAScope(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, scope, kept *chaim.Client) error{
		"deleted": func(ctx context.Context, scope, _ *chaim.Client) error { return scope.DeleteAccount(ctx, "dev") },
		"parked":  func(ctx context.Context, scope, _ *chaim.Client) error { return scope.ParkAccount(ctx, "dev") },
		"renewed": func(ctx context.Context, scope, _ *chaim.Client) error {
			_, err := scope.RenewSection(ctx, "dev")
			return err
		},
		"renewed by its own client": func(ctx context.Context, _, kept *chaim.Client) error {
			_, err := kept.RequestKeys(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := defaultFor(t, chaimtest.NewServer(t))
			write(t, credentialsFile(opts), gatewayLines)
			kept := keepDefault(t, opts, "sredev", "dev")
			before := read(t, credentialsFile(opts))
			require.NoError(t, chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
				require.NoError(t, change(ctx, c, kept))
				inDefault, inProfile := copies(t, []byte(read(t, credentialsFile(opts))), c.Profile())
				assert.Equal(t, inProfile, inDefault)
				return nil
			}))
			text := read(t, credentialsFile(opts))
			if !strings.HasPrefix(name, "renewed") {
				assert.Equal(t, gatewayLines, text)
				return
			}
			assert.NotEqual(t, before, text)
			inDefault, inProfile := copies(t, []byte(text), "dev")
			assert.Equal(t, inProfile, inDefault)
		})
	}
}

// TestLentDefaultDoesNotSign gets keys without a gateway, by ones that the SDK's chain has only below those of [default].
func TestLentDefaultDoesNotSign(t *testing.T) {
	noSDKConfig(t)
	srv := chaimtest.NewServer(t)
	keys := srv.AddKeys("sredev", "chris")
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`,
			keys.AccessKeyID, keys.SecretAccessKey, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer container.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.URL)
	plain := chaim.Options{
		Account: "222222222222", Role: "mpu", Duration: 2 * time.Hour, // more than keys of a role get
		HTTPClient: srv.HTTPClient(), Dir: filepath.Dir(os.Getenv("AWS_SHARED_CREDENTIALS_FILE")),
	}
	const before = "[default]\nregion = eu-west-1\n"
	write(t, credentialsFile(plain), before)
	lend := func(opts chaim.Options) {
		err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			got, err := sdkKeys(t, opts)
			require.NoError(t, err)
			assert.Equal(t, c.Creds().AccessKeyID, got.AccessKeyID, "so an SDK would sign with them")
			_, err = c.RequestKeys(ctx)
			require.NoError(t, err)
			kept := plain
			kept.Keep, kept.TempName = true, "kept"
			require.NoError(t, chaim.WithContext(ctx, kept, func(context.Context, *chaim.Client) error { return nil }), "made meanwhile")
			if opts.Source == nil {
				_, err = c.RenewSection(ctx, "kept")
				require.NoError(t, err)
			}
			return c.DeleteAccount(ctx, "kept")
		})
		require.NoError(t, err)
	}
	scoped := plain
	scoped.Default = true
	lend(scoped)
	assert.Equal(t, before, read(t, credentialsFile(plain)))
	given := scoped
	given.Source = &chaim.STS{RoleARN: "arn:aws:iam::222222222222:role/CrossAccountPowerUser", Duration: plain.Duration, HTTPClient: plain.HTTPClient}
	lend(given)
	assert.Equal(t, before, read(t, credentialsFile(plain)))
	forGood := scoped
	forGood.Keep, forGood.TempName = true, "dev"
	lend(forGood)
	lend(forGood)

	assert.Len(t, srv.Requests(), 4+3+4+4)
	for _, r := range srv.Requests() {
		assert.Equal(t, []any{"chris", plain.Duration, 200}, []any{r.User, r.Duration, r.StatusCode})
	}
}

// someLines are what matters in and around [default].
var someLines = []string{
	"[default]\n", "[default]", "[default] # c\r\n", "[a]\n", "[b]\r\n", "# c\n", "\n", "\r\n", "  # c\n", "api = x\n", "api = x", "api = x\r\n", "region = r\n",
	"section = old\n", "Section=old", "alias : old\r\n", "aws_access_key_id=ASIAOLD\n", "aws_session_token = T\n", "expires = 1\n", "s3 =\n", "  section = n\n",
	"credential_process = mine\n", "junk\n", "accountname = x\n", "chaim_was_section = z\n", "role_arn = x\n", "\ufeff",
}

// FuzzDefaultScope has a scope come, renew and end, in order or by death: the file is then what it was. It is also after a
// refusal.
func FuzzDefaultScope(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		lines := make([]byte, 1+random.IntN(7))
		for i := range lines {
			lines[i] = byte(random.IntN(len(someLines)))
		}
		if random.IntN(2) == 0 {
			lines[0] = byte(random.IntN(3)) // or most would have no [default]
		}
		f.Add(lines, byte(random.IntN(1<<8)))
	}
	f.Fuzz(func(t *testing.T, lines []byte, how byte) {
		if len(lines) > 12 {
			return
		}
		var before string
		for _, i := range lines {
			before += someLines[int(i)%len(someLines)]
		}
		calls := 0
		opts := chaim.Options{
			Account: "sredev", Default: true, Terrible: how&1 != 0, Dir: t.TempDir(),
			Source: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				calls++
				return aws.Credentials{
					AccessKeyID: fmt.Sprintf("ASIANEW%d", calls), SecretAccessKey: "s", SessionToken: "t",
					CanExpire: true, Expires: time.Now().Add(time.Hour),
				}, nil
			}),
		}
		if how&2 != 0 {
			opts.Form, opts.Terrible = chaim.Process, false
		}
		write(t, credentialsFile(opts), before)
		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		during := before
		for range 1 + how>>2%3 {
			if _, err := c.RequestKeys(t.Context()); err != nil {
				require.Equal(t, 0, calls, "%q: %v", before, err)
				break
			}
			during = read(t, credentialsFile(opts))
			inDefault, inProfile := copies(t, []byte(during), c.Profile())
			require.Equal(t, inProfile, inDefault)
		}
		require.NoError(t, c.Close())
		require.Equal(t, before, read(t, credentialsFile(opts)))
		write(t, credentialsFile(opts), during) // as if it had died
		_, err = chaim.Sweep(t.Context(), opts.Dir)
		require.NoError(t, err)
		require.Equal(t, before, read(t, credentialsFile(opts)))
	})
}
