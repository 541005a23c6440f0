package settingsfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/gateway"
	"github.com/chaim-go/chaim/internal/settingsfile"
)

func settings(token string) gateway.Settings {
	return gateway.Settings{
		Endpoint: "https://gateway.example/", Protocol: gateway.V1, Username: "me", UserToken: token, TokenExpires: time.Unix(4102444800, 0),
	}
}

// TestReplaceReturnsWhatStoodThere has files of which an edit is made once, and more than once: one that others could read.
func TestReplaceReturnsWhatStoodThere(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o644} {
		dir := t.TempDir()
		path := filepath.Join(dir, "credentials")
		text := "[default]\nendpoint = https://gateway.example/\nprotocol = v1\nusername = me\nusertoken = old\ntokenexpires = 4102444800\nmine = x\n"
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		replaced, err := settingsfile.Replace(t.Context(), dir, settings("new"))
		require.NoError(t, err)
		require.Len(t, replaced, 1)
		assert.Equal(t, settings("old").TokenExpires, replaced[0].TokenExpires)
		assert.Equal(t, "old", replaced[0].UserToken)
		replaced, err = settingsfile.Replace(t.Context(), dir, settings("new"))
		require.NoError(t, err)
		assert.Empty(t, replaced, "the same token")
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, strings.ReplaceAll(text, "old", "new"), string(now))
	}
}

// TestReplaceAtOnce has each token but the last one returned to somebody who replaces it.
func TestReplaceAtOnce(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	var gone []string
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			replaced, err := settingsfile.Replace(t.Context(), dir, settings(fmt.Sprint("token-", i)))
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			for _, one := range replaced {
				gone = append(gone, one.UserToken)
			}
		})
	}
	all.Wait()
	left, err := settingsfile.Read(dir)
	require.NoError(t, err)
	gone = slices.DeleteFunc(gone, func(token string) bool { return token == "" }) // of the first, before which nothing was there
	slices.Sort(gone)
	want := []string{}
	for i := range 8 {
		if token := fmt.Sprint("token-", i); token != left.UserToken {
			want = append(want, token)
		}
	}
	assert.Equal(t, want, slices.Compact(gone))
}

func TestReadTellsWhyItCannot(t *testing.T) {
	dir := t.TempDir()
	stored, err := settingsfile.Read(dir)
	require.NoError(t, err, "no file")
	assert.Zero(t, stored)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials"), []byte("[default]\na = b\n[default]\n"), 0o600))
	_, err = settingsfile.Read(dir)
	require.ErrorContains(t, err, "stands twice")
}
