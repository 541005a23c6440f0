package credcache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/profiles"
)

const (
	folderVariable = "CHAIM_CREDCACHE_FOLDER"
	umaskVariable  = "CHAIM_CREDCACHE_UMASK" // of a user other than root, where the test has the right
)

// TestMain is also what a process runs that asks for keys once.
func TestMain(m *testing.M) {
	folder := os.Getenv(folderVariable)
	if folder == "" {
		os.Exit(m.Run())
	}
	if mask := os.Getenv(umaskVariable); mask != "" {
		becomeNobody(mask)
	}
	fmt.Println("started")
	cache := Cache{folder: folder}
	creds, err := cache.Get(context.Background(), Key("sredev"), fromGateway)
	switch {
	case errors.Is(err, chaim.ErrDenied):
		fmt.Println("denied:", err)
	case err != nil:
		fmt.Println("failed:", err)
	default:
		fmt.Println("keys", creds.AccessKeyID)
	}
}

func fromGateway(ctx context.Context) (chaim.AwsCreds, error) {
	client, err := chaim.New(chaim.Options{Account: "sredev"})
	if err != nil {
		return chaim.AwsCreds{}, err
	}
	defer client.Close()
	return client.RequestKeys(ctx)
}

// process is one that asks for keys.
type process struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// start returns once the process is about to ask.
func start(t *testing.T, srv *chaimtest.Server, folder string, env ...string) process {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	home := filepath.Dir(filepath.Dir(folder))
	cmd.Env = append(append(os.Environ(), srv.Environ(home)...), append(env, folderVariable+"="+folder)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := process{cmd, bufio.NewReader(out)}
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	return p
}

// answer is what the process was told.
func (p process) answer(t *testing.T) string {
	t.Helper()
	line, err := io.ReadAll(p.out)
	require.NoError(t, err)
	require.NoError(t, p.cmd.Wait())
	for _, secret := range []string{"CANARY", "ca9a12e5-"} {
		require.NotContains(t, string(line), secret)
	}
	return string(line)
}

func (p process) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	assert.Error(t, p.cmd.Wait())
}

func newFolder(t *testing.T) string {
	t.Helper()
	folder, err := profiles.FolderBeside(filepath.Join(t.TempDir(), ".aws", "credentials"))
	require.NoError(t, err)
	return filepath.Join(folder, folderName)
}

func newCreds(id string, lifetime time.Duration) chaim.AwsCreds {
	return chaim.AwsCreds{
		Region:          "eu-west-1",
		AccessKeyID:     "ASIAEXAMPLE00000" + id,
		SecretAccessKey: "CANARY-secret",
		SessionToken:    "CANARY-token",
		Expires:         time.Now().Add(lifetime).Round(0).UTC(),
	}
}
