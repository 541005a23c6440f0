package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/internal/gatewaytest"
)

// signedIn runs chaim for a user whose session at a gateway with protocol v1 is stored.
func signedIn(t *testing.T, args ...string) (*gatewaytest.Gateway, *exec.Cmd) {
	t.Helper()
	g, stop := gatewaytest.New()
	t.Cleanup(stop)
	home := newHome(t)
	settings := chaim.Settings{
		Endpoint: g.URL(), Protocol: "v1", Username: gatewaytest.User, UserToken: g.NewToken(time.Hour), TokenExpires: time.Now().Add(time.Hour),
	}
	require.NoError(t, settings.Store(t.Context(), home))
	return g, atGateway(chaimtest.NewServer(t), home, args...)
}

// TestEndedSessionOnATerminal offers to sign in, and goes on with the command.
func TestEndedSessionOnATerminal(t *testing.T) {
	unignore(t)
	for name, end := range map[string]func(*testing.T, *gatewaytest.Gateway, string){
		"revoked": func(_ *testing.T, g *gatewaytest.Gateway, _ string) { g.EndAll(false) },
		"expired": func(_ *testing.T, g *gatewaytest.Gateway, _ string) { g.EndAll(true) },
		"signed out": func(t *testing.T, g *gatewaytest.Gateway, home string) {
			text := fmt.Sprintf("[default]\nendpoint = %s\nprotocol = v1\nusername = test.user\n", g.URL())
			require.NoError(t, os.WriteFile(filepath.Join(home, "credentials"), []byte(text), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, cmd := signedIn(t, "exec", "sredev", "--", "sh", "-c", "echo lent to $CHAIM_ACCOUNT")
			end(t, g, cmd.Dir)
			x := onTerminal(t, cmd)
			x.shows("You are not signed in to " + g.URL() + ". Sign in now? [Y/n]: ")
			x.types("\n")
			x.shows("The page must show the code ")
			x.shows("chaim: signed in to " + g.URL() + " as test.user; ")
			x.shows("lent to sredev\n")
			assert.Equal(t, 0, x.end().ExitStatus())
		})
	}
}

func TestEndedSessionAndAPersonWhoSaysNo(t *testing.T) {
	unignore(t)
	g, cmd := signedIn(t, "exec", "sredev", "--", "sh", "-c", "echo lent")
	g.EndAll(true)
	x := onTerminal(t, cmd)
	x.shows("Sign in now? [Y/n]: ")
	x.types("n\n")
	assert.NotContains(t, x.shows("run 'chaim login "+g.URL()+"/'\n"), "lent")
	assert.Equal(t, cli.ExitDenied, x.end().ExitStatus())
	assert.NotContains(t, g.Asked(), "GET /.well-known/oauth-authorization-server")
}

// TestEndedSessionWithoutAPerson asks nothing where an SDK runs chaim, whose terminal may be that of a person.
func TestEndedSessionWithoutAPerson(t *testing.T) {
	unignore(t)
	g, cmd := signedIn(t, "credential-process", "sredev")
	g.EndAll(true)
	x := onTerminal(t, cmd)
	assert.NotContains(t, x.shows("run 'chaim login "+g.URL()+"/'\n"), "Sign in now?")
	assert.Equal(t, cli.ExitDenied, x.end().ExitStatus())
}

// TestLoginAmongSeveral lets the person pick the gateway or an Identity Center.
func TestLoginAmongSeveral(t *testing.T) {
	unignore(t)
	g, cmd := signedIn(t, "login")
	config := "[sso-session corp]\nsso_start_url = https://chaimtest.awsapps.com/start\nsso_region = eu-central-1\n"
	require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, "config"), []byte(config), 0o600))
	x := onTerminal(t, cmd)
	x.shows("Which one?")
	x.shows("Identity Center corp")
	x.types("\r")
	x.shows("chaim: signed in to " + g.URL() + " as test.user; ")
	assert.Equal(t, 0, x.end().ExitStatus())
}
