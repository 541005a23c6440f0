//go:build !windows

package store_test

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/ids"
	"github.com/chaim-go/chaim/gateway/internal/journal"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

func init() { children["fill"] = fillTheDisk }

// cluster is a PostgreSQL server of a test's own.
type cluster struct{ dir, url string }

func newCluster(t *testing.T, env ...string) *cluster {
	if os.Getenv("CHAIM_TEST_POSTGRES") == "" {
		t.Skip("CHAIM_TEST_POSTGRES says that there is PostgreSQL: see gateway/.postgres")
	}
	dir, err := os.MkdirTemp("/tmp", "chaim-pg") // the path of a socket is short
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	c := &cluster{dir: filepath.Join(dir, "pg")}
	t.Cleanup(func() { c.do(t, "stop") })
	c.url = strings.TrimSpace(c.do(t, "start", env...))
	require.NoError(t, store.Migrate(ctx, c.url))
	return c
}

func (c *cluster) do(t *testing.T, verb string, env ...string) string {
	cmd := exec.Command("../../.postgres", verb, c.dir)
	cmd.Env = append(os.Environ(), env...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	require.NoError(t, err, problems.String())
	return string(out)
}

// admin runs statements as the owner of the server.
func (c *cluster) admin(t *testing.T, statements ...string) {
	db, err := sql.Open("pgx", c.url)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for _, s := range statements {
		_, err := db.ExecContext(ctx, s)
		require.NoError(t, err, s)
	}
}

func TestAServerThatCrashesKeepsWhatItConfirmed(t *testing.T) {
	c := newCluster(t)
	db := storetest.Open(t, c.url)
	j := journal.New(db, journal.Options{Writer: "test"})
	var mu sync.Mutex
	var said []string
	failures := 0
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := newIssue()
				err := j.Append(ctx, issueChange(audit.IssueAllowed, i.ID, store.Intend(i)))
				if err == nil {
					err = j.Append(ctx, issueChange(audit.IssueIssued, i.ID,
						store.Finish(i.ID, store.Intent, store.Issued, store.IssuedKeys{ID: ids.New("key")}, "")))
				}
				mu.Lock()
				if err == nil {
					said = append(said, "allowed "+i.ID, "issued "+i.ID)
				} else {
					failures++
				}
				mu.Unlock()
			}
		})
	}
	grows := func(what string) {
		mu.Lock()
		before := len(said)
		mu.Unlock()
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(said) > before+10
		}, 20*time.Second, 10*time.Millisecond, what)
	}
	for range 3 {
		grows("the server runs")
		c.do(t, "crash")
		c.do(t, "again")
	}
	grows("the server runs again")
	close(stop)
	wg.Wait()
	require.NoError(t, j.Close())
	assert.Positive(t, failures)
	checkIssues(t, db, said)
	t.Logf("%d durable, %d failures", len(said), failures)
}

func TestACommitThatIsNotConfirmedIsUnknown(t *testing.T) {
	c := newCluster(t)
	db := storetest.Open(t, c.url)
	require.NoError(t, apply(db, change(audit.GatewayCreated)))
	c.admin(t, "ALTER SYSTEM SET synchronous_standby_names = 'none'", "SELECT pg_reload_conf()")
	waits := func() bool {
		reads, _ := store.Pools(db)
		var n int
		require.NoError(t, reads.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").Scan(&n))
		return n == 1
	}
	result := make(chan error)
	require.Eventually(t, func() bool { // until the settings have arrived
		go func() { result <- apply(db, change(audit.UserAdded)) }()
		select {
		case err := <-result:
			require.NoError(t, err)
			return false
		case <-time.After(500 * time.Millisecond):
			return true
		}
	}, 20*time.Second, time.Millisecond)

	require.Eventually(t, waits, 5*time.Second, 10*time.Millisecond)
	c.admin(t, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	err := <-result
	require.ErrorIs(t, err, store.ErrUnknown, "the server committed, with a warning")
	require.ErrorContains(t, err, "canceling wait for synchronous replication")

	begun := time.Now()
	go func() { result <- apply(db, change(audit.UserAdded)) }()
	require.ErrorIs(t, <-result, store.ErrUnknown, "no answer within two seconds")
	assert.Less(t, time.Since(begun), 10*time.Second)

	c.admin(t, "SET synchronous_commit = local", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
		"ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool { return apply(db, change(audit.GatewayStopped)) == nil }, 20*time.Second, 10*time.Millisecond)
	assert.Empty(t, findings(t, db))
}

func TestUnsafeSettingsAreProblems(t *testing.T) {
	c := newCluster(t)
	c.admin(t, "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()")
	db := storetest.Open(t, c.url)
	require.Eventually(t, func() bool {
		fatal, _ := problems(t, db)
		all := strings.Join(fatal, "\n")
		return len(fatal) == 2 && strings.Contains(all, "fsync=off") && strings.Contains(all, "full_page_writes=off")
	}, 10*time.Second, 10*time.Millisecond)
}

// noise is text that cannot be compressed.
func noise(n int) (texts []string) {
	for range n {
		texts = append(texts, rand.Text())
	}
	return texts
}

// untilFull issues until the database refuses it, and returns what was durable.
func untilFull(db *store.DB) (said []string, err error) {
	for {
		i := newIssue()
		c := issueChange(audit.IssueAllowed, i.ID, store.Intend(i))
		c.Events[0].Actor.Agent = strings.Join(noise(3000), "")
		if err := apply(db, c); err != nil {
			return said, err
		}
		said = append(said, "allowed "+i.ID)
	}
}

func TestAFullDiskOfPostgresRefusesChangesAsAWhole(t *testing.T) {
	c := newCluster(t, "WAL_SEGMENT=1")
	c.do(t, "crash")
	c.do(t, "again", "FILE_LIMIT=4096") // 2 MiB
	db := storetest.Open(t, c.url)
	said, err := untilFull(db)
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrForked)
	require.NotEmpty(t, said)
	t.Log(err)
	more, err := untilFull(db)
	require.Error(t, err)
	said = append(said, more...)
	c.do(t, "crash")
	c.do(t, "again")
	i := newIssue()
	require.Eventually(t, func() bool { return apply(db, issueChange(audit.IssueAllowed, i.ID, store.Intend(i))) == nil },
		10*time.Second, 10*time.Millisecond)
	checkIssues(t, db, append(said, "allowed "+i.ID))
}

// fillTheDisk issues until its files are as large as they may be, then without that limit.
func fillTheDisk(url string) error {
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	low := limit
	low.Cur = 2 << 20
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &low); err != nil {
		return err
	}
	said, full := untilFull(db)
	again, fullAgain := untilFull(db)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if errors.Is(full, store.ErrForked) || errors.Is(fullAgain, store.ErrForked) {
		return full
	}
	i := newIssue()
	if err := apply(db, issueChange(audit.IssueAllowed, i.ID, store.Intend(i))); err != nil {
		return fmt.Errorf("with space again: %w", err)
	}
	fmt.Println(strings.Join(append(append(said, again...), "allowed "+i.ID), "\n"))
	return db.Close()
}

func TestAFullDiskOfSQLiteRefusesChangesAsAWhole(t *testing.T) {
	url := storetest.SQLite(t)
	c := child(t, "fill", url)
	c.Stderr = os.Stderr
	out, err := c.Output()
	require.NoError(t, err)
	said := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Greater(t, len(said), 5)
	checkIssues(t, storetest.Open(t, url), said)
}
