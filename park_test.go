package chaim_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func parkedFile(opts chaim.Options) string { return filepath.Join(opts.Dir, "chaim-parked") }

// bothFiles are the texts of the credentials file and of the parked accounts.
func bothFiles(t *testing.T, opts chaim.Options) [2]string {
	t.Helper()
	return [2]string{string(readIfThere(t, credentialsFile(opts))), string(readIfThere(t, parkedFile(opts)))}
}

// clientFor is closed when the test ends.
func clientFor(t *testing.T, opts chaim.Options) *chaim.Client {
	t.Helper()
	c, err := chaim.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

// keep puts a profile into the credentials file that stays there.
func keep(t *testing.T, opts chaim.Options, profile string) chaim.AwsCreds {
	t.Helper()
	opts.TempName, opts.Keep = profile, true
	c, err := chaim.New(opts)
	require.NoError(t, err)
	creds, err := c.RequestKeys(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.Close())
	return creds
}

func parkedAccounts(t *testing.T, c *chaim.Client) []string {
	t.Helper()
	names, err := c.ListParkAccounts(t.Context())
	require.NoError(t, err)
	return names
}

func heldAccounts(t *testing.T, c *chaim.Client) (names []string) {
	t.Helper()
	profiles, err := c.MyAccountList(t.Context())
	require.NoError(t, err)
	for _, p := range profiles {
		names = append(names, p.Name)
	}
	return names
}

// ownerOf asks the double's STS whose keys they are.
func ownerOf(t *testing.T, srv *chaimtest.Server, creds chaim.AwsCreds) string {
	t.Helper()
	id, err := sts.New(sts.Options{Region: "eu-west-1", Credentials: creds, HTTPClient: srv.HTTPClient()}).GetCallerIdentity(t.Context(), nil)
	require.NoError(t, err)
	return aws.ToString(id.Arn)
}

const fullDefinition = "[homes]\nduration = 2\nrole = mpu\naccountname = Connected Homes\naccountid = 222222222222\nregion = eu-west-2\naws_security_token = notset\n"

// homes is an account of which every key of the definition is its own.
func homes(opts chaim.Options) chaim.Options {
	opts.Account, opts.Role, opts.Duration, opts.Region, opts.Terrible = "Connected Homes", "mpu", 2*time.Hour, "eu-west-2", true
	return opts
}

func TestParkAccount(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	write(t, credentialsFile(opts), userFile)
	keep(t, homes(opts), "homes")
	const theirs = "output = json\n# mine\ns3 =\n  max = 3\n"
	write(t, credentialsFile(opts), read(t, credentialsFile(opts))+theirs+"\n[last]\nk=v")

	c := clientFor(t, opts)
	for range 2 { // an account that is parked stays so
		require.NoError(t, c.ParkAccount(t.Context(), "homes"))
		assert.Equal(t, [2]string{userFile + "\r\n[homes]\r\n" + theirs + "\n[last]\nk=v", fullDefinition}, bothFiles(t, opts))
		assert.Equal(t, []string{"homes"}, parkedAccounts(t, c))
		assert.Empty(t, heldAccounts(t, c))
	}
	info, err := os.Stat(parkedFile(opts))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

	keep(t, opts, "dev")
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	assert.Equal(t, fullDefinition+"\n[dev]\nduration = 1\nrole = rro\naccountname = sredev\naccountid = 111111111111\nregion = eu-west-1\n", read(t, parkedFile(opts)))
	assert.Equal(t, []string{"dev", "homes"}, parkedAccounts(t, c))
}

// TestParkedAccountHasNoKeys has some in the file that another tool has written.
func TestParkedAccountHasNoKeys(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	keys := strings.ReplaceAll("aws_access_key_id = ID\naws_secret_access_key = CANARY\naws_session_token = CANARY\naws_security_token = CANARY\n"+
		"expires = 1536139015\nexpstr = soon\ngui_url = https://CANARY\n", "ID", "ASIAEXAMPLE000000001")
	const definition = "duration = 2\nrole = mpu\naccountname = Connected Homes\naccountid = 222222222222\nregion = eu-west-2\n"
	c := clientFor(t, opts)

	write(t, parkedFile(opts), "[homes]\n"+keys+definition)
	require.NoError(t, c.ParkAccount(t.Context(), "homes"), "parked already")
	assert.ElementsMatch(t, strings.Split(fullDefinition, "\n"), strings.Split(read(t, parkedFile(opts)), "\n"))

	write(t, parkedFile(opts), "# mine\n[homes]\n"+keys+definition+"\n[b]\nk = v\n")
	write(t, credentialsFile(opts), "[homes]\n"+keys+definition)
	require.NoError(t, c.ParkAccount(t.Context(), "homes"))
	assert.NotContains(t, read(t, parkedFile(opts)), "CANARY")
	assert.True(t, strings.HasPrefix(read(t, parkedFile(opts)), "# mine\n[homes]\n"))
	assert.True(t, strings.HasSuffix(read(t, parkedFile(opts)), "\n[b]\nk = v\n"))
	assert.Empty(t, read(t, credentialsFile(opts)))
}

func TestParkAccountThatIsRefused(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	c := clientFor(t, opts)
	assert.ErrorIs(t, c.ParkAccount(t.Context(), "absent"), fs.ErrNotExist)
	entries, err := os.ReadDir(opts.Dir)
	require.NoError(t, err)
	assert.Empty(t, entries, "nothing to park leaves nothing behind")

	write(t, credentialsFile(opts), userFile)
	scope := clientFor(t, opts)
	_, err = scope.RequestKeys(t.Context())
	require.NoError(t, err)
	keep(t, opts, "dev")
	write(t, parkedFile(opts), "[dev]\naccountname = Connected Homes\n[noted]\nregion = x\n")
	write(t, credentialsFile(opts), read(t, credentialsFile(opts))+"[long]\naccountname = a\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n[noted]\naccountname = a\n"+
		"[twice]\naccountname = a\n[twice]\naccountname = a\n[odd]\naccountname = a;CANARY\n")
	before := bothFiles(t, opts)
	for profile, want := range map[string]error{
		"absent": fs.ErrNotExist, "prod": chaim.ErrUnmanagedAccount, "long": chaim.ErrUnmanagedAccount,
		scope.Profile(): chaim.ErrInUse, "dev": chaim.ErrInUse, "noted": chaim.ErrInUse,
		"twice": nil, "odd": nil, "default": nil, "": nil, "a b": nil, "a\nb": nil,
	} {
		err := c.ParkAccount(t.Context(), profile)
		require.Error(t, err, profile)
		if want != nil {
			assert.ErrorIs(t, err, want, profile)
		}
		assert.True(t, strings.HasPrefix(err.Error(), "chaim: "), err)
		assert.NotContains(t, err.Error(), "CANARY")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, c.ParkAccount(ctx, "dev"), context.Canceled)
	assert.Equal(t, before, bothFiles(t, opts))

	require.NoError(t, c.Close())
	assert.ErrorIs(t, c.ParkAccount(t.Context(), "dev"), chaim.ErrClosed)
	_, err = c.ListParkAccounts(t.Context())
	assert.ErrorIs(t, err, chaim.ErrClosed)
}

// TestParkAccountWithoutAPlace has something else where the definitions should go.
func TestParkAccountWithoutAPlace(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	keep(t, opts, "dev")
	before := read(t, credentialsFile(opts))
	require.NoError(t, os.Mkdir(parkedFile(opts), 0o700))
	c := clientFor(t, opts)
	var at *fs.PathError
	require.ErrorAs(t, c.ParkAccount(t.Context(), "dev"), &at)
	assert.Equal(t, parkedFile(opts), at.Path)
	assert.Equal(t, before, read(t, credentialsFile(opts)))
	assert.Equal(t, []string{"dev"}, heldAccounts(t, c))
	_, err := c.ListParkAccounts(t.Context())
	assert.ErrorAs(t, err, &at)

	require.NoError(t, os.Remove(parkedFile(opts)))
	write(t, parkedFile(opts), "# mine\n")
	require.NoError(t, os.Chmod(parkedFile(opts), 0o400))
	assert.ErrorIs(t, c.ParkAccount(t.Context(), "dev"), fs.ErrPermission, "also for root")
	assert.Equal(t, [2]string{before, "# mine\n"}, bothFiles(t, opts))
}

func TestParkAccountOfOwnProfile(t *testing.T) {
	for _, isKept := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := optionsFor(t, srv)
			opts.TempName, opts.Keep, opts.Default = "dev", isKept, isKept
			write(t, credentialsFile(opts), "[default]\nregion = x")
			c := clientFor(t, opts)
			_, err := c.RequestKeys(t.Context())
			require.NoError(t, err)
			require.NoError(t, c.ParkAccount(t.Context(), "dev"))
			assert.Zero(t, c.Creds())
			<-time.After(3 * time.Hour)
			assert.Len(t, srv.Requests(), 1, "nothing is renewed")
			text := read(t, credentialsFile(opts))
			assert.Equal(t, "[default]\nregion = x", strings.TrimSuffix(text, "\n"), "also not what the default account had")
			assert.Empty(t, scopeFiles(t, credentialsFile(opts)))
			_, err = c.RequestKeys(t.Context())
			require.ErrorIs(t, err, chaim.ErrClosed)

			c = clientFor(t, opts)
			assert.Equal(t, []string{"dev"}, parkedAccounts(t, c))
			_, err = c.RequestKeys(t.Context())
			require.NoError(t, err)
			assert.Empty(t, parkedAccounts(t, c))
			assert.Equal(t, []string{"dev"}, heldAccounts(t, c))
			require.NoError(t, c.ParkAccount(t.Context(), "dev"))
			assert.Equal(t, []string{"dev"}, parkedAccounts(t, clientFor(t, opts)))
		})
	}
}

