package main

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// TestWaitOnTerminal has what is waited for told once, and ended by Ctrl-C.
func TestWaitOnTerminal(t *testing.T) {
	unignore(t)
	silent := func(_ *testing.T, srv *chaimtest.Server, _ string) {
		srv.Inject(-1, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	}
	for name, tt := range map[string]struct {
		args   []string
		hinder func(t *testing.T, srv *chaimtest.Server, home string)
		env    []string
		want   string
	}{
		"gateway":            {[]string{"env", "sredev"}, silent, nil, "http://127.0.0.1:"},
		"gateway, exec":      {[]string{"exec", "sredev", "--", "true"}, silent, nil, "http://127.0.0.1:"},
		"gateway, each":      {[]string{"each", "--", "true"}, silent, nil, "http://127.0.0.1:"},
		"credential-process": {[]string{"credential-process", "sredev"}, silent, nil, "http://127.0.0.1:"},
		"lock": {[]string{"account", "sredev"}, func(t *testing.T, _ *chaimtest.Server, home string) {
			lock, err := sharedfile.LockSide(filepath.Join(home, "credentials.lock"), os.O_CREATE|os.O_RDONLY, false)
			require.NoError(t, err)
			require.NotNil(t, lock)
			t.Cleanup(func() { assert.NoError(t, lock.Close()) })
		}, nil, "the process that holds "},
		"keys that sign": {[]string{"env", "111111111111"}, func(t *testing.T, _ *chaimtest.Server, home string) {
			require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte("[default]\ncredential_process = sleep 600\n"), 0o600))
		}, []string{"CHAIM_URL=", "CHAIM_USER=", "CHAIM_TOKEN="}, "keys of the AWS SDK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, home := chaimtest.NewServer(t), newHome(t)
			tt.hinder(t, srv, home)
			cmd := inHome(srv, home, "chaim", tt.args...)
			cmd.Env = append(cmd.Env, tt.env...)
			x := onTerminal(t, cmd)
			assert.Empty(t, x.shows("chaim: waiting for "+tt.want))
			x.shows("\n")
			x.types("\x03")
			status := x.end()
			if status.Signaled() {
				assert.Equal(t, syscall.SIGINT, status.Signal())
			} else {
				assert.Equal(t, proc.Signaled+int(syscall.SIGINT), status.ExitStatus())
			}
			assert.Equal(t, foreign, credentials(t, home))
		})
	}
}

// TestWaitOffTerminal has nothing told to what reads the output.
func TestWaitOffTerminal(t *testing.T) {
	t.Parallel()
	srv := chaimtest.NewServer(t)
	srv.SetLatency(3500 * time.Millisecond)
	r := begin(t, inHome(srv, newHome(t), "chaim", "exec", "sredev", "--", "echo", "ready"))
	assert.Equal(t, "ready", r.line(t))
	_, code := r.end(t)
	assert.Zero(t, code)
	assert.Empty(t, r.talk.String())
}
