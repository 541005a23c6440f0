//go:build readers

package readers

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// TestProcessForm has SDKs run the commands of profiles: botocore splits the words itself, and the others use a shell.
// The names of the folders have characters with a meaning for one or the other.
func TestProcessForm(t *testing.T) {
	python, err := botocore()
	require.NoError(t, err)
	node, err := javaScript()
	require.NoError(t, err)
	for _, name := range []string{
		"plain", "with space", "it's", "''", "' '", `dou"ble`, `back\slash`, `\`, "$HOME", "$(id)", "`id`", "100%d", "a#b", "a&b|c<d>e", "*?[x]", "~", "!x", "{a,b}", "-n", "a=b:c",
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.Mkdir(dir, 0o700))
			path := filepath.Join(dir, "credentials")
			opts := chaim.Options{Account: "sredev", TempName: "foo", Dir: dir, Source: source(firstKeys), Form: chaim.Process}
			err := chaim.WithContext(t.Context(), opts, func(ctx context.Context, _ *chaim.Client) error {
				doc, err := os.ReadFile(path)
				require.NoError(t, err)
				assert.NotContains(t, string(doc), firstKeys[1])
				want := firstKeys[:3]

				var answer struct {
					Keys   []string
					Method string
				}
				python.ask(t, request{Text: doc, Resolve: "foo"}, &answer)
				assert.Equal(t, want, answer.Keys, "botocore")
				assert.Equal(t, "custom-process", answer.Method)
				node.ask(t, request{Text: doc, Resolve: "foo"}, &answer)
				assert.Equal(t, want, answer.Keys, "JS v3")

				cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedCredentialsFiles([]string{path}),
					config.WithSharedConfigFiles([]string{}), config.WithSharedConfigProfile("foo"))
				require.NoError(t, err)
				got, err := cfg.Credentials.Retrieve(ctx)
				require.NoError(t, err)
				assert.Equal(t, want, []string{got.AccessKeyID, got.SecretAccessKey, got.SessionToken}, "Go v2")
				return nil
			})
			require.NoError(t, err)
		})
	}
}

// TestProcessFormRefusesFolder checks names of folders that some reader of the file would cut off or misread.
func TestProcessFormRefusesFolder(t *testing.T) {
	for _, name := range []string{"a #b", "a;b", "\u00e9", "a\tb"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.Mkdir(dir, 0o700))
			opts := chaim.Options{Account: "sredev", Dir: dir, Source: source(firstKeys), Form: chaim.Process}
			err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				t.Error("fn was called")
				return nil
			})
			require.ErrorContains(t, err, "credential_process")
			assert.NoFileExists(t, filepath.Join(dir, "credentials"))
			left, err := filepath.Glob(filepath.Join(dir, "chaim", "*"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}
