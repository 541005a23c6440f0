package store_test

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/ids"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

func file(url string) string { return strings.TrimPrefix(url, "sqlite:") }

func TestWhatCannotBeOpened(t *testing.T) {
	private := filepath.Join(t.TempDir(), "private")
	require.NoError(t, os.Mkdir(private, 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(private, "folder"), 0o700))
	for name, tc := range map[string]struct{ url, want string }{
		"no scheme":      {"gateway.db", "its url must begin with sqlite: or postgres:"},
		"another scheme": {"mysql://root:CANARY@host/db", "its url must begin with sqlite: or postgres:"},
		"no file":        {"sqlite:", "its url names no file"},
		"no folder":      {"sqlite:" + filepath.Join(private, "none", "gateway.db"), "run chaim-gateway migrate"},
		"not migrated":   {"sqlite:" + filepath.Join(private, "gateway.db"), "run chaim-gateway migrate"},
		"a folder":       {"sqlite:" + filepath.Join(private, "folder"), "is not a file"},
		"no server":      {"postgres://u:CANARY@127.0.0.1:1/db", "open the database"},
		"a bad url":      {"postgres://u:CANARY@host:port/db", "its url cannot be read"},
		"a bad setting":  {"postgres://u:CANARY@host/db?sslmode=CANARY2", "sslmode"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Open(ctx, tc.url)
			require.ErrorContains(t, err, tc.want)
			assert.NotContains(t, err.Error(), "CANARY@")
			assert.NotContains(t, err.Error(), ":CANARY")
		})
	}
}

func TestASchemaThatThisProgramDoesNotKnowIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		_, writes := store.Pools(db)
		set := func(query string) {
			_, err := writes.ExecContext(ctx, query)
			require.NoError(t, err)
		}
		set("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)")
		storetest.Open(t, url) // a newer schema that programs of this one may use
		set("UPDATE gateway SET needs = 999")
		_, err := store.Open(ctx, url)
		require.ErrorContains(t, err, "its schema 999 is newer than this program's, which is 2: install a newer chaim-gateway")
		set("DELETE FROM goose_db_version WHERE version_id > 0")
		_, err = store.Open(ctx, url)
		require.ErrorContains(t, err, "run chaim-gateway migrate")
		set("DROP TABLE goose_db_version")
		_, err = store.Open(ctx, url)
		require.ErrorContains(t, err, "run chaim-gateway migrate")
	})
}

func TestMigratingAgainKeepsTheGateway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		require.NoError(t, apply(db, change(audit.GatewayCreated)))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				err := store.Migrate(ctx, url)
				assert.True(t, err == nil || strings.Contains(err.Error(), "another process migrates it"), err)
			})
		}
		wg.Wait()
		again := storetest.Open(t, url)
		assert.Equal(t, db.ID(), again.ID())
		assert.Empty(t, findings(t, again))
	})
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has ACLs")
	}
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	require.NoError(t, apply(db, change(audit.GatewayCreated)))
	entries, err := os.ReadDir(filepath.Dir(file(url)))
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), e.Name())
	}
	require.NoError(t, os.Chmod(file(url), 0o640))
	_, err = store.Open(ctx, url)
	require.ErrorContains(t, err, "chmod 600 it")
	require.NoError(t, os.Chmod(file(url), 0o600))
	require.NoError(t, os.Chmod(filepath.Dir(file(url)), 0o755))
	_, err = store.Open(ctx, url)
	require.ErrorContains(t, err, "chmod o-rwx it")
}

func TestPathsWithOddCharacters(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows refuses some of these names")
	}
	url := "sqlite:" + filepath.Join(t.TempDir(), "a b", "100%25?x=1&y#z.db")
	require.NoError(t, store.Migrate(ctx, url))
	db := storetest.Open(t, url)
	require.NoError(t, apply(db, change(audit.GatewayCreated)))
	assert.FileExists(t, file(url))
}

func TestOneProcessServesASQLiteFile(t *testing.T) {
	url := storetest.SQLite(t)
	server, second := storetest.Open(t, url), storetest.Open(t, url)
	lock, err := server.LockServe()
	require.NoError(t, err)
	_, err = second.LockServe()
	require.ErrorContains(t, err, "another process serves")
	require.NoError(t, apply(second, change(audit.UserAdded)), "commands can write meanwhile")
	require.NoError(t, lock.Close())
	lock, err = second.LockServe()
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}

func TestSeveralReplicasServePostgres(t *testing.T) {
	url := storetest.Postgres(t)
	for range 2 {
		lock, err := storetest.Open(t, url).LockServe()
		require.NoError(t, err)
		defer func() { require.NoError(t, lock.Close()) }()
	}
}

