// Package layers tests which package may import which.
package layers

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/chaim-go/chaim"

// floors lists the packages from the bottom up. A package imports only packages of lower floors.
var floors = [][]string{
	{"internal/errtext", "internal/lazyregexp", "internal/awaiting", "internal/humantime", "internal/spelling", "internal/turn", "internal/gate", "internal/checkcode", "cmd/chaim/internal/term/termtest"},
	{"internal/pyrepr", "internal/keys", "internal/awsenv", "internal/partition", "internal/inifile", "internal/sharedfile", "internal/gatewaytest"},
	{"internal/awsprofile", "internal/ssotoken", "internal/callback"},
	{"internal/httpx", "internal/renewal", "internal/profiles", "internal/fanout"},
	{"internal/gateway", "internal/awssts", "internal/signin"},
	{"internal/idcenter", "internal/gatewayapi", "internal/gatewayauth", "internal/settingsfile"},
	{""},
	{
		"chaimtest", "cmd/chaim/internal/loopback", "cmd/chaim/internal/credcache", "cmd/chaim/internal/term", "cmd/chaim/internal/proc",
		"cmd/chaim/internal/organization", "cmd/chaim/internal/names",
	},
	{"cmd/chaim/internal/container", "cmd/chaim/internal/cli", "cmd/chaim/internal/picker"},
	{"cmd/chaim/internal/request", "cmd/chaim/internal/browse"},
	{"cmd/chaim/internal/center"},
	{"cmd/chaim/internal/gatelogin"},
	commands, // none of these imports another
	{"cmd/chaim"},
}

// commands are the packages of the command that have its commands.
var commands = []string{
	"cmd/chaim/internal/lend", "cmd/chaim/internal/each", "cmd/chaim/internal/manage", "cmd/chaim/internal/console",
	"cmd/chaim/internal/setup", "cmd/chaim/internal/doctor", "cmd/chaim/internal/login", "cmd/chaim/internal/companion",
}

// imports returns the imports of each package of the module, without those of its tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	found := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		found[local(fields[0])] = fields[1:]
	}
	return found
}

// local returns the path of a package within the module.
func local(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

func TestNothingImportsUpwards(t *testing.T) {
	floor := map[string]int{}
	for i, packages := range floors {
		for _, p := range packages {
			floor[p] = i
		}
	}
	for p, imported := range imports(t) {
		if strings.HasPrefix(p, "examples") || strings.HasPrefix(p, "internal/e2e/") || p == "internal/layers" || p == "docs" {
			continue // programs, and tests of the whole module
		}
		own, isKnown := floor[p]
		if !assert.True(t, isKnown, "package %q has no floor", p) {
			continue
		}
		for _, path := range imported {
			if strings.HasPrefix(path, module) {
				assert.Less(t, floor[local(path)], own, "%s imports %s", p, local(path))
			}
		}
	}
}

func TestWhatPackagesDoNotKnow(t *testing.T) {
	files := []string{"internal/inifile", "internal/sharedfile", "internal/profiles"}
	forbidden := map[string][]string{
		"internal/httpx":       files,
		"internal/gateway":     files,
		"internal/awssts":      files,
		"internal/signin":      files,
		"internal/idcenter":    files,
		"internal/gatewayapi":  files,
		"internal/gatewayauth": files,
		"internal/sharedfile":  {"internal/awsenv", "internal/partition", "internal/inifile", "internal/keys"},

		"cmd/chaim/internal/term": {"", "cmd/chaim/internal/proc"},
		"cmd/chaim/internal/proc": {"", "cmd/chaim/internal/term"},
	}
	all := imports(t)
	for p, others := range forbidden {
		require.Contains(t, all, p)
		for _, other := range others {
			assert.NotContains(t, all[p], strings.TrimSuffix(module+"/"+other, "/"), "%s imports %s", p, other)
		}
	}
	for _, path := range all["internal/sharedfile"] {
		assert.NotContains(t, path, "aws")
	}
}

// TestNothingNamesTheGateway keeps the dependencies of the gateway's module, such as databases, from users of this one.
func TestNothingNamesTheGateway(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	for path := range strings.Lines(string(out)) {
		assert.False(t, strings.HasPrefix(strings.TrimSpace(path), module+"/gateway"), "%s", path)
	}
	text, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	assert.NotContains(t, string(text), module+"/gateway")
	for _, name := range []string{"pgx", "sqlite", "goose", "prometheus", "go-yaml"} {
		assert.NotContains(t, string(text), name)
	}
}

// TestWhatUsersOfTheLibraryGet checks all packages that a program gets with the root package.
func TestWhatUsersOfTheLibraryGet(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module).Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	assert.Contains(t, deps, module)
	for _, path := range deps {
		for _, part := range []string{"database/sql", "html/template", "x/term", "cobra", "testify", module + "/chaimtest", module + "/cmd"} {
			assert.NotContains(t, path, part)
		}
	}
}
