package chaim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/keys"
)

// loggedIn gives the rest of a test a profile "dev" that is signed in by 'aws login', and profiles with roles on top of it.
func loggedIn(t *testing.T, srv *chaimtest.Server) (file string) {
	t.Helper()
	session, name, text := srv.Login("sredev", "lars")
	home := awsFiles(t, srv, `
[profile dev]
login_session = `+session+`
region = eu-central-1
[profile role]
role_arn = arn:aws:iam::222222222222:role/CrossAccountReadOnly
source_profile = dev
[profile both]
login_session = `+session+`
region = eu-central-1
role_arn = arn:aws:iam::333333333333:role/CrossAccountReadOnly
`)
	t.Setenv("HOME", home)
	file = filepath.Join(home, ".aws", "login", "cache", name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

func TestProfilesOfAWSLogin(t *testing.T) {
	srv := chaimtest.NewServer(t)
	loggedIn(t, srv)
	for name, account := range map[string]string{"dev": "111111111111", "role": "222222222222", "both": "333333333333"} {
		creds, err := lent(t, chaim.Profiles{}, chaim.Options{Account: name})
		require.NoError(t, err, name)
		assert.Equal(t, account, creds.AccountID, name)
		lifetime := keys.DefaultDuration
		if name == "dev" {
			lifetime = 15 * time.Minute
		}
		assert.WithinDuration(t, time.Now().Add(lifetime), creds.Expires, time.Minute, name)
	}
	assert.Equal(t, []string{"AssumeRole", "AssumeRole"}, actions(srv), "the keys in the file were valid")
}

// TestRenewedAWSLogin has callers find the keys of a sign-in expired.
func TestRenewedAWSLogin(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.SetLifetime(-time.Second)
	file := loggedIn(t, srv)
	srv.SetLifetime(0)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			grant, err := chaim.Profiles{}.Keys(t.Context(), chaim.Request{Account: "dev"})
			assert.NoError(t, err)
			assert.Equal(t, "111111111111", grant.Credentials.AccountID)
		})
	}
	callers.Wait()
	assert.Equal(t, []string{"CreateOAuth2Token"}, actions(srv), "one renewal for all of them")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.NotEqual(t, before, after)
}

// TestAWSLoginIsRenewedEarly has callers find keys that end in less than 5 minutes.
func TestAWSLoginIsRenewedEarly(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.SetLifetime(4 * time.Minute)
	file := loggedIn(t, srv)
	srv.SetLifetime(0)
	before := loginOf(t, file)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			grant, err := chaim.Profiles{}.Keys(t.Context(), chaim.Request{Account: "dev"})
			assert.NoError(t, err)
			assert.WithinDuration(t, time.Now().Add(15*time.Minute), grant.Expires, time.Minute)
			assert.Equal(t, "111111111111", grant.Credentials.AccountID)
		})
	}
	callers.Wait()
	assert.Equal(t, []string{"CreateOAuth2Token"}, actions(srv), "one renewal for all of them")
	after := loginOf(t, file)
	assert.Equal(t, before["idToken"], after["idToken"])
	assert.Equal(t, before["dpopKey"], after["dpopKey"])
	assert.NotEqual(t, before["refreshToken"], after["refreshToken"])
	assert.Len(t, after, len(before))
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*-renewal*"))
	require.NoError(t, err)
	assert.Empty(t, left)

	srv.SetLifetime(-time.Second) // the SDK can renew what chaim has written
	srv.Reset()
	after["accessToken"].(map[string]any)["expiresAt"] = "2020-01-01T00:00:00Z"
	text, err := json.Marshal(after)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	srv.SetLifetime(0)
	_, err = chaim.Profiles{}.Keys(t.Context(), chaim.Request{Account: "dev"})
	require.NoError(t, err)
	assert.Equal(t, []string{"CreateOAuth2Token"}, actions(srv))
}

