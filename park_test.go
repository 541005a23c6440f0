package chaim_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func parkedFile(opts chaim.Options) string { return filepath.Join(opts.Dir, "chaim-parked") }

// bothFiles returns the texts of the credentials file and of chaim-parked.
func bothFiles(t *testing.T, opts chaim.Options) [2]string {
	t.Helper()
	return [2]string{string(readIfThere(t, credentialsFile(opts))), string(readIfThere(t, parkedFile(opts)))}
}

// clientFor returns a client, which the end of the test closes.
func clientFor(t *testing.T, opts chaim.Options) *chaim.Client {
	t.Helper()
	c, err := chaim.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

// keep writes a kept profile into the credentials file.
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

// ownerOf returns the ARN of keys: it asks the double's STS.
func ownerOf(t *testing.T, srv *chaimtest.Server, creds chaim.AwsCreds) string {
	t.Helper()
	id, err := sts.New(sts.Options{Region: "eu-west-1", Credentials: creds, HTTPClient: srv.HTTPClient()}).GetCallerIdentity(t.Context(), nil)
	require.NoError(t, err)
	return aws.ToString(id.Arn)
}

const fullDefinition = "[homes]\nduration = 2\nrole = mpu\naccountname = Connected Homes\naccountid = 222222222222\nregion = eu-west-2\naws_security_token = notset\n"

// homes is an account whose definition has no default values.
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
	for range 2 { // parking a parked account changes nothing
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

// TestParkedAccountHasNoKeys: another tool has left keys in the definition.
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

// TestParkAccountWithoutAPlace: chaim-parked cannot be a file.
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

// TestUnparkAccountOfOldTool: the old tool has moved a whole section, keys included.
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
		assert.Empty(t, srv.Requests(), "there was no request")
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

// TestInBothFiles: a crash may leave an account in both files.
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

// account is the model of a profile.
type account struct {
	opts     chaim.Options
	client   *chaim.Client // whose own profile it may be
	isHeld   bool
	isParked bool
	isUsers  bool     // the user's own section has the name
	lines    []string // the user's lines in the section
	role     string   // of the client
	held     string   // role in the credentials file
	parked   string   // role in the definition
}

// model predicts the contents of the two files.
type model struct {
	opts     chaim.Options
	srv      *chaimtest.Server
	manager  *chaim.Client // without a profile
	names    []string
	accounts map[string]*account
	above    string // the user's text before all sections
	edits    int
}

const usersSection = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"

func newModel(t *testing.T) *model {
	m := &model{srv: chaimtest.NewServer(t), accounts: map[string]*account{}, above: "# mine\n"}
	m.opts = optionsFor(t, m.srv)
	m.manager = clientFor(t, m.opts)
	// No other process writes, so each edit happens once.
	require.NoError(t, sharedfile.File{Path: credentialsFile(m.opts)}.Edit(t.Context(), func([]byte) ([]byte, error) { return []byte(m.above), nil }))
	for i, name := range []string{"sredev", "Connected Homes", "O'Brien", "sredev", "Connected Homes"} {
		opts := m.opts
		opts.Account, opts.Role, opts.Terrible = name, []string{"rro", "mpu"}[i%2], i%2 == 0
		opts.Duration = time.Duration(i+1) * time.Hour
		opts.TempName, opts.Keep, opts.NoRenew = fmt.Sprintf("p%d", i), true, true
		m.names = append(m.names, opts.TempName)
		m.accounts[opts.TempName] = &account{opts: opts, client: clientFor(t, opts), role: opts.Role}
	}
	return m
}

// step performs a random action, and returns its name, the expected error and the actual one.
func (m *model) step(t *testing.T, r *rand.Rand) (what string, want, err error) {
	name := m.names[r.IntN(len(m.names))]
	a := m.accounts[name]
	client := []*chaim.Client{m.manager, a.client}[r.IntN(2)]
	defer func() {
		if client == a.client { // closed if the profile was its own and is gone
			a.client = clientFor(t, a.opts)
		}
	}()
	isLeft := !a.isHeld && !a.isUsers && len(a.lines) > 0
	switch n := r.IntN(12); n {
	case 0, 1:
		_, err = a.client.RequestKeys(t.Context())
		if a.isUsers || isLeft {
			return "request " + name, chaim.ErrInUse, err
		}
		a.isHeld, a.held = true, a.role
		return "request " + name, nil, err
	case 2, 3:
		err = client.ParkAccount(t.Context(), name)
		switch {
		case a.isUsers, isLeft && !a.isParked:
			want = chaim.ErrUnmanagedAccount
		case !a.isHeld && !a.isParked:
			want = fs.ErrNotExist
		default:
			if a.isHeld {
				a.parked = a.held
			}
			a.isHeld, a.isParked = false, true
		}
		return "park " + name, want, err
	case 4, 5, 6:
		if n == 6 {
			m.srv.Inject(1, chaimtest.Refuse("Permission not granted"))
			defer m.srv.Clear()
		}
		_, err = client.UnparkAccount(t.Context(), name)
		switch {
		case !a.isParked:
			want = fs.ErrNotExist
		case a.isUsers:
			want = chaim.ErrInUse
		case n == 6:
			want = chaim.ErrDenied
		default:
			if !a.isHeld {
				a.held = a.parked
			}
			a.isHeld, a.isParked = true, false
		}
		return "unpark " + name, want, err
	case 7, 8:
		if n == 8 {
			m.srv.Inject(1, chaimtest.Refuse("Permission not granted"))
			defer m.srv.Clear()
		}
		_, err = m.manager.RenewSection(t.Context(), name)
		switch {
		case a.isUsers, isLeft:
			want = chaim.ErrUnmanagedAccount
		case !a.isHeld:
			want = fs.ErrNotExist
		case n == 8:
			want = chaim.ErrDenied
		}
		return "renew " + name, want, err
	case 9:
		err = client.DeleteAccount(t.Context(), name)
		switch {
		case a.isUsers, isLeft && !a.isParked:
			want = chaim.ErrUnmanagedAccount
		default:
			a.isHeld, a.isParked = false, false
		}
		return "delete " + name, want, err
	}
	return "edit " + name, nil, m.edit(t, name, a, r)
}

// edit makes an edit as the user might.
func (m *model) edit(t *testing.T, name string, a *account, r *rand.Rand) error {
	m.edits++
	line := fmt.Sprintf("x%d = %d\n", m.edits, m.edits)
	return sharedfile.File{Path: credentialsFile(m.opts)}.Edit(t.Context(), func(doc []byte) ([]byte, error) {
		text := string(doc)
		header := "[" + name + "]\n"
		switch {
		case a.isHeld && r.IntN(3) == 0:
			before, section, _ := strings.Cut(text, header)
			was := a.held
			a.held = map[string]string{"rro": "mpu", "mpu": "rro"}[was]
			text = before + header + strings.Replace(section, "role = "+was, "role = "+a.held, 1)
		case r.IntN(4) == 0:
			m.above = fmt.Sprintf("# mine %d\n", m.edits)
			text = m.above + text[strings.IndexByte(text, '\n')+1:]
		case a.isUsers || a.isHeld && len(a.lines) < 3:
			if a.isUsers && r.IntN(2) == 0 {
				a.isUsers, a.lines = false, nil
				before, after, _ := strings.Cut(text, header)
				_, rest, found := strings.Cut(after, "\n[")
				if found {
					rest = "[" + rest
				}
				text = before + rest
				break
			}
			a.lines = append([]string{line}, a.lines...)
			text = strings.Replace(text, header, header+line, 1)
		case !a.isHeld && len(a.lines) > 0:
			text = strings.Replace(text, header+strings.Join(a.lines, ""), "", 1)
			a.lines = nil
		case !a.isHeld:
			a.isUsers, a.lines = true, []string{usersSection}
			text += header + usersSection
		}
		return []byte(text), nil
	})
}

// sectionsOf returns the lines of each section, without blank ones.
func sectionsOf(text string) map[string][]string {
	sections := map[string][]string{}
	name := ""
	for line := range strings.Lines(text) {
		if inner, isHeader := strings.CutPrefix(line, "["); isHeader {
			name = strings.TrimSuffix(inner, "]\n")
			sections[name] = []string{}
		} else if line != "\n" {
			sections[name] = append(sections[name], line)
		}
	}
	return sections
}

func (m *model) check(t *testing.T, what string) {
	files := bothFiles(t, m.opts)
	require.True(t, strings.HasPrefix(files[0], m.above), what)
	require.NotContains(t, files[1], "CANARY", what)
	require.NotContains(t, files[1], "ASIA", what)
	held, parked := sectionsOf(files[0]), sectionsOf(files[1])
	delete(held, "")
	var wantHeld, wantParked []string
	for _, name := range m.names {
		a := m.accounts[name]
		chaims := func(line string) bool { return !strings.HasPrefix(line, "x") && line != usersSection }
		lines, isThere := held[name]
		require.Equal(t, a.isHeld || a.isUsers || len(a.lines) > 0, isThere, "%s: %s", what, name)
		require.Equal(t, strings.Join(a.lines, ""), strings.Join(slices.DeleteFunc(slices.Clone(lines), chaims), ""), "%s: %s", what, name)
		require.Equal(t, a.isHeld, slices.ContainsFunc(lines, chaims), "%s: %s", what, name)
		definition, isThere := parked[name]
		require.Equal(t, a.isParked, isThere, "%s: %s", what, name)
		require.Equal(t, a.isHeld, slices.Contains(lines, "role = "+a.held+"\n"), "%s: %s", what, name)
		require.Equal(t, a.isParked, slices.Contains(definition, "role = "+a.parked+"\n"), "%s: %s", what, name)
		for _, line := range definition {
			isOther := strings.HasPrefix(line, "aws_security_token") || strings.HasPrefix(line, "role")
			require.True(t, !a.isHeld || isOther || slices.Contains(lines, line), "%s: %s", what, line)
		}
		if a.isHeld {
			wantHeld = append(wantHeld, name)
		} else if a.isParked {
			wantParked = append(wantParked, name)
		}
	}
	require.Subset(t, m.names, slices.Collect(maps.Keys(held)), what)
	require.ElementsMatch(t, wantHeld, heldAccounts(t, m.manager), what)
	require.Equal(t, wantParked, parkedAccounts(t, m.manager), what)
}

func TestParkingAtRandom(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 4} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t)
				r := rand.New(rand.NewPCG(seed, 0))
				done := map[string]int{}
				for i := range 500 {
					what, want, err := m.step(t, r)
					what = fmt.Sprintf("step %d, %s", i, what)
					if want == nil {
						require.NoError(t, err, what)
					} else {
						require.ErrorIs(t, err, want, what)
					}
					m.check(t, what)
					done[fmt.Sprintf("%s %t", strings.Fields(what)[2], want == nil)]++
				}
				assert.Len(t, done, 11, "every outcome: %v", done)
			})
		})
	}
}

