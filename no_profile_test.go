package chaim_test

import (
	"context"
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
