// Package examples_test builds the examples and runs them with a double, as a user would.
package examples_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

const child = "CHAIM_EXAMPLE_CHILD"

// TestMain lets the test binary be the program that examples/with runs. It prints its identity, as the AWS SDK finds it.
func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	id, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(aws.ToString(id.Arn))
}

// run builds and runs an example, or a file, with an environment of its own, and returns its output.
func run(t *testing.T, srv *chaimtest.Server, home, example string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), build(t, example), args...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	if srv != nil {
		cmd.Env = append(cmd.Env, srv.Environ(home)...)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func build(t *testing.T, example string) string {
	t.Helper()
	source := "./" + example
	if filepath.IsAbs(example) {
		source = example
	}
	binary := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(example), ".go"))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

func TestWith(t *testing.T) {
	t.Setenv(child, "1")
	srv := chaimtest.NewServer(t)
	home := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	assert.Contains(t, run(t, srv, home, "with", self), "arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/")
	text, err := os.ReadFile(filepath.Join(home, "credentials"))
	require.NoError(t, err)
	assert.Empty(t, text)
}

var shownKeys = regexp.MustCompile(`(?m)^chaim\.AwsCreds\{Region:"eu-west-1" AccessKeyID:"\.\.\.(\w{4})" ` +
	`SecretAccessKey:\[secret\] SessionToken:\[secret\] AccountID:"\d*" Expires:20.*Z\}$`)

func TestSTS(t *testing.T) {
	home := t.TempDir()
	out := run(t, nil, home, "sts")
	assert.Len(t, shownKeys.FindAllString(out, -1), 1, out)
	assert.NotContains(t, out, "CANARY")

	out = run(t, nil, home, "sts", "-renew")
	assert.NotContains(t, out, "CANARY")
	assert.Contains(t, out, "state: ok\n")
	shown := shownKeys.FindAllStringSubmatch(out, -1)
	require.Len(t, shown, 2, out)
	assert.NotEqual(t, shown[0][1], shown[1][1])

	entries, err := os.ReadDir(home)
	require.NoError(t, err)
	assert.Empty(t, entries, "the user's home is not touched")
}

func TestSTSWithKeysOfTheSDK(t *testing.T) {
	srv := chaimtest.NewServer(t)
	keys := srv.AddKeys("sredev", "somebody")
	home := t.TempDir()
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", keys.AccessKeyID, keys.SecretAccessKey)
	require.NoError(t, os.WriteFile(filepath.Join(home, "credentials"), []byte(text), 0o600))
	out := run(t, srv, home, "sts", "-real", "-role", "arn:aws:iam::222222222222:role/CrossAccountAdminUser")
	assert.Len(t, shownKeys.FindAllString(out, -1), 1, out)

	requests := srv.Requests()
	require.Len(t, requests, 1)
	assert.Equal(t, []string{"AssumeRole", "somebody", "222222222222", "CrossAccountAdminUser"},
		[]string{requests[0].Action, requests[0].User, requests[0].Account, requests[0].Role})
}

// snippetMain makes a program of the README's function: it lends a profile to the program in its arguments.
const snippetMain = `package main

import (
	"context"
	"log"
	"os"
	"os/exec"

	"github.com/chaim-go/chaim"
)

func main() {
	if err := lend(context.Background(), os.Args[1], os.Args[2:]...); err != nil {
		log.Fatal(err)
	}
}

`

func TestSnippetOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	snippet, _, isWhole := strings.Cut(rest, "```\n")
	require.True(t, isWhole)
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(snippetMain+snippet), 0o600))

	t.Setenv(child, "1")
	srv := chaimtest.NewServer(t)
	home := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	assert.Contains(t, run(t, srv, home, file, self), "arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/")
	text, err := os.ReadFile(filepath.Join(home, "credentials"))
	require.NoError(t, err)
	assert.Empty(t, text)
}

func TestQuickstartWithAConfiguredGateway(t *testing.T) {
	srv := chaimtest.NewServer(t)
	out := run(t, srv, t.TempDir(), "quickstart", "-real", "-account", "Connected Homes", "-role", "apu")
	assert.Contains(t, out, "arn:aws:sts::222222222222:assumed-role/CrossAccountAdminUser/")
	assert.Contains(t, out, "is gone")
	assert.NotContains(t, out, "double")
}

func TestQuickstart(t *testing.T) {
	home := t.TempDir()
	out := run(t, nil, home, "quickstart")
	for _, s := range []string{"(a test double)", `profile "tempname" is lent`, "arn:aws:sts::111111111111:assumed-role/CrossAccountPowerUser/", "is gone", "ExpiredToken"} {
		assert.Contains(t, out, s)
	}
	entries, err := os.ReadDir(home)
	require.NoError(t, err)
	assert.Empty(t, entries, "the user's home is not touched")

	_, scratch, _ := strings.Cut(out, "home      ")
	scratch, _, _ = strings.Cut(scratch, " ")
	require.NotEmpty(t, scratch)
	assert.NoDirExists(t, scratch)
}
