package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

// TestInitOnTerminal gives wrong answers and then a whole message, of which nothing is left for the shell to run.
func TestInitOnTerminal(t *testing.T) {
	t.Parallel()
	srv := chaimtest.NewServer(t)
	srv.SetOriginal(chaimtest.Original{})
	s := srv.Settings()
	initString := func(token string) string {
		return base64.URLEncoding.EncodeToString(fmt.Appendf(nil, "endpoint=%s&username=%s&usertoken=%s&slackid=%s&workspaceid=%s",
			srv.GatewayURL(), s.Username, token, s.SlackID, s.WorkspaceID))
	}
	home := t.TempDir()
	user, terminal, err := pty.Open()
	require.NoError(t, err)
	defer user.Close()
	defer terminal.Close()
	self, err := os.Executable()
	require.NoError(t, err)
	chaim := filepath.Join(t.TempDir(), "chaim")
	require.NoError(t, os.Symlink(self, chaim))
	cmd := exec.CommandContext(t.Context(), chaim, "init")
	cmd.Env = append(os.Environ(), srv.Environ(home)...)
	cmd.Env = append(cmd.Env, "HOME="+home, "CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN=", "CHAIM_SLACKID=", "CHAIM_WORKSPACEID=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	require.NoError(t, cmd.Start())

	var shown bytes.Buffer
	one := make([]byte, 1)
	answer := func(prompt, text string) {
		t.Helper()
		for !bytes.HasSuffix(shown.Bytes(), []byte(prompt)) {
			_, err := user.Read(one)
			require.NoError(t, err, "%s", &shown)
			shown.Write(one)
		}
		_, err := user.WriteString(text)
		require.NoError(t, err)
	}
	answer("Init string (not shown; empty to answer one by one): ", "nonsense\n")
	answer("Init string (not shown): ", "cca init "+initString("ca9a12e5-wrong")+"\n")
	answer("Init string (not shown; empty to answer one by one): ", "New Chaim Credentials Expire soon\nusertoken: "+s.UserToken+"\n\n```cca init "+
		initString(s.UserToken)+"```\ntouch ran\nrest of the message\nhalf a line")
	require.NoError(t, cmd.Wait(), "%s", &shown)
	assert.False(t, term.HasInput(terminal, 0), "all of it is taken")
	answer("\n", "")
	for !strings.Contains(shown.String(), "in section [default]") {
		_, err := user.Read(one)
		require.NoError(t, err, "%s", &shown)
		shown.Write(one)
	}
	assert.Contains(t, shown.String(), "copy it again in full")
	assert.Contains(t, shown.String(), "Invalid token")
	text, err := os.ReadFile(filepath.Join(home, "credentials"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "usertoken = "+s.UserToken+"\n")
	assert.Contains(t, string(text), "slackid = U0CHAIM\n")

	_, err = user.WriteString("next\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return term.HasInput(terminal, time.Second) }, time.Minute, time.Millisecond)
	line, err := bufio.NewReader(terminal).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "next\n", line, "half a line is dropped too")
}
