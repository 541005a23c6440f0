package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
)

// eachTest is a gateway, and a folder that is also where the program runs.
type eachTest struct {
	*testing.T
	srv *chaimtest.Server
	dir string
}

func newEachTest(t *testing.T) *eachTest {
	return &eachTest{t, chaimtest.NewServer(t), t.TempDir()}
}

// command is one that runs chaim each.
func (e *eachTest) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(e.Context(), "chaim", append([]string{"each"}, args...)...)
	cmd.Env = append(os.Environ(), append(e.srv.Environ(e.dir), "HOME="+e.dir)...)
	cmd.Dir = e.dir
	return cmd
}

// nothingLeft fails if there is a profile, or a trace of a scope.
func (e *eachTest) nothingLeft() {
	e.Helper()
	text, err := os.ReadFile(filepath.Join(e.dir, "credentials"))
	require.NoError(e, err)
	assert.Empty(e, string(text))
	assert.Empty(e, leftIn(e.T, e.dir))
}

// leftIn returns the files in chaim's folder below home, without the names of accounts that it has listed.
func leftIn(t *testing.T, home string) (left []string) {
	t.Helper()
	for _, pattern := range []string{"*", "names/*"} {
		files, err := filepath.Glob(filepath.Join(home, "chaim", pattern))
		require.NoError(t, err)
		left = append(left, files...)
	}
	return slices.DeleteFunc(left, func(path string) bool { // names may stay, and the lock of those who refresh them
		return strings.HasSuffix(path, "names") || strings.HasSuffix(path, filepath.Join("names", "refresh.lock"))
	})
}

func TestGatewayThatGoesAway(t *testing.T) {
	e := newEachTest(t)
	e.srv.Inject(1, chaimtest.Rewrite(func(body string) string { return body })) // the list of accounts
	e.srv.Inject(-1, chaimtest.Status(503))
	cmd := e.command("--match", "sredev", "--match", "O*", "--", "touch", "began")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	assert.Error(t, cmd.Run())
	assert.Equal(t, cli.ExitFailed, cmd.ProcessState.ExitCode())
	assert.Regexp(t, `(?m)^sredev +111111111111 +.*503`, stderr.String())
	assert.Contains(t, stderr.String(), "chaim: 2 accounts, 2 failed, in ")
	assert.NotContains(t, stderr.String(), "ca9a12e5-")
	assert.NoFileExists(t, filepath.Join(e.dir, "began"))
	assert.NoFileExists(t, filepath.Join(e.dir, "credentials"))
}
