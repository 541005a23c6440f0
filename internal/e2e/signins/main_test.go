//go:build interop

package signins

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// asBrowser makes this program stand in for a browser and the person before it.
const asBrowser = "CHAIM_E2E_BROWSER"

func TestMain(m *testing.M) {
	if os.Getenv(asBrowser) == "" {
		os.Exit(m.Run())
	}
	if err := allow(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// allow presses the button of the page that allows a sign-in.
func allow(page string) error {
	resp, err := http.Get(page)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	form := resp.Request.URL.Query()
	form.Set("answer", "allow")
	after, err := http.PostForm(resp.Request.URL.String(), form)
	if err != nil {
		return err
	}
	return after.Body.Close()
}

// world is a home with a profile "dev" of the double's Identity Center, for this process and its children.
type world struct {
	srv  *chaimtest.Server
	file string // of the sign-in
}

func newWorld(t *testing.T) world {
	t.Helper()
	srv := chaimtest.NewServer(t)
	home := srv.Setenv(t)
	for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN", "CHAIM_SLACKID", "CHAIM_WORKSPACEID"} {
		require.NoError(t, os.Unsetenv(name))
	}
	require.NotEmpty(t, os.Getenv("CHAIM_NODE_MODULES"), "must name the folder that npm ci has filled from internal/e2e/readers/testdata/node")
	t.Setenv("HOME", home)
	t.Setenv("NODE_PATH", os.Getenv("CHAIM_NODE_MODULES"))
	text := "[sso-session corp]\nsso_start_url = " + srv.StartURL() + "\nsso_region = eu-central-1\nsso_registration_scopes = sso:account:access\n" +
		"[profile dev]\nsso_session = corp\nsso_account_id = 111111111111\nsso_role_name = CrossAccountReadOnly\nregion = eu-west-1\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(text), 0o600))
	file := filepath.Join(home, ".aws", "sso", "cache", ssotoken.FileName("corp", ""))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	return world{srv, file}
}

// program gets keys of the profile "dev" and returns their id.
type program func(ctx context.Context) (id string, err error)

// programs returns all that share the sign-in. None of them remembers a token.
func (w world) programs(t *testing.T) map[string]program {
	t.Helper()
	return map[string]program{
		"chaim": byChaim,
		"Go":    byGo,
		"boto3": startProgram(t, "python3", "testdata/client.py"),
		"JS":    startProgram(t, "node", "testdata/client.js"),
	}
}

func byChaim(ctx context.Context) (string, error) {
	grant, err := chaim.Profiles{}.Keys(ctx, chaim.Request{Account: "dev"})
	return grant.Credentials.AccessKeyID, err
}

func byGo(ctx context.Context) (string, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile("dev"))
	if err != nil {
		return "", err
	}
	creds, err := cfg.Credentials.Retrieve(ctx)
	return creds.AccessKeyID, err
}

// startProgram starts a program that answers each line with a line, and ends with the test.
func startProgram(t *testing.T, args ...string) program {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = withoutEmpty(os.Environ())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	answers := bufio.NewReader(out)
	return func(context.Context) (string, error) {
		if _, err := io.WriteString(in, "dev\n"); err != nil {
			return "", err
		}
		answer, err := answers.ReadString('\n')
		if why, isError := strings.CutPrefix(answer, "error "); isError {
			return "", errors.New(strings.TrimSpace(why))
		}
		return strings.TrimSpace(answer), err
	}
}

// withoutEmpty returns env without empty variables, which botocore takes for values.
func withoutEmpty(env []string) (rest []string) {
	for _, variable := range env {
		if !strings.HasSuffix(variable, "=") {
			rest = append(rest, variable)
		}
	}
	return rest
}

// change changes the file of the sign-in at once, as no program does it.
func (w world) change(t *testing.T, change func(pairs map[string]any)) {
	t.Helper()
	text, err := os.ReadFile(w.file)
	require.NoError(t, err)
	pairs := map[string]any{}
	require.NoError(t, json.Unmarshal(text, &pairs), "%d bytes", len(text))
	change(pairs)
	text, err = json.Marshal(pairs)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(w.file+".new", text, 0o600))
	require.NoError(t, os.Rename(w.file+".new", w.file))
}

// age makes the token expired, so that every program must renew it.
func (w world) age(t *testing.T) {
	t.Helper()
	w.change(t, func(pairs map[string]any) {
		pairs["expiresAt"] = time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	})
}

// renewals returns how often the sign-in was renewed, and forgets it.
func (w world) renewals() (n int) {
	for _, r := range w.srv.Requests() {
		if r.Action == "CreateToken" && r.StatusCode == http.StatusOK {
			n++
		}
	}
	w.srv.Reset()
	return n
}
