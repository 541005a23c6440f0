//go:build neighbours && linux

package neighbours

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// Environment variables of a child process.
const (
	programVariable = "CHAIM_TEST_PROGRAM"
	dirVariable     = "CHAIM_TEST_DIR"
)

// TestMain also runs in the child processes. Each of them runs one of the programs.
func TestMain(m *testing.M) {
	programs := map[string]func(dir string) error{"scopes": openScopes, "restless": borrowUntilTold, "mortal": churn}
	_ = os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	program := os.Getenv(programVariable)
	if program == "" {
		os.Exit(m.Run())
	}
	if err := programs[program](os.Getenv(dirVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, program, dir string) *exec.Cmd {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), programVariable+"="+program, dirVariable+"="+dir)
	return cmd
}

// figure returns how often to do something: the first figure in CI, and the second in a soak run.
func figure(ci, soak int) int {
	if os.Getenv("CHAIM_SOAK") == "1" {
		return soak
	}
	return ci
}

// home is a folder with a credentials file, which at the start has a number of profiles of users.
type home struct {
	dir, path string
	users     int
	text      string
}

func newHome(t *testing.T, users int) home {
	var text strings.Builder
	text.WriteString("# Mine. Ask before you change it!\n")
	for i := range users {
		fmt.Fprintf(&text, "\n# number %d,\n#   with a token\n[%s]\naws_access_key_id=%s\naws_secret_access_key   = %s\n", i, user(i), userKey(i), userSecret)
		text.WriteString("aws_session_token = first\n\n; nobody knows what this is for\nregion = eu-west-1 \t\n")
	}
	h := home{dir: t.TempDir(), users: users, text: text.String()}
	h.path = filepath.Join(h.dir, "credentials")
	require.NoError(t, os.WriteFile(h.path, []byte(h.text), 0o600))
	return h
}

const userSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

func user(i int) string    { return fmt.Sprintf("user-%d", i) }
func userKey(i int) string { return fmt.Sprintf("AKIAUSER%012d", i) }

var tokenLine = regexp.MustCompile(`(?m)^aws_session_token = .*$`)

// assertUntouched checks that only session tokens differ from the start, and that no other files are left.
func (h home) assertUntouched(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(h.path)
	require.NoError(t, err)
	assert.Equal(t, h.text, tokenLine.ReplaceAllString(string(text), "aws_session_token = first"))
	for _, i := range []int{0, h.users - 1} {
		found, err := readProfile(h.path, user(i))
		assert.NoError(t, err)
		assert.Equal(t, userKey(i), found.AccessKeyID)
		assert.Equal(t, userSecret, found.SecretAccessKey)
	}

	var left []string
	require.NoError(t, filepath.WalkDir(h.dir, func(path string, entry fs.DirEntry, err error) error {
		if path != h.path && path != h.path+".lock" && !entry.IsDir() {
			left = append(left, path)
		}
		return err
	}))
	assert.Empty(t, left)
}

// readProfile returns the keys that an SDK reads.
func readProfile(path, profile string) (aws.Credentials, error) {
	cfg, err := config.LoadSharedConfigProfile(context.Background(), profile, func(o *config.LoadSharedConfigOptions) {
		o.CredentialsFiles, o.ConfigFiles = []string{path}, []string{}
	})
	return cfg.Credentials, err
}

// checkKeys tells why an SDK would not find the client's keys.
func checkKeys(path string, c *chaim.Client) error {
	found, err := readProfile(path, c.Profile())
	if err == nil && found.AccessKeyID != c.Creds().AccessKeyID {
		err = fmt.Errorf("profile %s has key %s", c.Profile(), found.AccessKeyID)
	}
	return err
}

// options returns options with a source that gives new keys at each call.
func options(dir string) chaim.Options {
	source := func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID:     "ASIA" + rand.Text()[:16],
			SecretAccessKey: rand.Text(),
			SessionToken:    rand.Text(),
			CanExpire:       true,
			Expires:         time.Now().Add(time.Hour),
		}, nil
	}
	return chaim.Options{Account: "sredev", Dir: dir, Source: aws.CredentialsProviderFunc(source)}
}

// commitsOfBorrow is how often borrow changes the file.
const commitsOfBorrow = 3

// borrow opens a scope, renews its keys and closes it.
func borrow(ctx context.Context, dir string) error {
	return chaim.WithContext(ctx, options(dir), func(ctx context.Context, c *chaim.Client) error {
		_, err := c.RequestKeys(ctx)
		return err
	})
}

// python is a running script that has printed that it is ready.
type python struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startPython(t *testing.T, args ...string) python {
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // the end of t.Context has killed it if it still ran
	p := python{in, bufio.NewReader(out)}
	ready, err := p.line()
	require.NoError(t, err)
	require.Equal(t, "ready", ready)
	return p
}

func (p python) line() (string, error) {
	line, err := p.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

// ask waits for the script's answer to a line.
func (p python) ask(line string) error {
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		return err
	}
	answer, err := p.line()
	if err == nil && answer != "done" {
		err = errors.New(answer)
	}
	return err
}