func TestParkAccountInLinkedFiles(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	dotfiles := t.TempDir()
	for _, path := range []string{credentialsFile(opts), parkedFile(opts)} {
		target := filepath.Join(dotfiles, filepath.Base(path)+".real")
		write(t, target, userFile)
		require.NoError(t, os.Symlink(target, path))
	}
	keep(t, opts, "dev")
	c := clientFor(t, opts)
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	assert.True(t, strings.HasPrefix(read(t, filepath.Join(dotfiles, "chaim-parked.real")), userFile+"\r\n[dev]\r\nduration = 1\r\n"))
	_, err := c.UnparkAccount(t.Context(), "dev")
	require.NoError(t, err)
	assert.Equal(t, userFile, read(t, parkedFile(opts)))
	for _, path := range []string{credentialsFile(opts), parkedFile(opts)} {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		assert.Equal(t, fs.ModeSymlink, info.Mode().Type(), path)
	}
}

func TestUnparkAccount(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	creds := keep(t, homes(opts), "homes")
	before := read(t, credentialsFile(opts))
	c := clientFor(t, opts)
	require.NoError(t, c.ParkAccount(t.Context(), "homes"))
	srv.Reset()

	unparked, err := c.UnparkAccount(t.Context(), "homes")
	require.NoError(t, err)
	require.Len(t, srv.Requests(), 1)
	r := srv.Requests()[0]
	assert.Equal(t, []any{"222222222222", "mpu", 2 * time.Hour}, []any{r.Account, r.Role, r.Duration})
	assert.Contains(t, ownerOf(t, srv, unparked), "::222222222222:assumed-role/CrossAccountPowerUser/")
	assert.Equal(t, "eu-west-2", unparked.Region)
	after := read(t, credentialsFile(opts))
	for line := range strings.Lines(before) {
		key, _, _ := strings.Cut(line, " = ")
		assert.Contains(t, after, key)
	}
	for old, now := range map[string]string{
		creds.AccessKeyID: unparked.AccessKeyID, creds.SecretAccessKey: unparked.SecretAccessKey, creds.SessionToken: unparked.SessionToken,
	} {
		assert.NotContains(t, after, old)
		before = strings.ReplaceAll(before, old, now)
	}
	timeless := func(text string) (lines []string) {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "exp") && !strings.HasPrefix(line, "gui_url") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	assert.Equal(t, timeless(before), timeless(after))
	assert.Empty(t, read(t, parkedFile(opts)))
	assert.Empty(t, parkedAccounts(t, c))
	assert.Equal(t, []string{"homes"}, heldAccounts(t, c))
	assert.Zero(t, c.Creds(), "the client's own keys are none of these")
	require.NoError(t, c.Close())
	assert.Equal(t, after, read(t, credentialsFile(opts)))
}

