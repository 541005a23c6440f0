package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/internal/gatewaytest"
)

// interrupted is a chaim that got a signal when the gateway was asked at a path. Its answer came when chaim had the signal.
type interrupted struct {
	*gatewaytest.Gateway
	token, home, talk string
	code              int
}

func interruptedAt(t *testing.T, s syscall.Signal, path string, args ...string) (r interrupted) {
	t.Helper()
	unignore(t)
	g, stop := gatewaytest.New()
	t.Cleanup(stop)
	asked, taken := make(chan struct{}, 1), make(chan struct{})
	g.Instead = func(_ http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path == path {
			asked <- struct{}{}
			select {
			case <-taken:
			case <-req.Context().Done():
			}
		}
		return false
	}
	r = interrupted{Gateway: g, home: newHome(t), token: g.NewToken(time.Hour)}
	stored := chaim.Settings{
		Endpoint: g.URL(), Protocol: "v1", Username: gatewaytest.User, UserToken: r.token, TokenExpires: time.Now().Add(time.Hour),
	}
	require.NoError(t, stored.Store(t.Context(), r.home))
	cmd := atGateway(chaimtest.NewServer(t), r.home, args...)
	talk, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	<-asked
	require.NoError(t, cmd.Process.Signal(s))
	lines := bufio.NewScanner(talk)
	for lines.Scan() {
		r.talk += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "the answer is waited for") {
			close(taken)
		}
	}
	_ = cmd.Wait()
	r.code = cmd.ProcessState.ExitCode()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		r.code = proc.Signaled + int(status.Signal())
	}
	assert.NotContains(t, r.talk, "CANARY")
	return r
}

// atGateway runs chaim with the gateway of the credentials file.
func atGateway(srv *chaimtest.Server, home string, args ...string) *exec.Cmd {
	cmd := inHome(srv, home, "chaim", args...)
	cmd.Env = append(cmd.Env, "CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN=", "BROWSER=signer-in", "TERM=xterm")
	return cmd
}

// TestSignalWhileASessionBegins ends the session that the gateway made for nobody. The one before it stays.
func TestSignalWhileASessionBegins(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		r := interruptedAt(t, s, "/oauth/token", "login")
		assert.Equal(t, proc.Signaled+int(s), r.code)
		assert.Contains(t, r.talk, "; so the new session was ended again\n")
		assert.Equal(t, 1, r.Live())
		assert.True(t, r.IsValid(r.token))
		assert.Contains(t, credentials(t, r.home), r.token)
	}
}

// TestSignalInLogout leaves the token: nothing else could end the session.
func TestSignalInLogout(t *testing.T) {
	r := interruptedAt(t, syscall.SIGINT, "/.well-known/oauth-authorization-server", "logout")
	assert.Equal(t, proc.Signaled+int(syscall.SIGINT), r.code)
	assert.Contains(t, r.talk, "may live on, so its token is still in ")
	assert.True(t, r.IsValid(r.token))
	assert.Contains(t, credentials(t, r.home), r.token)
}

// TestLoginsAtOnce leaves one session, whose token is in the file.
func TestLoginsAtOnce(t *testing.T) {
	g, stop := gatewaytest.New()
	t.Cleanup(stop)
	g.Logins().States = []string{""}
	home := newHome(t)
	first := chaim.Settings{
		Endpoint: g.URL(), Protocol: "v1", Username: gatewaytest.User, UserToken: g.NewToken(time.Hour), TokenExpires: time.Now().Add(time.Hour),
	}
	require.NoError(t, first.Store(t.Context(), home))
	srv := chaimtest.NewServer(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			out, err := atGateway(srv, home, "login", "--device").CombinedOutput()
			assert.NoError(t, err, string(out))
			assert.NotContains(t, string(out), "lives on")
		})
	}
	all.Wait()
	assert.Equal(t, 1, g.Live())
	assert.False(t, g.IsValid(first.UserToken))
	require.NoError(t, atGateway(srv, home, "logout").Run())
	assert.Zero(t, g.Live())
}

// TestEndedSessionInRenew offers to sign in also where a command goes on after a failure.
func TestEndedSessionInRenew(t *testing.T) {
	unignore(t)
	g, cmd := signedIn(t, "renew", "sredev")
	kept := exec.Command("chaim", "account", "sredev")
	kept.Dir, kept.Env = cmd.Dir, cmd.Env
	out, err := kept.CombinedOutput()
	require.NoError(t, err, string(out))
	g.EndAll(false)
	x := onTerminal(t, cmd)
	x.shows("Sign in now? [Y/n]: ")
	x.types("\n")
	x.shows("chaim: signed in to ")
	assert.Equal(t, cli.ExitOK, x.end().ExitStatus())
}

// TestLogoutThatCannotWrite says that the session has ended all the same.
func TestLogoutThatCannotWrite(t *testing.T) {
	g, cmd := signedIn(t, "logout")
	require.NoError(t, os.Chmod(cmd.Dir, 0o777)) // a folder in which chaim writes nothing
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "has ended, but removing its user token failed: ")
	assert.Zero(t, g.Live())
}