func loginOf(t *testing.T, file string) (pairs map[string]any) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &pairs))
	return pairs
}

// TestAWSLoginThatCannotBeRenewedEarly has keys that end soon, and are valid until then.
func TestAWSLoginThatCannotBeRenewedEarly(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, srv *chaimtest.Server, file string){
		"ended": func(_ *testing.T, srv *chaimtest.Server, _ string) { srv.EndLogins("TOKEN_EXPIRED") },
		"no lock": func(t *testing.T, _ *chaimtest.Server, file string) {
			require.NoError(t, os.Mkdir(file+".chaim-refresh", 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := chaimtest.NewServer(t)
			srv.SetLifetime(4 * time.Minute)
			file := loggedIn(t, srv)
			before := loginOf(t, file)
			spoil(t, srv, file)
			var log strings.Builder
			p := chaim.Profiles{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
			grant, err := p.Keys(t.Context(), chaim.Request{Account: "dev"})
			require.NoError(t, err)
			assert.WithinDuration(t, time.Now().Add(4*time.Minute), grant.Expires, time.Minute)
			assert.Equal(t, before, loginOf(t, file))
			assert.Contains(t, log.String(), "is not renewed yet")
			assert.NotContains(t, log.String(), "CANARY")
		})
	}
}

func TestEndedAWSLogin(t *testing.T) {
	for code, want := range map[string]string{
		"TOKEN_EXPIRED":            "login session has expired, please reauthenticate",
		"USER_CREDENTIALS_CHANGED": "login session password has changed, please reauthenticate",
		"":                         "token file not found, please reauthenticate",
	} {
		srv := chaimtest.NewServer(t)
		srv.SetLifetime(-time.Second)
		file := loggedIn(t, srv)
		srv.SetLifetime(0)
		srv.EndLogins(code)
		if code == "" {
			require.NoError(t, os.Remove(file))
		}
		for _, name := range []string{"dev", "role", "both"} {
			srv.Reset()
			_, err := lent(t, chaim.Profiles{}, chaim.Options{Account: name})
			require.ErrorIs(t, err, chaim.ErrDenied)
			require.ErrorContains(t, err, want)
			profile := name
			if name == "role" {
				profile = "dev"
			}
			require.ErrorContains(t, err, "run 'aws login --profile "+profile+"'")
			assert.NotContains(t, err.Error(), "CANARY")
			assert.LessOrEqual(t, len(srv.Requests()), 1, "another attempt cannot help")
		}
	}
	srv := chaimtest.NewServer(t)
	srv.SetLifetime(-time.Second)
	loggedIn(t, srv)
	srv.EndLogins("INSUFFICIENT_PERMISSIONS")
	_, err := lent(t, chaim.Profiles{}, chaim.Options{Account: "dev"})
	require.ErrorContains(t, err, "insufficient permissions")
	assert.NotContains(t, err.Error(), "run 'aws login", "it would not help")
}

// TestTornAWSLogin has a program write the file in place, with a pause in the middle.
func TestTornAWSLogin(t *testing.T) {
	srv := chaimtest.NewServer(t)
	file := loggedIn(t, srv)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, part := range [][]byte{nil, whole[:len(whole)/2]} {
		require.NoError(t, os.WriteFile(file, part, 0o600))
		writer := time.AfterFunc(50*time.Millisecond, func() { _ = os.WriteFile(file, whole, 0o600) })
		_, err := chaim.Profiles{}.Keys(t.Context(), chaim.Request{Account: "dev"})
		require.NoError(t, err)
		writer.Stop()
	}
	require.NoError(t, os.WriteFile(file, bytes.ToUpper(whole), 0o600))
	_, err = chaim.Profiles{}.Keys(t.Context(), chaim.Request{Account: "dev"})
	require.Error(t, err)
	require.NoError(t, os.WriteFile(file, whole[:9], 0o600))
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	_, err = chaim.Profiles{}.Keys(ctx, chaim.Request{Account: "dev"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