// TestUnparkAccountOfOldTool brings back what that has moved whole, keys and all.
func TestUnparkAccountOfOldTool(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	write(t, parkedFile(opts), "[homes]\naws_access_key_id = ASIAEXAMPLE000000001\naws_secret_access_key = CANARYold\naws_session_token = CANARYold\n"+
		"expires = 1536139015\nexpstr = soon\nduration = 7200\ngui_url = notset\nrole = mpu\naccountname = Connected Homes\nregion = eu-west-2\n")
	c := clientFor(t, opts)
	creds, err := c.UnparkAccount(t.Context(), "homes")
	require.NoError(t, err)
	assert.Contains(t, ownerOf(t, srv, creds), "::222222222222:assumed-role/CrossAccountPowerUser/")
	files := bothFiles(t, opts)
	assert.Empty(t, files[1])
	assert.NotContains(t, files[0], "CANARYold")
	assert.NotContains(t, files[0], "aws_security_token")
	assert.Contains(t, files[0], "duration = 2\n")
}

func TestUnparkAccountKeepsTheLinesOfOthers(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	write(t, parkedFile(opts), fullDefinition)
	const before = "[a]\nk=v\n[homes]\n; mine\noutput : json\ns3 =\n  max = 3\n\n[b]\nk=v"
	write(t, credentialsFile(opts), before)
	c := clientFor(t, opts)
	for range 3 {
		_, err := c.UnparkAccount(t.Context(), "homes")
		require.NoError(t, err)
		assert.Contains(t, read(t, credentialsFile(opts)), "accountname = Connected Homes\n")
		require.NoError(t, c.ParkAccount(t.Context(), "homes"))
		assert.Equal(t, [2]string{before, fullDefinition}, bothFiles(t, opts))
	}
}

func TestUnparkAccountThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		write(t, parkedFile(opts), fullDefinition)
		write(t, credentialsFile(opts), userFile)
		before := bothFiles(t, opts)
		c := clientFor(t, opts)
		for name, fault := range map[string]chaimtest.Fault{
			"Permission not granted": chaimtest.Refuse("Permission not granted"), "503": chaimtest.Status(503), "no complete reply": chaimtest.Hang(),
			"not an answer of a chaim gateway": chaimtest.Garbage(), "MiB": chaimtest.Huge(),
		} {
			srv.Inject(-1, fault)
			creds, err := c.UnparkAccount(t.Context(), "homes")
			require.Error(t, err, name)
			assert.Zero(t, creds)
			assert.True(t, strings.HasPrefix(err.Error(), `chaim: unparking "homes", which stays parked: `), err)
			assert.Equal(t, strings.HasPrefix(name, "Permission"), errors.Is(err, chaim.ErrDenied), err)
			srv.Clear()
		}
		srv.SetLifetime(-time.Minute)
		_, err := c.UnparkAccount(t.Context(), "homes")
		assert.ErrorIs(t, err, chaim.ErrExpired)
		assert.Equal(t, before, bothFiles(t, opts))
		assert.Equal(t, []string{"homes"}, parkedAccounts(t, c))
	})
}

func TestUnparkAccountOfNameThatIsTaken(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	write(t, parkedFile(opts), fullDefinition+"[noted]\nk = v\n[role]\naccountname = a\nrole = x,y\n[region]\naccountname = a\nregion = x\n"+
		"[long]\naccountname = "+strings.Repeat("a", 129)+"\n[twice]\naccountname = a\n[twice]\naccountname = a\n")
	const longLived = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
	c := clientFor(t, opts)
	refused := func(profile string, want error) {
		t.Helper()
		before := bothFiles(t, opts)
		_, err := c.UnparkAccount(t.Context(), profile)
		require.Error(t, err, profile)
		assert.True(t, strings.HasPrefix(err.Error(), "chaim: "), err)
		if want != nil {
			assert.ErrorIs(t, err, want)
		}
		assert.Equal(t, before, bothFiles(t, opts))
		assert.Empty(t, srv.Requests(), "nobody is asked")
	}
	for _, taken := range []string{
		longLived, "aws_access_key_id = ASIAEXAMPLE000000001\n", "region = eu-west-1\n", "accountname = sredev\n", "accountname = Connected Homes\n" + longLived,
		"role_arn = arn:aws:iam::111111111111:role/R\n", "credential_process = mine\n", "sso_session = mine\n",
	} {
		write(t, credentialsFile(opts), "[homes]\n"+taken)
		refused("homes", chaim.ErrInUse)
	}
	write(t, credentialsFile(opts), "")
	scope := homes(opts)
	scope.TempName, scope.Terrible = "homes", false
	require.NoError(t, chaim.WithContext(t.Context(), scope, func(context.Context, *chaim.Client) error {
		srv.Reset()
		refused("homes", chaim.ErrInUse)
		return nil
	}))
	config := filepath.Join(opts.Dir, "config")
	write(t, config, "[profile homes]\nrole_arn = arn:aws:iam::111111111111:role/R\n")
	t.Setenv("AWS_CONFIG_FILE", config)
	refused("homes", chaim.ErrInUse)

	refused("absent", fs.ErrNotExist)
	_, err := c.UnparkAccount(t.Context(), "absent")
	assert.NotContains(t, err.Error(), "stays parked")
	refused("noted", chaim.ErrUnmanagedAccount)
	for _, profile := range []string{"role", "region", "long", "twice", "default", "", "a b"} {
		refused(profile, nil)
	}
	require.NoError(t, c.Close())
	refused("homes", nil)
	t.Setenv("AWS_CONFIG_FILE", "")
	refused("homes", chaim.ErrClosed)
}

