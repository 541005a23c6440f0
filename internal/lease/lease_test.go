package lease

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const deadID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// writeCopy writes what a scope of an earlier version left that had a copy of its keys in [default], above rest.
func writeCopy(t *testing.T, path, rest string, scopes Files) {
	t.Helper()
	const key = "ASIAEXAMPLE000000001"
	mark := New(deadID, scopes.Folder, map[string]string{"aws_access_key_id": key}).String()
	text := "[default]\naws_access_key_id = " + key + "\naws_secret_access_key = secret\nsection = dev\nchaim_scope = " + mark + ".\n" + rest
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
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

// TestSweepDefault has a scope of an earlier version die, which had a copy of its keys in [default].
func TestSweepDefault(t *testing.T) {
	for name, tt := range map[string]struct{ rest, want string }{
		"alone":                      {"", "[default]\n"},
		"settings":                   {"api = 8xx\nregion = us-east-1\n[a]\nk = v", "[default]\napi = 8xx\nregion = us-east-1\n[a]\nk = v"},
		"account that was set there": {"region = r\nchaim_was_section=old\nchaim_was_aws_access_key_id = OLD\nchaim_was_expires = 1", "[default]\nregion = r\nsection=old\naws_access_key_id = OLD\nexpires = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials")
			scopes, err := Beside(path)
			require.NoError(t, err)
			writeCopy(t, path, tt.rest, scopes)
			lock, err := scopes.Take(deadID)
			require.NoError(t, err)
			during := readFile(t, path)

			assert.Empty(t, sweepFile(t, path), "the scope lives")
			assert.Equal(t, string(during), string(readFile(t, path)))

			require.NoError(t, lock.Close())
			want := []Swept{{path, inifile.DefaultSection}, {Path: scopes.Path(deadID, Extension)}}
			assert.ElementsMatch(t, want, sweepFile(t, path))
			assert.Equal(t, tt.want, string(readFile(t, path)))
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

// TestTakeDuringSweeps has sweeps remove a lease that is made and not locked yet: it would be one that no other process finds.
func TestTakeDuringSweeps(t *testing.T) {
	scopes, err := Beside(filepath.Join(t.TempDir(), "credentials"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, err := scopes.end(deadID)
				assert.NoError(t, err)
			}
		})
	}
	for range 100 {
		l, err := scopes.Take(deadID)
		if !assert.NoError(t, err) || !assert.True(t, l.IsThere(), "the lease that is held is not the one that others look for") {
			break
		}
		assert.NoError(t, l.Close())
	}
	cancel()
	wg.Wait()
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}