func TestBackup(t *testing.T) {
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	require.NoError(t, apply(db, change(audit.GatewayCreated)))
	copied := filepath.Join(filepath.Dir(file(url)), "it's a copy.db")
	require.NoError(t, db.Backup(ctx, copied))
	require.ErrorIs(t, db.Backup(ctx, copied), os.ErrExist)
	require.NoError(t, apply(db, change(audit.UserAdded)))

	restored := storetest.Open(t, "sqlite:"+copied) // it refuses a file that others may read
	assert.Equal(t, db.ID(), restored.ID())
	assert.Empty(t, findings(t, restored))
	head, err := restored.Head(ctx)
	require.NoError(t, err)
	assert.Equal(t, int64(1), head.Seq)
	require.ErrorContains(t, storetest.Open(t, storetest.Postgres(t)).Backup(ctx, copied+"2"), "pg_dump")
}

func TestAFailedBackupLeavesNoFile(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	path := filepath.Join(t.TempDir(), "copy.db")
	done, cancel := context.WithCancel(ctx)
	cancel()
	require.Error(t, db.Backup(done, path))
	assert.NoFileExists(t, path)
}

func problems(t *testing.T, db *store.DB) (fatal, warnings []string) {
	found, err := db.Check(ctx)
	require.NoError(t, err)
	for _, p := range found {
		if p.IsWarning {
			warnings = append(warnings, p.Text)
		} else {
			fatal = append(fatal, p.Text)
		}
	}
	return fatal, warnings
}

func TestCheck(t *testing.T) {
	fatal, warnings := problems(t, storetest.Open(t, storetest.SQLite(t)))
	assert.Empty(t, fatal)
	assert.Empty(t, warnings)
	fatal, warnings = problems(t, storetest.Open(t, storetest.Postgres(t)))
	assert.Empty(t, fatal)
	require.Len(t, warnings, 1)
	assert.Contains(t, warnings[0], "the gateway's role may change the audit log")
}

// serving makes a role that may serve a database, and returns the URL with which it does.
func serving(t *testing.T, owner string) string {
	role := ids.New("serve")
	db, err := sql.Open("pgx", owner)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.ExecContext(ctx, "DROP OWNED BY "+role+"; DROP ROLE "+role)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	})
	_, err = db.ExecContext(ctx, "CREATE ROLE "+role+" LOGIN")
	require.NoError(t, err)
	u, err := url.Parse(owner)
	require.NoError(t, err)
	q := u.Query()
	q.Set("serve_role", role)
	u.RawQuery = q.Encode()
	require.NoError(t, store.Migrate(ctx, u.String()))
	u.User = url.User(role)
	return u.String()
}

func TestTheServingRoleCannotChangeTheLog(t *testing.T) {
	db := storetest.Open(t, serving(t, storetest.Postgres(t)))
	fatal, warnings := problems(t, db)
	assert.Empty(t, fatal)
	assert.Empty(t, warnings)

	i := newIssue()
	for _, c := range []store.Change{
		change(audit.UserAdded, store.AddUser(store.User{Name: "ann", SourceIdentity: "ann"})),
		change(audit.UserDisabled, store.SetDisabled("ann", true), store.RevokeTokensOf("ann", now)),
		change(audit.GroupAdded, store.AddGroup("g", now)),
		change(audit.MemberAdded, store.AddMember("g", "ann")),
		change(audit.MemberRemoved, store.RemoveMember("g", "ann")),
		change(audit.GroupRemoved, store.RemoveGroup("g")),
		change(audit.TokenCreated, store.AddToken(store.Token{ID: "t", User: "ann", Kind: store.UserToken, Seal: store.Seal{MAC: []byte{1}}, Expires: farAway})),
		change(audit.PolicyApplied, store.AddPolicy(store.PolicyVersion{Seq: 1, Doc: []byte("x")})),
		change(audit.GatewayFrozen, store.Freeze("fire")),
		change(audit.IssueAllowed, store.Intend(i)),
		change(audit.IssueIssued, store.Finish(i.ID, store.Intent, store.Issued, store.IssuedKeys{ID: "ASIA1"}, "")),
		store.Redact(audit.Actor{Kind: "os"}, now, audit.Position{Seq: 1}, "a name"),
	} {
		require.NoError(t, apply(db, c), c.Events[0].Type)
	}
	_, writes := store.Pools(db)
	for _, statement := range []string{
		"UPDATE audit_event SET body = NULL", "DELETE FROM audit_event", "TRUNCATE audit_event", "UPDATE audit_batch SET auth = 0",
		"DELETE FROM audit_batch", "DROP TABLE audit_batch", "UPDATE gateway SET id = 'x'", "UPDATE token SET mac = 'x'",
		"UPDATE token SET principal = 'x'", "UPDATE policy_version SET doc = 'x'", "DELETE FROM policy_version", "DELETE FROM issue",
		"ALTER TABLE audit_event ADD x INT",
	} {
		_, err := writes.ExecContext(ctx, statement)
		require.ErrorContains(t, err, "SQLSTATE 42501", statement)
	}
	assert.Empty(t, findings(t, db))
}

func TestReadersCannotWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		reads, _ := store.Pools(storetest.Open(t, url))
		_, err := reads.ExecContext(ctx, "DELETE FROM grp")
		require.Error(t, err)
	})
}
