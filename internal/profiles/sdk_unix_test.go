//go:build unix

package profiles_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func text(t *testing.T, opts chaim.Options) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(opts.Dir, "credentials"))
	require.NoError(t, err)
	return string(text)
}

func TestProcessProfile(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := srv.Options(t, "sredev")
	opts.Form = chaim.Process
	opts.Dir = filepath.Join(opts.Dir, `it's "mine" $HOME \ %d`)
	err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, c *chaim.Client) error {
		assert.NotContains(t, text(t, opts), "aws_")
		files, err := os.ReadDir(filepath.Join(opts.Dir, "chaim"))
		require.NoError(t, err)
		for _, file := range files {
			info, err := file.Info()
			require.NoError(t, err)
			assert.Equal(t, fs.FileMode(0o600), info.Mode(), file.Name())
		}

		cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(c.Profile()), config.WithSharedCredentialsFiles([]string{filepath.Join(opts.Dir, "credentials")}))
		require.NoError(t, err)
		for range 2 {
			got, err := cfg.Credentials.Retrieve(ctx)
			require.NoError(t, err)
			want := c.Creds()
			assert.Equal(t, []string{want.AccessKeyID, want.SecretAccessKey, want.SessionToken}, []string{got.AccessKeyID, got.SecretAccessKey, got.SessionToken})
			assert.Equal(t, want.Expires.Unix(), got.Expires.Unix())

			_, err = c.RequestKeys(ctx)
			require.NoError(t, err)
			if cache, ok := cfg.Credentials.(interface{ Invalidate() }); assert.True(t, ok) {
				cache.Invalidate() // as when the keys are about to expire
			}
		}
		return nil
	})
	require.NoError(t, err)
	assert.Empty(t, text(t, opts))
	left, err := os.ReadDir(filepath.Join(opts.Dir, "chaim"))
	require.NoError(t, err)
	assert.Empty(t, left)
}
