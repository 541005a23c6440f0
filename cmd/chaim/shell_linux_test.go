package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
)

// shellOn starts a shell by 'chaim exec' with these words, on a terminal.
func shellOn(t *testing.T, srv *chaimtest.Server, home, shell string, words ...string) *session {
	t.Helper()
	unignore(t)
	cmd := inHome(srv, home, "chaim", append([]string{"exec"}, words...)...)
	cmd.Env = append(cmd.Env, "SHELL="+shell, "TERM=dumb")
	return onTerminal(t, cmd)
}

func TestShellTellsWhereItIs(t *testing.T) {
	srv, home := chaimtest.NewServer(t), newHome(t)
	x := shellOn(t, srv, home, "/bin/sh", "Connected Homes", "mpu")
	assert.Regexp(t, `^chaim: "?Connected Homes"? as mpu until (\d{4}-\d\d-\d\d )?\d\d:\d\d, renewed before that; exit or Ctrl-D gives the keys back\n$`, x.shows("> "))
	x.types("echo $AWS_PROFILE.\n")
	x.shows("Connected-Homes-mpu.\n> ")
	x.types("\x04")
	assert.Zero(t, x.end().ExitStatus())
	isClean(t, home)

	// The name is taken by the first of two shells, and by the user.
	x = shellOn(t, srv, home, "/bin/sh", "sredev", "--pass-gateway")
	x.shows("> ")
	x.types("chaim exec sredev\n")
	x.shows("> ")
	x.types("echo $AWS_PROFILE.\n")
	assert.Regexp(t, `^sredev-rro-[a-z2-7]{12}$`, x.shows(".\n"))
	x.types("exit\nexit 3\n")
	assert.Equal(t, 3, x.end().ExitStatus())
	isClean(t, home)

	x = shellOn(t, srv, home, "/bin/sh", "sredev", "--alias", "mine")
	x.shows("> ")
	x.types("echo $AWS_PROFILE.\n")
	x.shows("mine.\n")
	x.types("exit\n")
	x.end()

	x = shellOn(t, srv, home, "/bin/sh", "sredev", "--env")
	assert.NotContains(t, x.shows("> "), "renewed")
	x.types("echo $AWS_CREDENTIAL_EXPIRATION.\n")
	assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`, x.shows(".\n"))
	x.types("exit\n")
	x.end()
	isClean(t, home)
}

// TestShellWithoutTerminal has the usual name, and no greeting.
func TestShellWithoutTerminal(t *testing.T) {
	cmd := inHome(chaimtest.NewServer(t), newHome(t), "chaim", "exec", "sredev")
	cmd.Stdin = strings.NewReader("echo $AWS_PROFILE\n")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, "tempname\n", string(out))
}

const notice = "chaim: the keys of sredev as rro end at "

// TestEndOfKeysIsToldAtThePrompt has keys that end soon. What the shell may be doing instead is tested in package proc.
func TestEndOfKeysIsToldAtThePrompt(t *testing.T) {
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	srv, home := chaimtest.NewServer(t), newHome(t)
	srv.SetLifetime(5 * time.Minute)
	x := shellOn(t, srv, home, bash, "sredev", "--env")
	x.shows(notice)
	x.shows(" and are not renewed\r\n")
	x.types("exit 3\n")
	assert.Equal(t, 3, x.end().ExitStatus())
	isClean(t, home)
}

// TestPromptSnippet runs what the help of exec says for bash.
func TestPromptSnippet(t *testing.T) {
	root := (&call{app: &cli.App{}}).root()
	cmd, _, err := root.Find([]string{"exec"})
	require.NoError(t, err)
	_, after, _ := strings.Cut(cmd.Long, "~/.bashrc:\n")
	snippet, _, _ := strings.Cut(after, "\n")
	require.Contains(t, snippet, "PS1=")
	for account, want := range map[string]string{
		"Connected Homes": "[Connected Homes rro] $ ", "": "$ ", "$(touch run)`touch run`": "[$(touch run)`touch run` rro] $ ",
	} {
		shell := exec.Command("bash", "--norc", "--noprofile", "-c", "PS1='$ '\n"+snippet+"\nprintf %s \"${PS1@P}\"")
		shell.Dir = t.TempDir()
		shell.Env = append(os.Environ(), "CHAIM_ACCOUNT="+account, "CHAIM_ROLE=rro")
		out, err := shell.Output()
		require.NoError(t, err)
		assert.Equal(t, want, string(out))
		assert.NoFileExists(t, filepath.Join(shell.Dir, "run"))
	}
}
