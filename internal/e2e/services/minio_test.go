//go:build services && linux

package services

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// minioSource asks a MinIO for keys. To MinIO all roles are the same.
func minioSource(url string) *chaim.STS {
	keys := credentials.NewStaticCredentialsProvider(rootUser, rootSecret, "")
	return &chaim.STS{Keys: keys, RoleARN: roleARN("any"), Endpoint: url}
}

// visit has a program make a bucket, write to it and list it. It stops at the first call that fails.
func visit(t *testing.T, program string, env []string) (out string, err error) {
	t.Helper()
	bucket := fmt.Sprintf("%q: %q", "Bucket", strings.ToLower(rand.Text()))
	for _, call := range [][2]string{
		{"create-bucket", "{" + bucket + "}"},
		{"put-object", "{" + bucket + `, "Key": "letter"}`},
		{"list-objects-v2", "{" + bucket + "}"},
	} {
		if out, err = use(t, program, env, minio.url, "s3api", call[0], call[1]); err != nil {
			break
		}
	}
	return out, err
}

const noLists = `{"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*"},
	{"Effect": "Deny", "Action": ["s3:ListBucket", "s3:ListAllMyBuckets"], "Resource": "arn:aws:s3:::*"}
]}`

func TestObjectStore(t *testing.T) {
	for program := range programs {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			source := minioSource(minio.url)
			var env []string
			lend(t, chaim.Options{Source: source}, func(_ context.Context, c *chaim.Client, _ string) {
				env = c.Environ()
				out, err := visit(t, program, env)
				assert.NoError(t, err, out)
				assert.Contains(t, out, "letter")

				forged := c.Creds()
				token := []byte(forged.SessionToken)
				token[len(token)/2] ^= 1
				forged.SessionToken = string(token)
				out, err = visit(t, program, forged.Environ())
				assert.Error(t, err)
				assert.Contains(t, out, "InvalidTokenId")
			})
			out, err := visit(t, program, env)
			assert.Error(t, err)
			assert.Contains(t, out, "(tempname) could not be found")

			source.Policy = noLists
			lend(t, chaim.Options{Source: source}, func(_ context.Context, c *chaim.Client, _ string) {
				out, err := visit(t, program, c.Environ())
				assert.Error(t, err)
				assert.Contains(t, out, "(AccessDenied) when calling the ListObjectsV2 operation")
			})
		})
	}
}

func TestWrongSecret(t *testing.T) {
	t.Parallel()
	wrongSecret := rand.Text()
	source := minioSource(minio.url)
	source.Keys = credentials.NewStaticCredentialsProvider(rootUser, wrongSecret, "")
	dir := t.TempDir()
	opts := chaim.Options{Account: "sredev", Dir: dir, Source: source}
	err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
		t.Error("called without keys")
		return nil
	})
	require.ErrorIs(t, err, chaim.ErrDenied)
	assert.False(t, strings.Contains(err.Error(), wrongSecret), "the error has the secret")
	assert.NotRegexp(t, `[A-Za-z0-9+/=_-]{40}`, err.Error(), "the error has what may be a token or a signature")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestNewKeys has new clients use a profile after its keys were renewed.
func TestNewKeys(t *testing.T) {
	for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
		t.Run(form.String(), func(t *testing.T) {
			t.Parallel()
			opts := chaim.Options{Source: minioSource(minio.url), Form: form}
			lend(t, opts, func(ctx context.Context, c *chaim.Client, path string) {
				first, err := c.RequestKeys(ctx)
				require.NoError(t, err)
				second, err := c.RequestKeys(ctx)
				require.NoError(t, err)
				assert.NotEqual(t, first.AccessKeyID, second.AccessKeyID)
				found, err := loadProfile(t, path, c.Profile()).Credentials.Retrieve(ctx)
				require.NoError(t, err)
				assert.Equal(t, second.AccessKeyID, found.AccessKeyID)
				for program := range programs {
					out, err := visit(t, program, c.Environ())
					assert.NoError(t, err, out)
				}
			})
		})
	}
}

// TestServiceDies asks for new keys after the service has ended.
func TestServiceDies(t *testing.T) {
	t.Parallel()
	mortal, err := startMinIO(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(mortal.stop)
	lend(t, chaim.Options{Source: minioSource(mortal.url)}, func(ctx context.Context, c *chaim.Client, path string) {
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		key := c.Creds().AccessKeyID
		mortal.stop()
		_, err = c.RequestKeys(ctx)
		assert.ErrorContains(t, err, "connection refused")
		assert.Equal(t, key, c.Creds().AccessKeyID)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.True(t, string(before) == string(after), "the profile has changed")
	})
}

// TestDuration checks that durations which no token service grants are refused before a service is asked.
func TestDuration(t *testing.T) {
	t.Parallel()
	tp := newTap(t, minio.url)
	source := minioSource(tp.url)
	for _, duration := range []time.Duration{time.Second, 15*time.Minute - time.Second, 12*time.Hour + time.Second} {
		source.Duration = duration
		_, err := source.Retrieve(t.Context())
		assert.ErrorContains(t, err, "chaim: duration")
	}
	asked, _ := tp.seen()
	assert.Empty(t, asked)

	for _, duration := range []time.Duration{15 * time.Minute, 12 * time.Hour} {
		source.Duration = duration
		creds, err := source.Retrieve(t.Context())
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now().Add(duration), creds.Expires, time.Minute)
	}
	asked, _ = tp.seen()
	assert.Equal(t, []string{"AssumeRole any root", "AssumeRole any root"}, asked)
}