// TestParkingAtOnce: two clients park and unpark the same accounts, one of which is the own profile of one client.
func TestParkingAtOnce(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	names := []string{"own", "a", "b"}
	for _, name := range names[1:] {
		keep(t, homes(opts), name)
	}
	own := opts
	own.TempName, own.Keep = "own", true
	clients := []*chaim.Client{clientFor(t, own), clientFor(t, opts)}
	_, err := clients[0].RequestKeys(t.Context())
	require.NoError(t, err)

	// look runs under the lock of all edits.
	looks := 0
	look := func(doc []byte) ([]byte, error) {
		parked, err := os.ReadFile(parkedFile(opts))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, name := range names {
			if !strings.Contains(string(doc)+string(parked), "["+name+"]\n") {
				return nil, errors.New(name + " is in neither file")
			}
		}
		looks++
		return doc, nil
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			for range 10 {
				c, name := clients[r.IntN(2)], names[r.IntN(len(names))]
				var err error
				if r.IntN(2) == 0 {
					err = c.ParkAccount(t.Context(), name)
				} else if _, err = c.UnparkAccount(t.Context(), name); errors.Is(err, fs.ErrNotExist) {
					err = nil
				}
				if c != clients[0] || !errors.Is(err, chaim.ErrClosed) { // after its own is parked
					assert.NoError(t, err)
				}
				assert.NoError(t, sharedfile.File{Path: credentialsFile(opts)}.Edit(t.Context(), look))
			}
		})
	}
	wg.Wait()
	assert.GreaterOrEqual(t, looks, 200)
	assert.NotContains(t, read(t, parkedFile(opts)), "CANARY")
	assert.ElementsMatch(t, names, append(heldAccounts(t, clients[1]), parkedAccounts(t, clients[1])...))
	for _, name := range names {
		require.NoError(t, clients[1].ParkAccount(t.Context(), name))
	}
	assert.Equal(t, []string{"a", "b", "own"}, parkedAccounts(t, clients[1]))
	assert.Empty(t, read(t, credentialsFile(opts)))
}

