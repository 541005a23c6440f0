//go:build upgrade

package promise

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/store/storetest"
)

// TestUpgrade brings three replicas from the version with the schema before to this one and back, while clients ask for keys.
// The programs of the version before are in the folder that CHAIM_OLD names, see .ci/upgrade.
func TestUpgrade(t *testing.T) {
	before := os.Getenv("CHAIM_OLD")
	require.NotEmpty(t, before)
	g := makeOldGateway(t, filepath.Join(before, "chaim-gateway"), storetest.EmptyPostgres(t))
	_, err := store.Open(t.Context(), g.database)
	require.ErrorContains(t, err, "older than this program's")

	old := filepath.Join(before, "promise.test")
	f := startFleet(t, g, old)
	stay := func(what string) {
		pause(t.Context(), 3*time.Second)
		asked, failures := f.take()
		assert.Empty(t, failures, what)
		t.Logf("%s: %d requests, %d failed", what, asked, len(failures))
	}
	stay("before")
	require.NoError(t, store.Migrate(t.Context(), g.database))
	stay("new tables")
	f.restart(t)
	stay("upgrade")
	f.restart(t, old)
	stay("way back")
	f.restart(t)
	f.judge(t)
}

// makeOldGateway makes a gateway as makeGateway does, with another program.
func makeOldGateway(t *testing.T, program, database string) gateway {
	g := gateway{dir: filepath.Join(t.TempDir(), "gw"), database: database}
	run := func(args ...string) []byte {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "CHAIM_GATEWAY_CONFIG="+filepath.Join(g.dir, "config.yaml"))
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		require.NoError(t, err, "%q: %s", args, &said)
		return out
	}
	run("init", g.dir, "--database", database, "--user", "admin")
	rules := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(rules, []byte(policyText), 0o600))
	run("apply", "--file", rules)
	for i := range 50 {
		l := login{user: fmt.Sprintf("user%d", i)}
		run("user", "add", l.user)
		var made struct{ Token string }
		require.NoError(t, json.Unmarshal(run("token", "create", l.user, "--for", "1h", "--json"), &made))
		l.token = made.Token
		g.users = append(g.users, l)
	}
	return g
}
