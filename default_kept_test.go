package chaim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
)

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
	plain.Account, plain.Default, plain.Keep, plain.TempName = "", false, false, ""
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

	scope := plain
	scope.Account = "sredev"
	require.NoError(t, chaim.WithContext(t.Context(), scope, func(context.Context, *chaim.Client) error {
		assertDefault("dev")
		return nil
	}))
	assert.Equal(t, kept, read(t, credentialsFile(opts)))

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
	own := plain
	own.Default, own.Keep, own.TempName = true, true, "dev"
	lend(own)
	given := own
	given.Source = &chaim.STS{RoleARN: "arn:aws:iam::222222222222:role/CrossAccountPowerUser", Duration: plain.Duration, HTTPClient: plain.HTTPClient}
	lend(given)
	lend(own)

	assert.Len(t, srv.Requests(), 4+3+4)
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

// FuzzKeptDefault keeps a default account, renews and deletes it: no line of the user is lost, and no key stays. After a
// refusal the file is what it was.
func FuzzKeptDefault(f *testing.F) {
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
	f.Add([]byte("\x02\xef"), byte('l')) // an accountname in [default]
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
			Account: "sredev", Default: true, Keep: true, TempName: "dev", Terrible: how&1 != 0, Dir: t.TempDir(),
			Source: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				calls++
				return aws.Credentials{
					AccessKeyID: fmt.Sprintf("ASIANEW%d", calls), SecretAccessKey: "s", SessionToken: "t",
					CanExpire: true, Expires: time.Now().Add(time.Hour),
				}, nil
			}),
		}
		write(t, credentialsFile(opts), before)
		rest, err := inifile.Delete([]byte(before), inifile.DefaultSection)
		if err == nil { // an accountname there is the Python module's, which goes with the keys
			rest, err = inifile.SetKeys(rest, inifile.DefaultSection, nil, func(key string) bool { return key == inifile.MarkerKey })
		}
		if err != nil {
			rest = []byte(before)
		}
		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		requireWhole := func(text string) {
			for line := range strings.Lines(string(rest)) {
				require.Contains(t, text, strings.TrimRight(line, "\r\n"))
			}
		}
		for range 1 + how>>2%3 {
			if _, err := c.RequestKeys(t.Context()); err != nil {
				require.Equal(t, 0, calls, "%q: %v", before, err)
				require.Equal(t, before, read(t, credentialsFile(opts)))
				return
			}
			during := read(t, credentialsFile(opts))
			inDefault, inProfile := copies(t, []byte(during), "dev")
			require.Equal(t, inProfile, inDefault)
			requireWhole(during)
		}
		require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
		after := read(t, credentialsFile(opts))
		requireWhole(after)
		require.NotContains(t, after, "ASIANEW")
	})
}

// lentDefault writes what an earlier version left when a scope that had [default] was killed, or has it while held.
func lentDefault(t *testing.T, path, access string, pairs map[string]string, isLive bool) {
	t.Helper()
	files, err := lease.Beside(path)
	require.NoError(t, err)
	id := strings.Repeat("OLD", 8) + "22"
	require.NoError(t, os.MkdirAll(files.Folder, 0o700))
	l, err := files.Take(id)
	require.NoError(t, err)
	if !isLive {
		require.NoError(t, l.Close())
	} else {
		t.Cleanup(func() { assert.NoError(t, l.Close()) })
	}
	mark := lease.New(id, files.Folder, pairs).String()
	write(t, path, "[default]\n"+access+"expires = 32503680000\nsection = sredev\nalias = tempname\nchaim_scope = "+mark+".\n"+
		"region = eu-west-1\nchaim_was_section = dev\n# mine\nchaim_was_aws_access_key_id = ASIAKEPT000000000001\nchaim_was_aws_secret_access_key=k\n\n"+
		"[tempname]\n"+access+"accountname = sredev\nchaim_scope = "+mark+"\n")
}

// TestDefaultLentByAnEarlierVersion has a file that a killed scope of an earlier version left.
func TestDefaultLentByAnEarlierVersion(t *testing.T) {
	noSDKConfig(t)
	const before = "[default]\nregion = eu-west-1\nsection = dev\n# mine\naws_access_key_id = ASIAKEPT000000000001\naws_secret_access_key=k\n"
	process := "cat '/h/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'"
	for name, tt := range map[string]struct {
		access string
		pairs  map[string]string
	}{
		"Keys":    {"aws_access_key_id = ASIALENT000000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\n", map[string]string{"aws_access_key_id": "ASIALENT000000000001"}},
		"Process": {"credential_process = " + process + "\n", map[string]string{"credential_process": process}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "credentials")
			lentDefault(t, path, tt.access, tt.pairs, false)
			swept, err := chaim.Sweep(t.Context(), dir)
			require.NoError(t, err)
			assert.Contains(t, swept, chaim.Swept{Path: path, Profile: "default"})
			assert.Contains(t, swept, chaim.Swept{Path: path, Profile: "tempname"})
			assert.Equal(t, before, read(t, path))
			assert.Empty(t, scopeFiles(t, path))

			opts := defaultFor(t, chaimtest.NewServer(t))
			c, err := chaim.New(opts)
			require.NoError(t, err)
			defer c.Close()
			lentDefault(t, credentialsFile(opts), tt.access, tt.pairs, false) // its scope died since New
			_, err = c.RequestKeys(t.Context())
			if assert.ErrorIs(t, err, chaim.ErrUnmanagedAccount, "what stood there before has no mark") {
				assert.NotContains(t, err.Error(), "CANARY")
			}

			live := defaultFor(t, chaimtest.NewServer(t))
			lentDefault(t, credentialsFile(live), tt.access, tt.pairs, true)
			text := read(t, credentialsFile(live))
			err = chaim.WithContext(t.Context(), live, func(context.Context, *chaim.Client) error { t.Error("fn was called"); return nil })
			assert.ErrorIs(t, err, chaim.ErrInUse)
			assert.ErrorContains(t, err, "[default] is lent to a scope that may still run")
			assert.Equal(t, text, read(t, credentialsFile(live)))
		})
	}
}