// TestParkedIsLocked: another process holds the lock of chaim-parked. Calls that wait for it do not block the credentials file.
// Their error names the lock, and they go on when it is free.
func TestParkedIsLocked(t *testing.T) {
	for name, op := range map[string]func(ctx context.Context, c *chaim.Client) error{
		"park":   func(ctx context.Context, c *chaim.Client) error { return c.ParkAccount(ctx, "dev") },
		"delete": func(ctx context.Context, c *chaim.Client) error { return c.DeleteAccount(ctx, "dev") },
		"unpark": func(ctx context.Context, c *chaim.Client) error {
			_, err := c.UnparkAccount(ctx, "dev")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, chaimtest.NewServer(t))
			c := clientFor(t, opts)
			keep(t, opts, "dev")
			if name != "park" {
				require.NoError(t, c.ParkAccount(t.Context(), "dev"))
			}
			inBoth := func() {
				if name == "delete" {
					keep(t, opts, "dev")
				}
			}
			inBoth()
			lock, err := sharedfile.LockSide(parkedFile(opts)+".lock", os.O_CREATE|os.O_RDWR, false)
			require.NoError(t, err)
			require.NotNil(t, lock)

			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- op(ctx, c) }()
			for isOver := false; !isOver; {
				start := time.Now()
				keep(t, opts, "other")
				assert.Less(t, time.Since(start), 2*time.Second, "others are kept waiting")
				select {
				case err = <-ended:
					isOver = true
				default:
				}
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, parkedFile(opts)+".lock")

			inBoth()
			go func() { ended <- op(t.Context(), c) }()
			keep(t, opts, "other")
			require.NoError(t, lock.Close())
			require.NoError(t, <-ended)
			names := parkedAccounts(t, c)
			assert.Equal(t, name == "park", len(names) == 1, names)
		})
	}
}

