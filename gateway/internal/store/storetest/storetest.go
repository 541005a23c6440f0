// Package storetest makes databases for tests.
package storetest

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/ids"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// SQLite returns the URL of a new SQLite database with the newest schema.
func SQLite(t testing.TB) string {
	return migrated(t, "sqlite:"+filepath.Join(t.TempDir(), "gateway", "gateway.db"))
}

// Postgres returns the URL of a new database with the newest schema in the server whose URL is CHAIM_TEST_POSTGRES. Without it
// the test is skipped.
func Postgres(t testing.TB) string { return migrated(t, EmptyPostgres(t)) }

// EmptyPostgres is Postgres without a schema.
func EmptyPostgres(t testing.TB) string {
	server := os.Getenv("CHAIM_TEST_POSTGRES")
	if server == "" {
		t.Skip("CHAIM_TEST_POSTGRES is not the URL of a server: see gateway/.postgres")
	}
	name := ids.New("chaim_test")
	admin(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { admin(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

func admin(t testing.TB, server, statement string) {
	db, err := sql.Open("pgx", server)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(context.Background(), statement)
	require.NoError(t, err)
}

func migrated(t testing.TB, url string) string {
	require.NoError(t, store.Migrate(context.Background(), url))
	return url
}

// Each runs a test with the URL of a new database of each kind.
func Each(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// Open opens a database until the test ends.
func Open(t testing.TB, url string) *store.DB {
	db, err := store.Open(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
