package promise

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/people"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/rules"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/serving"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/setup"
	"github.com/chaim-go/chaim/gateway/internal/ambient"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

const (
	serveVariable = "CHAIM_PROMISE_SERVE" // the folder of the gateway that this process serves
	stsVariable   = "CHAIM_PROMISE_STS"   // the URL of its STS
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVariable); dir != "" {
		if err := serve(dir, os.Getenv(stsVariable)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve does what the command serve does, with another STS.
func serve(dir, sts string) error {
	ctx, signals := cli.WatchSignals(context.Background())
	defer signals.Close()
	c, _, err := config.Load(filepath.Join(dir, "config.yaml"), os.Environ())
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	assumer, err := ambient.New(ctx, ambient.Options{
		Regions: c.AWS.Regions, Endpoint: sts, Log: log,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAPROMISE", "CANARYsecret", ""),
	})
	if err != nil {
		return err
	}
	g, err := serving.Open(ctx, serving.Options{Config: c, STS: assumer, Drain: serving.Drain(0), Log: log, Version: "test"})
	if err != nil {
		return err
	}
	return g.Run(ctx)
}

const policyText = `version: 1
roles:
  rro: {aws: CrossAccountReadOnly, max: 12h}
accounts:
  - {id: "111111111111", name: sredev}
grants:
  - {id: all, to: {groups: [everyone]}, on: {ids: ["111111111111"]}, roles: [rro]}
`

// login is a user with a token.
type login struct{ user, token string }

// gateway is a gateway in a folder, with users who have tokens.
type gateway struct {
	dir, database string
	users         []login
	sts           string // the URL of its STS
}

// replica is a place where processes serve a gateway, one after the other.
type replica struct {
	gateway
	program    []string // serves; nil means the program of the test
	url, admin string
	process    *exec.Cmd
	said       bytes.Buffer // by the process
}

// makeGateway makes a gateway with a policy and 50 users, and its first replica. An empty database means SQLite.
func makeGateway(t testing.TB, database string) *replica {
	ctx := t.Context()
	g := newReplica(t, gateway{dir: filepath.Join(t.TempDir(), "gw"), database: database})
	c, err := setup.Make(ctx, setup.Plan{
		Dir: g.dir, URL: strings.TrimSuffix(g.url, "/"), Database: database, User: "admin", Region: "eu-west-1", Listen: hostOf(g.url), AdminListen: hostOf(g.admin),
	})
	require.NoError(t, err)
	if database == "" {
		g.database = "sqlite:" + filepath.Join(g.dir, "gateway.db")
	}
	s, err := cli.OpenWith(ctx, c)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(path, []byte(policyText), 0o600))
	_, err = rules.ApplyFile(ctx, s, path)
	require.NoError(t, err)
	for i := range 50 {
		name := fmt.Sprintf("user%d", i)
		require.NoError(t, s.Change(ctx, func(v *store.View) (store.Change, error) { return people.NewUser(s, v, name, nil) }))
		made, err := people.NewToken(ctx, s, name, "", time.Hour)
		require.NoError(t, err)
		g.users = append(g.users, login{name, made.Token})
	}
	require.NoError(t, s.Close())
	return g
}

// newReplica returns a replica at addresses of its own. Nothing serves there yet.
func newReplica(t testing.TB, g gateway) *replica {
	return &replica{gateway: g, url: "http://" + freeAddress(t) + "/", admin: "http://" + freeAddress(t) + "/"}
}

func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// start starts a process that serves, and waits until it is ready.
func (g *replica) start(t testing.TB) {
	t.Helper()
	g.said.Reset()
	program := g.program
	if program == nil {
		program = os.Args[:1]
	}
	g.process = exec.Command(program[0], program[1:]...)
	g.process.Env = append(os.Environ(), serveVariable+"="+g.dir, stsVariable+"="+g.sts,
		"CHAIM_GATEWAY_LISTEN="+hostOf(g.url), "CHAIM_GATEWAY_ADMIN_LISTEN="+hostOf(g.admin))
	g.process.Stderr = &g.said
	require.NoError(t, g.process.Start())
	t.Cleanup(g.kill)
	deadline := time.Now().Add(20 * time.Second)
	for !g.isReady() {
		if time.Now().After(deadline) {
			g.kill()
			require.Fail(t, "the gateway is not ready", "%s", g.said.String())
		}
		pause(t.Context(), 3*time.Millisecond)
	}
}

func hostOf(url string) string { return strings.Trim(strings.TrimPrefix(url, "http://"), "/") }

func (g *replica) isReady() bool {
	resp, err := http.Get(g.admin + "readyz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// kill kills the process with SIGKILL, if there is one, and waits for its end.
func (g *replica) kill() {
	if g.process == nil {
		return
	}
	_ = g.process.Process.Kill()
	_ = g.process.Wait()
	g.process = nil
}

// end ends the process with SIGTERM, and waits until it has drained.
func (g *replica) end(t testing.TB) {
	t.Helper()
	require.NoError(t, g.process.Process.Signal(os.Interrupt))
	err := g.process.Wait()
	g.process = nil
	require.NoError(t, err, g.said.String())
}