// TestInBothFiles is what a crash may leave.
func TestInBothFiles(t *testing.T) {
	for name, settle := range map[string]func(*chaim.Client) error{
		"park": func(c *chaim.Client) error { return c.ParkAccount(t.Context(), "homes") },
		"unpark": func(c *chaim.Client) error {
			_, err := c.UnparkAccount(t.Context(), "homes")
			return err
		},
		"delete": func(c *chaim.Client) error { return c.DeleteAccount(t.Context(), "homes") },
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			keep(t, homes(opts), "homes")
			write(t, parkedFile(opts), fullDefinition)
			c := clientFor(t, opts)
			assert.Equal(t, []string{"homes"}, heldAccounts(t, c))
			assert.Empty(t, parkedAccounts(t, c))
			require.NoError(t, settle(c))
			files := bothFiles(t, opts)
			assert.Equal(t, name == "unpark", files[0] != "")
			assert.Equal(t, name == "park", files[1] != "")
		})
	}
}

func TestListParkAccounts(t *testing.T) {
	c, path := clientOf(t, "[held]\naccountname = a\n[other]\naccountname = b\n[users]\naws_access_key_id = x\n[twice]\naccountname = a\n[twice]\naccountname = a\n")
	assert.Empty(t, parkedAccounts(t, c), "without a file")
	parked := filepath.Join(filepath.Dir(path), "chaim-parked")
	write(t, parked, "[z]\naccountname = a\n")
	for _, name := range []string{"held", "other", "users", "twice", "b", "", "b", "default"} {
		write(t, parked, read(t, parked)+"["+name+"]\naccountname = a\n")
	}
	write(t, parked, read(t, parked)+"[unmanaged]\nk = v\n[open\naccountname = a\n")
	before := snapshot(t, filepath.Dir(path))
	assert.Equal(t, []string{"b", "other", "users", "z"}, parkedAccounts(t, c))
	assert.Equal(t, before, snapshot(t, filepath.Dir(path)))
}

func TestUnparkAccountThatChangesMeanwhile(t *testing.T) {
	for name, tt := range map[string]struct {
		files [2]string
		want  error
	}{
		"taken by the user":       {[2]string{"[homes]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n", fullDefinition}, chaim.ErrInUse},
		"taken for another":       {[2]string{"[homes]\naccountname = sredev\n", fullDefinition}, chaim.ErrInUse},
		"parked anew for another": {[2]string{"", strings.Replace(fullDefinition, "Connected Homes", "sredev", 1)}, chaim.ErrInUse},
		"parked anew otherwise":   {[2]string{"", strings.Replace(fullDefinition, "mpu", "rro", 1)}, chaim.ErrInUse},
		"back or deleted already": {[2]string{"", "# nothing\n"}, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			opts := optionsFor(t, srv)
			write(t, parkedFile(opts), fullDefinition)
			write(t, credentialsFile(opts), "")
			c := clientFor(t, opts)
			srv.Inject(1, chaimtest.Rewrite(func(body string) string {
				write(t, credentialsFile(opts), tt.files[0])
				write(t, parkedFile(opts), tt.files[1])
				return body
			}))
			creds, err := c.UnparkAccount(t.Context(), "homes")
			assert.ErrorIs(t, err, tt.want)
			assert.Zero(t, creds)
			assert.Equal(t, tt.files, bothFiles(t, opts))
		})
	}
}
