package chaim_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func TestNoProfileWritesNoFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := chaimtest.NewServer(t)
		opts := optionsFor(t, srv)
		opts.NoProfile = true
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
			assert.Empty(t, c.Profile())
			first := c.Creds()
			assert.Contains(t, c.Environ(), "AWS_ACCESS_KEY_ID="+first.AccessKeyID)
			<-time.After(50 * time.Minute)
			assert.NotEqual(t, first.AccessKeyID, c.Creds().AccessKeyID, "renewed in the background")
			creds, err := c.Retrieve(ctx)
			assert.Equal(t, c.Creds().AccessKeyID, creds.AccessKeyID)
			return err
		}))
		assert.NoFileExists(t, credentialsFile(opts))
		assert.NoFileExists(t, credentialsFile(opts)+".lock")
	})
}

// TestNoProfileNeedsNoFile has no home folder, and no place for the AWS files.
func TestNoProfileNeedsNoFile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, variable := range srv.Environ(t.TempDir()) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	for _, variable := range []string{"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"} {
		t.Setenv(variable, "$NOWHERE/"+variable)
	}
	opts := chaim.Options{Account: "sredev", NoProfile: true}
	require.NoError(t, chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		assert.NotEmpty(t, c.Creds().AccessKeyID)
		_, err := c.MyAccountList(ctx)
		assert.ErrorContains(t, err, "AWS_SHARED_CREDENTIALS_FILE")
		return nil
	}))
	opts.NoProfile = false
	_, err := chaim.New(opts)
	assert.ErrorContains(t, err, "AWS_SHARED_CREDENTIALS_FILE")
}

func TestNoProfileExcludesWhatIsSaidOfOne(t *testing.T) {
	for name, change := range map[string]func(*chaim.Options){
		"TempName": func(o *chaim.Options) { o.TempName = "dev" },
		"Terrible": func(o *chaim.Options) { o.Terrible = true },
		"Form":     func(o *chaim.Options) { o.Form = chaim.Process },
		"Default":  func(o *chaim.Options) { o.Default = true },
		"Keep":     func(o *chaim.Options) { o.Keep = true },
	} {
		opts := optionsFor(t, chaimtest.NewServer(t))
		opts.NoProfile = true
		change(&opts)
		_, err := chaim.New(opts)
		assert.ErrorContains(t, err, "NoProfile", name)
	}
	opts := chaim.EachOptions{Options: chaim.Options{NoProfile: true}, Profiles: true}
	assert.ErrorContains(t, chaim.Each(t.Context(), nil, opts, func(context.Context, chaim.Account, *chaim.Client) error { return nil }), "NoProfile")
}

// TestNoProfileSweeps has a client that keeps its keys in memory remove what a killed scope left, and log what hinders that.
func TestNoProfileSweeps(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		path := scopeOfTheDead(t, form)
		opts := optionsFor(t, srv)
		opts.NoProfile, opts.Dir = true, filepath.Dir(path)
		clientFor(t, opts)
		assert.Equal(t, userFile, read(t, path))
		assert.Empty(t, scopeFiles(t, path))
	}

	path := scopeOfTheDead(t, chaim.Keys)
	before := read(t, path)
	require.NoError(t, os.Remove(path+".lock"))
	require.NoError(t, os.Mkdir(path+".lock", 0o700))
	opts := optionsFor(t, srv)
	opts.NoProfile, opts.Dir = true, filepath.Dir(path)
	var log strings.Builder
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	_, err := clientFor(t, opts).RequestKeys(t.Context())
	require.NoError(t, err)
	assert.Contains(t, log.String(), "what dead processes left cannot be removed")
	assert.NotContains(t, log.String(), "CANARY")
	assert.Equal(t, before, read(t, path))

	opts = optionsFor(t, srv)
	opts.NoProfile = true
	clientFor(t, opts)
	left, err := os.ReadDir(opts.Dir)
	require.NoError(t, err)
	assert.Empty(t, left, "where there is no file none is made")
}
