package lend

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// TestCredentialProcessEnds has each thing that it may wait for take for ever.
func TestCredentialProcessEnds(t *testing.T) {
	assert.Less(t, processLimit, 50*time.Second, "AWS SDKs wait for a minute")
	silent := func(srv *chaimtest.Server) {
		srv.Inject(-1, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	}
	withoutGateway := func(t *testing.T, srv *chaimtest.Server) {
		keys := srv.AddKeys("sredev", "me")
		for name, value := range map[string]string{
			"CHAIM_URL": "", "CHAIM_USER": "", "CHAIM_TOKEN": "",
			"AWS_ACCESS_KEY_ID": keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY": keys.SecretAccessKey,
		} {
			t.Setenv(name, value)
		}
	}
	for name, tt := range map[string]struct {
		account string
		hinder  func(t *testing.T, srv *chaimtest.Server, home string)
		want    string
	}{
		"gateway": {"sredev", func(_ *testing.T, srv *chaimtest.Server, _ string) { silent(srv) }, "waiting for http://127.0.0.1:"},
		"list of accounts": {"work", func(t *testing.T, srv *chaimtest.Server, home string) {
			held := "[work]\naccountname = sredev\naws_access_key_id = ASIA\naws_secret_access_key = s\nexpires = 4102444800\n"
			require.NoError(t, os.WriteFile(filepath.Join(home, "credentials"), []byte(held), 0o600))
			silent(srv)
		}, "waiting for http://127.0.0.1:"},
		"STS": {"111111111111", func(t *testing.T, srv *chaimtest.Server, _ string) {
			withoutGateway(t, srv)
			silent(srv)
		}, "waiting for AWS STS in eu-west-1"},
		"keys that sign": {"111111111111", func(t *testing.T, srv *chaimtest.Server, home string) {
			withoutGateway(t, srv)
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			pipe := filepath.Join(t.TempDir(), "pipe")
			require.NoError(t, syscall.Mkfifo(pipe, 0o600))
			config := "[default]\ncredential_process = cat " + pipe + "\n"
			require.NoError(t, os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600))
			t.Cleanup(func() { // which ends the process
				w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
				require.NoError(t, err)
				assert.NoError(t, w.Close())
			})
		}, "waiting for keys of the AWS SDK"},
		"another process": {"sredev", func(t *testing.T, _ *chaimtest.Server, home string) {
			_, err := process{Request: request.Request{App: testApp(t)}}.keys(t.Context(), "sredev", time.Minute)
			require.NoError(t, err)
			folder := filepath.Join(home, "chaim", "process")
			files, err := filepath.Glob(filepath.Join(folder, "*.lock"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			require.NoError(t, os.Remove(strings.TrimSuffix(files[0], ".lock")+".json"))
			lock, err := sharedfile.LockSide(files[0], os.O_RDWR, false)
			require.NoError(t, err)
			require.NotNil(t, lock)
			t.Cleanup(func() { assert.NoError(t, lock.Close()) })
		}, "asks for the same keys"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, home := chaimtest.NewServer(t), t.TempDir()
			for _, variable := range srv.Environ(home) {
				name, value, _ := strings.Cut(variable, "=")
				t.Setenv(name, value)
			}
			tt.hinder(t, srv, home)
			a := testApp(t)
			_, err := process{Request: request.Request{App: a}}.keys(awaiting.Observe(t.Context(), a.Waits.Begin), tt.account, time.Second)
			require.ErrorIs(t, err, chaim.ErrUnreachable)
			require.ErrorContains(t, err, "gave up after 1s of ")
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, 1, strings.Count(err.Error(), "chaim: "), err.Error())
			assert.Equal(t, cli.ExitUnreachable, cli.ExitCode(err))
		})
	}
}

// testApp is one that says nothing.
func testApp(t *testing.T) *cli.App {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, null.Close()) })
	out := term.NewOutlet(t.Context(), null)
	return &cli.App{In: null, Out: out, Err: out, Log: slog.New(slog.DiscardHandler), Waits: cli.NewWaits(nil)}
}
