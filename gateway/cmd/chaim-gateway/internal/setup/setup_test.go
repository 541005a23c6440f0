package setup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/people"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/idp/idptest"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/gateway/policy/yaml"
)

func TestTheExampleOfAPolicyIsRight(t *testing.T) {
	doc, err := yaml.Parse(examplePolicy)
	require.NoError(t, err)
	assert.Empty(t, policy.Check(doc, &policy.Directory{Groups: []string{Admins}}))
}

func TestTheFirstUserHasAValidName(t *testing.T) {
	assert.NoError(t, people.CheckUserName(OSUser()))
}

func TestFilesOfAGatewayAreItsOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gw")
	c, err := Make(t.Context(), Plan{Dir: dir, URL: "http://127.0.0.1:8443", User: "ann", Region: "eu-west-1"})
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "keyring.json"), c.KeyRing)
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		if os.PathSeparator == '/' { // Windows has no such modes
			assert.Zero(t, info.Mode().Perm()&0o077, path)
		}
		return nil
	}))
}

func TestInitCanBeTriedAgainAfterAFailure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gw")
	plan := Plan{Dir: dir, URL: "http://127.0.0.1:8443", User: "ann", Region: "eu-west-1", Database: "sqlite:/dev/null/gateway.db"}
	_, err := Make(t.Context(), plan)
	require.Error(t, err)
	assert.NoFileExists(t, filepath.Join(dir, "config.yaml"))
	plan.Database = ""

	// It may also fail after it has made the database and the key ring.
	require.NoError(t, store.Migrate(t.Context(), "sqlite:"+filepath.Join(dir, "gateway.db")))
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "gateway.db"))
	require.NoError(t, err)
	ring, err := token.NewRing(db.ID())
	require.NoError(t, err)
	require.NoError(t, ring.Save(filepath.Join(dir, "keyring.json")))
	require.NoError(t, db.Close())

	_, err = Make(t.Context(), plan)
	require.NoError(t, err)

	// A database that has a gateway is not taken for a new one.
	plan.Dir, plan.Database = filepath.Join(t.TempDir(), "other"), "sqlite:"+filepath.Join(dir, "gateway.db")
	_, err = Make(t.Context(), plan)
	require.ErrorContains(t, err, "has a gateway already, with 1 users")
	assert.NoFileExists(t, filepath.Join(plan.Dir, "config.yaml"))
}

// made makes a gateway and returns its configuration and its database.
func made(t *testing.T) (*config.Config, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "gw")
	c, err := Make(t.Context(), Plan{Dir: dir, URL: "http://127.0.0.1:8443", User: "ann", Region: "eu-west-1"})
	require.NoError(t, err)
	return c, filepath.Join(dir, "gateway.db")
}

// viewOf is what decides in a gateway.
func viewOf(t *testing.T, c *config.Config) *store.View {
	t.Helper()
	s, err := cli.OpenWith(t.Context(), c)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	v, err := s.DB.View(t.Context())
	require.NoError(t, err)
	return v
}

// backedUp makes a backup of a gateway, and then disables its user.
func backedUp(t *testing.T, c *config.Config) (file string) {
	t.Helper()
	s, err := cli.OpenWith(t.Context(), c)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	file = filepath.Join(t.TempDir(), "backup.db")
	require.NoError(t, s.DB.Backup(t.Context(), file))
	require.NoError(t, s.Change(t.Context(), func(*store.View) (store.Change, error) {
		return store.Change{Events: []audit.Event{s.Event(audit.UserDisabled, "ann")}, Effects: []store.Effect{store.SetDisabled("ann", true)}}, nil
	}))
	return file
}

func TestBackupsOfABrokenDatabaseAreNotPutInItsPlace(t *testing.T) {
	c, path := made(t)
	broken := filepath.Join(t.TempDir(), "broken.db")
	require.NoError(t, os.WriteFile(broken, []byte("SQLite format 3\x00 and no more"), 0o600))
	require.ErrorContains(t, restoreFile(t.Context(), &cli.App{Err: os.Stderr}, c, broken), "is no backup of a gateway")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	for _, e := range entries {
		assert.NotContains(t, e.Name(), "restor")
	}
	assert.Len(t, viewOf(t, c).Users, 1)
}

func TestARestoreThatFailsLeavesNoDatabaseThatLendsWithRevokedTokens(t *testing.T) {
	c, path := made(t)
	file := backedUp(t, c)
	require.NoError(t, os.Mkdir(c.Audit.Checkpoints, 0o700)) // it cannot be read, so the restore fails in its middle
	require.Error(t, restoreFile(t.Context(), &cli.App{Err: os.Stderr}, c, file))
	assert.True(t, viewOf(t, c).Users["ann"].Disabled)
	assert.NoFileExists(t, path+".restoring")
}

func TestARestoreMovesAsideWhatACutOffOneHasLeft(t *testing.T) {
	c, path := made(t)
	file := backedUp(t, c)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path+"-wal", []byte("of the database from before"), 0o600))
	for _, end := range databaseFiles {
		require.NoError(t, os.WriteFile(path+".restoring"+end, []byte("of a restore that was cut off"), 0o600))
	}
	require.NoError(t, restoreFile(t.Context(), &cli.App{Err: os.Stderr}, c, file))
	v := viewOf(t, c)
	assert.False(t, v.Users["ann"].Disabled)
	assert.Equal(t, cli.HeldAfterRestore, v.Frozen)
	assert.FileExists(t, path+".before-restore-1-wal")
	for _, end := range databaseFiles {
		assert.NoFileExists(t, path+".restoring"+end)
	}
}

func TestADatabaseThatIsServedIsNotReplaced(t *testing.T) {
	c, _ := made(t)
	file := backedUp(t, c)
	s, err := cli.OpenWith(t.Context(), c)
	require.NoError(t, err)
	lock, err := s.DB.LockServe()
	require.NoError(t, err)
	require.ErrorContains(t, restoreFile(t.Context(), &cli.App{Err: os.Stderr}, c, file), "another process serves")
	require.NoError(t, lock.Close())
	require.NoError(t, s.Close())
	v := viewOf(t, c)
	assert.True(t, v.Users["ann"].Disabled)
	assert.Empty(t, v.Frozen)
}

func TestCheckAsksTheIdentityProvider(t *testing.T) {
	c, _ := made(t)
	at := idptest.New(t)
	c.OIDC = at.Config()
	r := &report{}
	r.checkProvider(t.Context(), c)
	at.Metadata = idptest.Claims{"issuer": at.URL + "/"}
	r.checkProvider(t.Context(), c)
	assert.Equal(t, []result{
		{"identity provider", good, at.URL + "; it must know the redirect address http://127.0.0.1:8443/auth/callback/corp"},
		{"identity provider", failed, fmt.Sprintf("identity provider corp: it says that its issuer is %q, so that is what oidc.issuer must be, "+
			"letter by letter, not %q", at.URL+"/", at.URL)},
	}, r.Results)
}
