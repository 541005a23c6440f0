package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// newScopes returns options with a source that takes no time, for a file of about this size.
func newScopes(b *testing.B, size int) (opts chaim.Options, path string) {
	path = newFile(b, document(size/sectionSize))
	b.Setenv("AWS_CONFIG_FILE", path+".config")
	keys := aws.Credentials{
		AccessKeyID: keyID(0), SecretAccessKey: strings.Repeat("s", 40), SessionToken: strings.Repeat("t", 320),
		CanExpire: true, Expires: time.Now().Add(12 * time.Hour),
	}
	source := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
	return chaim.Options{Account: "sredev", Dir: filepath.Dir(path), Source: source}, path
}

// One scope, compared with two bare replacements of the file: with its profile and without.
func BenchmarkScope(b *testing.B) { compareScope(b, 4<<10, 1.5) }

func BenchmarkScopeInLargeFile(b *testing.B) {
	for _, mb := range []int{3, 12} {
		b.Run(fmt.Sprintf("%dMB", mb), func(b *testing.B) { compareScope(b, mb<<20, 2) })
	}
}

func compareScope(b *testing.B, size int, goal float64) {
	opts, path := newScopes(b, size)
	without, err := os.ReadFile(path)
	require.NoError(b, err)
	var with []byte
	require.NoError(b, chaim.WithContext(b.Context(), opts, func(context.Context, *chaim.Client) error {
		with, err = os.ReadFile(path)
		return err
	}))
	require.Greater(b, len(with), len(without))

	bare := newFile(b, nil)
	compare(b, goal, func() {
		replaceBare(b, bare, with)
		replaceBare(b, bare, without)
	}, func() {
		require.NoError(b, chaim.WithContext(b.Context(), opts, func(context.Context, *chaim.Client) error { return nil }))
	})
	after, err := os.ReadFile(path)
	require.NoError(b, err)
	require.Equal(b, without, after)
}