// TestKeptProfileBehindAnIncompleteLine keeps, parks, unparks and removes profiles in files that do not end in a newline.
func TestKeptProfileBehindAnIncompleteLine(t *testing.T) {
	opts := optionsFor(t, chaimtest.NewServer(t))
	write(t, credentialsFile(opts), userFile)
	write(t, parkedFile(opts), userFile)
	before := [2]string{userFile, userFile}
	c := clientFor(t, opts)
	keep(t, opts, "dev")
	_, err := c.RenewSection(t.Context(), "dev")
	require.NoError(t, err)
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	assert.Equal(t, userFile, read(t, credentialsFile(opts)))
	require.NoError(t, c.ParkAccount(t.Context(), "dev"), "again")
	_, err = c.UnparkAccount(t.Context(), "dev")
	require.NoError(t, err)
	assert.Equal(t, userFile, read(t, parkedFile(opts)))
	profiles, err := c.MyAccountList(t.Context())
	require.NoError(t, err)
	require.Len(t, profiles, 1)
	assert.False(t, profiles[0].Live || profiles[0].Dead)
	keep(t, opts, "dev") // replaces it
	require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
	assert.Equal(t, before, bothFiles(t, opts))
}

// TestParkedTwins: the id tells whether two accounts are the same, or the name if an id is unknown.
func TestParkedTwins(t *testing.T) {
	const (
		keys   = "aws_access_key_id = ASIAEXAMPLE000000001\naws_secret_access_key = CANARY\naws_session_token = CANARY\nexpires = 4102444800\n"
		asked  = "[dev]\nduration = 1\nrole = rro\n"
		first  = "accountname = sredev\naccountid = 111111111111\n"
		second = "accountname = sredev\naccountid = 444444444444\n"
		byID   = "accountname = 444444444444\n"
		noID   = "accountname = sredev\n"
		formed = "accountname = renamed\naccountid = 111111111111\n"
		users  = "accountid = 111111111111\n"
	)
	for name, tt := range map[string]struct {
		held, parked string
		isSame       bool
	}{
		"same name, another id":       {second, first, false},
		"same name, id as the name":   {byID, first, false},
		"same id, another name":       {formed, first, true},
		"same id, name when parked":   {first, formed, true},
		"no id in the profile":        {noID, first, true},
		"no id in the definition":     {first, noID, true},
		"the same":                    {first, first, true},
		"an id without a name is not": {users, first, false},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			srv.SetOriginal(chaimtest.Original{})
			srv.AddAccount("444444444444", "sredev")
			start := func(t *testing.T) (chaim.Options, *chaim.Client, [2]string) {
				opts := optionsFor(t, srv)
				opts.Settings.SlackID, opts.Settings.WorkspaceID = srv.Settings().SlackID, srv.Settings().WorkspaceID
				write(t, credentialsFile(opts), asked+tt.held+keys)
				write(t, parkedFile(opts), asked+tt.parked)
				return opts, clientFor(t, opts), bothFiles(t, opts)
			}
			t.Run("list", func(t *testing.T) {
				_, c, _ := start(t)
				assert.Equal(t, !tt.isSame, len(parkedAccounts(t, c)) == 1)
			})
			t.Run("park", func(t *testing.T) {
				opts, c, before := start(t)
				err := c.ParkAccount(t.Context(), "dev")
				if tt.isSame {
					require.NoError(t, err)
					assert.Equal(t, asked+tt.held, read(t, parkedFile(opts)))
					return
				}
				require.Error(t, err)
				assert.Equal(t, before, bothFiles(t, opts))
				if tt.held == second {
					require.ErrorIs(t, err, chaim.ErrInUse)
					assert.ErrorContains(t, err, `[dev] is one for "sredev" with the id 111111111111`)
				}
			})
			t.Run("unpark", func(t *testing.T) {
				opts, c, before := start(t)
				creds, err := c.UnparkAccount(t.Context(), "dev")
				if tt.isSame {
					require.NoError(t, err)
					assert.Contains(t, ownerOf(t, srv, creds), "::111111111111:")
					assert.Empty(t, read(t, parkedFile(opts)))
					return
				}
				require.ErrorIs(t, err, chaim.ErrInUse)
				assert.Equal(t, before, bothFiles(t, opts))
			})
			t.Run("delete", func(t *testing.T) {
				opts, c, before := start(t)
				err := c.DeleteAccount(t.Context(), "dev")
				if tt.held == users {
					require.ErrorIs(t, err, chaim.ErrUnmanagedAccount)
					assert.Equal(t, before, bothFiles(t, opts))
					return
				}
				require.NoError(t, err)
				assert.Empty(t, read(t, credentialsFile(opts)))
				assert.Equal(t, tt.isSame, len(read(t, parkedFile(opts))) == 0)
			})
		})
	}
}
