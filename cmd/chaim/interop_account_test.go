//go:build interop

package main

import (
	"cmp"
	"os"
	"os/exec"
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
		"must name the folder that npm ci has filled from internal/readers/testdata/node")
	return map[string][]string{
		"botocore": {cmp.Or(os.Getenv("CHAIM_MOTO_PYTHON"), "python3"), "testdata/resolve/resolve.py"},
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

// resolve runs a program in one of the modes, and returns what it has found.
func resolve(t *testing.T, env, mode, program []string) (keyID, accountID string) {
	t.Helper()
	args := append(append([]string{}, mode...), program...)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	keyID, accountID, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	return keyID, accountID
}

// TestInteropAccountID has SDKs that must know the account find the right one beside the keys.
func TestInteropAccountID(t *testing.T) {
	chaim := buildProgram(t, ".")
	programs := resolvers(t)
	for name, mode := range lendingModes(chaim) {
		for sdk, program := range programs {
			t.Run(name+" "+sdk, func(t *testing.T) {
				srv := chaimtest.NewServer(t)
				env := append(interopEnviron(srv, t.TempDir(), srv.STSURL()),
					"AWS_ACCOUNT_ID_ENDPOINT_MODE=required", "AWS_ACCOUNT_ID=999999999999")
				_, id := resolve(t, env, mode, program)
				if sdk == "JS v3" && name == "--serve" {
					assert.Empty(t, id, "it reads no account id from a container's reply; say so no longer in docs/tools.md")
					return
				}
				assert.Equal(t, interopAccount, id)
			})
		}
	}
}
