package lease

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const deadID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// writeCopy writes doc with a copy of a scope's keys in [default].
func writeCopy(t *testing.T, path, doc string, scopes Files) {
	t.Helper()
	const key = "ASIAEXAMPLE000000001"
	mark := New(deadID, scopes.Folder, map[string]string{"aws_access_key_id": key}).String()
	text, err := inifile.Set([]byte(doc), inifile.DefaultSection, []inifile.Pair{
		{Key: "aws_access_key_id", Value: key},
		{Key: "aws_secret_access_key", Value: "secret"},
		{Key: inifile.SectionKey, Value: "dev"},
		{Key: inifile.ScopeKey, Value: mark},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

func sweepFile(t *testing.T, path string) []Swept {
	t.Helper()
	file := sharedfile.File{Path: path}
	text, err := file.Read()
	require.NoError(t, err)
	swept, err := Sweep(t.Context(), file, text, true)
	require.NoError(t, err)
	return swept
}

// TestSweepDefault has a scope die that had a copy of its keys in [default].
func TestSweepDefault(t *testing.T) {
	for name, doc := range map[string]string{
		"missing":                    "[a]\nk = v\n",
		"settings":                   "[default]\napi = 8xx\nregion = us-east-1\nusername = me\nusertoken = t=1\n",
		"account that was set there": "[default]\r\nregion = us-east-1\r\nsection=old\r\naws_access_key_id = OLD\r\nexpires = 1",
		"only a header":              "[a]\n[default]",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials")
			scopes, err := Beside(path)
			require.NoError(t, err)
			writeCopy(t, path, doc, scopes)
			lock, err := scopes.Take(deadID)
			require.NoError(t, err)
			during := readFile(t, path)

			assert.Empty(t, sweepFile(t, path), "the scope lives")
			assert.Equal(t, string(during), string(readFile(t, path)))

			require.NoError(t, lock.Close())
			want := []Swept{{path, inifile.DefaultSection}, {Path: scopes.Path(deadID, Extension)}}
			assert.ElementsMatch(t, want, sweepFile(t, path))
			assert.Equal(t, doc, string(readFile(t, path)))
			assert.Empty(t, sweepFile(t, path))
		})
	}
}

// TestSweepDefaultWithoutScope leaves alone what no scope wrote, or what was changed since.
func TestSweepDefaultWithoutScope(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	scopes, err := Beside(path)
	require.NoError(t, err)
	writeCopy(t, path, "", scopes)
	text, err := inifile.SetKeys(readFile(t, path), inifile.DefaultSection, []inifile.Pair{{Key: "aws_access_key_id", Value: "MINE"}}, func(string) bool { return false })
	require.NoError(t, err)
	for _, doc := range []string{string(text), "[default]\naws_access_key_id = MINE\nexpires = 1\nsection = x\n"} {
		require.NoError(t, os.WriteFile(path, []byte(doc), 0o600))
		assert.Empty(t, sweepFile(t, path))
		assert.Equal(t, doc, string(readFile(t, path)))
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}
