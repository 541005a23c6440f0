//go:build faults

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
)

const unprotected = "CHAIM_TEST_UNPROTECTED"

// TestCoreDumps needs root, for the kernel to write dumps into the current folder.
func TestCoreDumps(t *testing.T) {
	if os.Getenv(unprotected) != "" { // this is the control
		_, err := os.Stdout.WriteString("ready\n")
		require.NoError(t, err)
		select {}
	}
	const setting = "/proc/sys/kernel/core_pattern"
	before, err := os.ReadFile(setting)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(setting, []byte("core"), 0))
	t.Cleanup(func() { assert.NoError(t, os.WriteFile(setting, before, 0)) })
	self, err := os.Executable()
	require.NoError(t, err)
	srv := chaimtest.NewServer(t)
	token := srv.Settings().UserToken
	for name, tt := range map[string]struct {
		script  string
		signal  syscall.Signal
		hasDump bool
	}{
		"without protection, SIGABRT": {unprotected + `=1 exec "$0" -test.run '^TestCoreDumps$'`, syscall.SIGABRT, true},
		"without protection, SIGSEGV": {unprotected + `=1 exec "$0" -test.run '^TestCoreDumps$'`, syscall.SIGSEGV, true},
		"chaim, SIGABRT":              {"exec chaim exec sredev -- sh -c 'echo ready; exec cat'", syscall.SIGABRT, false},
		"chaim, SIGSEGV":              {"exec chaim exec sredev -- sh -c 'echo ready; exec cat'", syscall.SIGSEGV, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := "ulimit -c unlimited; GOTRACEBACK=crash; export GOTRACEBACK; " + tt.script
			r := begin(t, inHome(srv, newHome(t), "sh", "-c", script, self))
			require.Equal(t, "ready", r.line(t))
			r.send(t, tt.signal)
			require.NoError(t, r.stdin.Close())
			_, code := r.end(t)
			assert.NotZero(t, code)
			assert.Equal(t, tt.hasDump, r.ProcessState.Sys().(syscall.WaitStatus).CoreDump())
			dumps, err := filepath.Glob(filepath.Join(r.home, "core*"))
			require.NoError(t, err)
			if tt.hasDump {
				require.Len(t, dumps, 1)
				text, err := os.ReadFile(dumps[0])
				require.NoError(t, err)
				assert.True(t, bytes.Contains(text, []byte(token)), "the secret in the environment is in the dump")
				return
			}
			assert.Empty(t, dumps)
			said := r.talk.String()
			assert.Contains(t, said, "goroutine ")
			assert.Contains(t, said, "proc.(*Relay).Run")
			for _, secret := range []string{token, "CANARY"} {
				assert.NotContains(t, said, secret)
			}
			next := begin(t, lending(srv, r.home, "true"))
			_, code = next.end(t)
			assert.Zero(t, code)
			isClean(t, r.home)
		})
	}
	t.Run("the program of chaim", func(t *testing.T) {
		t.Parallel()
		const script = "ulimit -c unlimited; exec chaim exec sredev -- sh -c 'kill -ABRT $$'"
		r := begin(t, inHome(srv, newHome(t), "sh", "-c", script))
		_, code := r.end(t)
		assert.Equal(t, proc.Signaled+int(syscall.SIGABRT), code)
		dumps, err := filepath.Glob(filepath.Join(r.home, "core*"))
		require.NoError(t, err)
		assert.Len(t, dumps, 1)
		isClean(t, r.home)
	})
}
