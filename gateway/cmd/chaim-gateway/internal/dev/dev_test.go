package dev

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// valueOf is the value of a variable in an environment. It must be there once at most.
func valueOf(t *testing.T, env []string, name string) (value string, isSet bool) {
	t.Helper()
	for _, v := range env {
		if text, isIt := cutVariable(v, name); isIt {
			require.False(t, isSet, "%s is there twice", name)
			value, isSet = text, true
		}
	}
	return value, isSet
}

func TestProgramsHaveAHomeOfTheirOwnAndNoKeysOfTheCaller(t *testing.T) {
	for _, name := range []string{
		"CHAIM_TOKEN", "CHAIM_URL", "CHAIM_GATEWAY_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ENDPOINT_URL",
	} {
		t.Setenv(name, "CANARY")
	}
	t.Setenv("HOME", "/home/caller")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/home/caller/.aws/credentials")
	t.Setenv("OTHER", "stays")
	double := newDouble()
	defer double.Close()
	d := &devGateway{dir: t.TempDir()}
	env := d.environ(t.Context(), double)

	assert.NotContains(t, strings.Join(env, "\n"), "CANARY")
	home, _ := valueOf(t, env, "HOME")
	assert.Equal(t, d.home(), home)
	credentials, _ := valueOf(t, env, "AWS_SHARED_CREDENTIALS_FILE")
	assert.Equal(t, filepath.Join(d.home(), ".aws", "credentials"), credentials)
	sts, _ := valueOf(t, env, "AWS_ENDPOINT_URL_STS")
	assert.Equal(t, double.STSURL(), sts)
	other, _ := valueOf(t, env, "OTHER")
	assert.Equal(t, "stays", other)
	path, _ := valueOf(t, env, "PATH")
	assert.True(t, strings.HasPrefix(path, d.bin()+string(filepath.ListSeparator)))
	config, _ := valueOf(t, env, "CHAIM_GATEWAY_CONFIG")
	assert.Equal(t, d.configPath(), config)
	cache, _ := valueOf(t, env, "GOCACHE")
	assert.NotEmpty(t, cache)
	assert.False(t, strings.HasPrefix(cache, d.home()))

	env = d.environ(t.Context(), nil) // with --aws
	_, isSet := valueOf(t, env, "AWS_ENDPOINT_URL_STS")
	assert.False(t, isSet)
	assert.NotContains(t, strings.Join(env, "\n"), "CANARY")
}

// TestAStrangerHasKeysInOneCommand runs what the README and docs/gateway.md tell a stranger to run, in a clone with an empty
// home. Only the caches of Go are kept, or the test would measure the network.
func TestAStrangerHasKeysInOneCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("the command is one of a shell of Unix")
		return
	}
	root, err := filepath.Abs("../../../../..")
	require.NoError(t, err)
	home := t.TempDir()
	caches := goVariables(t.Context())
	require.NotEmpty(t, caches)
	cmd := exec.CommandContext(t.Context(), "go", "-C", "gateway", "run", "./cmd/chaim-gateway", "dev", "--", "sh", "-c",
		`cd .. && go run ./cmd/chaim exec sredev -- sh -c "echo | go run ./cmd/chaim/testdata/interop/client.go" &&
		go run ./cmd/chaim whoami sredev && chaim-gateway audit verify`)
	cmd.Dir = root
	cmd.Env = append(append(os.Environ(), caches...), "HOME="+home)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Regexp(t, `(?m)^111111111111$`, string(out)) // the account in which a program of the SDK is
	assert.Regexp(t, `(?m)^arn +arn:aws:sts::111111111111:assumed-role/CrossAccountReadOnly/[a-z0-9._@-]+$`, string(out))
	assert.Contains(t, string(out), "is whole")
	entries, err := os.ReadDir(home)
	require.NoError(t, err)
	for _, e := range entries {
		assert.NotEqual(t, ".aws", e.Name())
	}
	assert.NotContains(t, string(out), "CANARY")
}
