//go:build interop

package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

// resolvers are programs that print which access key id and account id an SDK finds. botocore resolves an endpoint of
// DynamoDB; Debian's is too old for those of accounts, so it is the one that moto uses.
func resolvers(t *testing.T) map[string][]string {
	t.Helper()
	require.NotEmpty(t, os.Getenv("CHAIM_NODE_MODULES"),
		"must name the folder that npm ci has filled from internal/e2e/readers/testdata/node")
	// By its own path, as a wrapper that looks for one (pyenv) would take as long as botocore for each row of the tests.
	python, err := exec.Command(cmp.Or(os.Getenv("CHAIM_MOTO_PYTHON"), "python3"), "-c", "import sys; print(sys.executable)").Output()
	require.NoError(t, err)
	return map[string][]string{
		"botocore": {strings.TrimSpace(string(python)), "testdata/resolve/resolve.py"},
		"JS v2":    {"node", "testdata/resolve/resolve_v2.js"},
		"JS v3":    {"node", "testdata/resolve/resolve.js"},
		"Go v2":    {buildProgram(t, "./testdata/resolve")},
	}
}

// lendingModes are the ways to give a program credentials, as commands that go before its own.
func lendingModes(chaim string) map[string][]string {
	return map[string][]string{
		"exec":      {chaim, "exec", "sredev", "--"},
		"--process": {chaim, "exec", "sredev", "--process", "--"},
		"--serve":   {chaim, "exec", "sredev", "--serve", "--"},
		"--env":     {chaim, "exec", "sredev", "--env", "--"},
		"env":       {"/bin/sh", "-c", `eval "$("$0" env sredev)" && exec "$@"`, chaim},
	}
}

// found is what a program has found.
type found struct{ keyID, accountID string }

// resolve runs all programs one after another in one of the modes.
func resolve(t *testing.T, env, mode []string, programs map[string][]string) map[string]found {
	t.Helper()
	var script strings.Builder
	names := slices.Sorted(maps.Keys(programs))
	for _, name := range names {
		fmt.Fprintf(&script, "'%s' || echo failed\n", strings.Join(programs[name], "' '"))
	}
	args := append(slices.Clone(mode), "/bin/sh", "-c", script.String())
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	require.Len(t, lines, len(names), "%s", stderr.String())
	all := map[string]found{}
	for i, name := range names {
		keyID, accountID, _ := strings.Cut(lines[i], " ")
		require.Regexp(t, "^(ASIA|AKIA)[A-Z0-9]+$", keyID, "%s: %s", name, stderr.String())
		all[name] = found{keyID, accountID}
	}
	return all
}

// misleadingHome returns the environment of a program that has keys of others in all files that SDKs read.
func misleadingHome(t *testing.T) []string {
	t.Helper()
	srv := chaimtest.NewServer(t)
	home := t.TempDir()
	const keys = "aws_access_key_id = AKIAWRONG\naws_secret_access_key = x\naws_account_id = 999999999999\n"
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
	for name, text := range map[string]string{
		"credentials":      "[default]\n" + keys + "[prod]\n" + keys,
		".aws/credentials": "[default]\n" + keys + "[tempname]\n" + keys,
		".boto":            "[Credentials]\n" + keys,
		"token":            "x",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
	}
	return append(interopEnviron(srv, home, srv.STSURL()), "AWS_ACCOUNT_ID_ENDPOINT_MODE=required")
}

// misleadingVariables are ones that lead programs of no chaim to other keys, or another account, than those in files. Those
// of a row do not hide each other.
var misleadingVariables = map[string][]string{
	"none":            {},
	"profile":         {"AWS_PROFILE=prod", "AWS_SDK_LOAD_CONFIG=1", "AWS_ACCOUNT_ID=999999999999"},
	"default profile": {"AWS_DEFAULT_PROFILE=prod", "AWS_CREDENTIAL_FILE=credentials"},
	"keys":            {"AWS_ACCESS_KEY_ID=AKIAWRONG", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=x", "AWS_SECURITY_TOKEN=x"},
	"keys by other names": {
		"AWS_ACCESS_KEY=AKIAWRONG", "AWS_SECRET_KEY=x", "AWS_CREDENTIAL_EXPIRATION=2000-01-01T00:00:00Z",
		"AMAZON_ACCESS_KEY_ID=AKIAWRONG", "AMAZON_SECRET_ACCESS_KEY=x", "AMAZON_SESSION_TOKEN=x",
	},
	"web identity": {
		"AWS_WEB_IDENTITY_TOKEN_FILE=token", "AWS_ROLE_ARN=arn:aws:iam::999999999999:role/R", "AWS_ROLE_SESSION_NAME=x",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=token",
		"HTTP_PROXY=http://127.0.0.1:9", "http_proxy=http://127.0.0.1:9",
	},
}

// TestInteropEnvironment has SDKs take the keys that are lent, and the account of these, whatever else is there.
func TestInteropEnvironment(t *testing.T) {
	chaim := buildProgram(t, ".")
	programs := resolvers(t)
	for mode, command := range lendingModes(chaim) {
		for name, variables := range misleadingVariables {
			t.Run(mode+" "+name, func(t *testing.T) {
				t.Parallel()
				env := append(misleadingHome(t), variables...)
				for sdk, got := range resolve(t, env, command, programs) {
					assert.NotEqual(t, "AKIAWRONG", got.keyID, sdk)
					want := interopAccount
					if sdk == "JS v2" || sdk == "JS v3" && mode == "--serve" { // they know, or read, none: see docs/tools.md
						want = ""
					}
					assert.Equal(t, want, got.accountID, sdk)
				}
			})
		}
	}
}

// TestInteropMisled shows that the variables and files do mislead programs that nothing is lent to.
func TestInteropMisled(t *testing.T) {
	programs := resolvers(t)
	delete(programs, "JS v2") // reads another file without AWS_SDK_LOAD_CONFIG
	env := append(misleadingHome(t), "AWS_PROFILE=prod")
	for sdk, got := range resolve(t, env, []string{"/usr/bin/env"}, programs) {
		assert.Equal(t, found{"AKIAWRONG", "999999999999"}, got, sdk)
	}
}
