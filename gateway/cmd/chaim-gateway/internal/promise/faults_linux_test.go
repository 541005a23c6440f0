//go:build faults

package promise

import (
	"bytes"
	"database/sql"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cluster is a PostgreSQL server of a test's own, which the test may break.
type cluster struct{ dir, url string }

func newCluster(t *testing.T, parent string) *cluster {
	c := &cluster{dir: filepath.Join(parent, "cluster")}
	c.url = c.do(t, "start")
	t.Cleanup(func() { c.do(t, "stop") })
	return c
}

// do runs a verb of the script that runs servers.
func (c *cluster) do(t *testing.T, verb string) string {
	cmd := exec.Command("sh", "../../../../.postgres", verb, c.dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, "%s: %s", verb, said.String())
	return strings.TrimSpace(string(out))
}

// folder is a folder that every user may enter. Folders of t.TempDir are closed to the user of PostgreSQL.
func folder(t *testing.T) string {
	dir, err := os.MkdirTemp("", "promise-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// smallDisk is a folder with a file system of its own.
func smallDisk(t *testing.T, size string) string {
	dir := folder(t)
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=755"))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// fill fills a disk, and returns what makes room again.
func fill(t *testing.T, dir string) (makeRoom func()) {
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = io.Copy(f, zeros{})
	require.ErrorIs(t, err, unix.ENOSPC)
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(path)) }
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// work is a gateway that serves 50 clients.
type work struct {
	*replica
	sts     *stsDouble
	clients *crowd
}

func startWork(t *testing.T, database string) *work {
	g := makeGateway(t, database)
	w := newWitness(t, g.database)
	sts := startSTS(t, w)
	g.sts = sts.URL
	g.start(t)
	return &work{g, sts, gather(t, g, w)}
}

// awaitAnswers waits until clients get keys again.
func (w *work) awaitAnswers(t *testing.T) {
	t.Helper()
	before := w.clients.count()
	require.Eventually(t, func() bool { return w.clients.count() > before+50 }, 30*time.Second, 10*time.Millisecond, "no more keys: %s", &w.said)
}

// finish ends the work and judges it.
func (w *work) finish(t *testing.T) {
	w.clients.disperse()
	w.end(t)
	judge(t, w.replica, w.sts, w.clients)
}

func TestPostgreSQLStopsAtOnce(t *testing.T) {
	c := newCluster(t, folder(t))
	w := startWork(t, c.url)
	for range 5 {
		w.awaitAnswers(t)
		c.do(t, "crash")
		pause(t.Context(), 300*time.Millisecond)
		c.do(t, "again")
	}
	w.awaitAnswers(t)
	w.finish(t)
}

func TestFullDisk(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		disk := smallDisk(t, "8m")
		dir := filepath.Join(disk, "db")
		require.NoError(t, os.Mkdir(dir, 0o700))
		testFullDisk(t, disk, "sqlite:"+filepath.Join(dir, "gateway.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		disk := smallDisk(t, "160m")
		testFullDisk(t, disk, newCluster(t, disk).url)
	})
}

func testFullDisk(t *testing.T, disk, database string) {
	w := startWork(t, database)
	w.awaitAnswers(t)
	makeRoom := fill(t, disk)
	before := w.clients.refusals()
	require.Eventually(t, func() bool { return w.clients.refusals() > before+200 }, 60*time.Second, 10*time.Millisecond, "the disk is not full")
	makeRoom()
	w.awaitAnswers(t)
	w.finish(t)
}

// TestHeldSnapshot holds a snapshot, as pg_dump does, for which the server keeps the old versions of rows.
func TestHeldSnapshot(t *testing.T) {
	c := newCluster(t, folder(t))
	w := startWork(t, c.url)
	w.awaitAnswers(t)
	rate := func(d time.Duration) int {
		before := w.clients.count()
		pause(t.Context(), d)
		return (w.clients.count() - before) * int(time.Second) / int(d)
	}
	free := rate(5 * time.Second)
	db, err := sql.Open("pgx", w.database)
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	require.NoError(t, err)
	var n int
	require.NoError(t, tx.QueryRow(`select count(*) from audit_batch`).Scan(&n))
	pause(t.Context(), 50*time.Second)
	held := rate(10 * time.Second)
	require.NoError(t, tx.Rollback())
	t.Logf("%d keys/s, %d keys/s after a minute of a held snapshot", free, held)
	assert.Greater(t, held, free/2)
	w.finish(t)
}

// TestSlowSTS lets STS answer after more time than an issue may take.
func TestSlowSTS(t *testing.T) {
	w := startWork(t, "")
	w.awaitAnswers(t)
	w.sts.setDelay(25 * time.Second)
	pause(t.Context(), 28*time.Second)
	w.sts.setDelay(0)
	w.awaitAnswers(t)
	w.finish(t)
}
