//go:build faults && linux

package faults

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

func TestModes(t *testing.T) {
	for _, umask := range []int{0o000, 0o022, 0o077, 0o777} {
		for _, mode := range []fs.FileMode{0, 0o600, 0o640, 0o644, 0o666} { // 0 for no file
			for _, form := range []chaim.ProfileForm{chaim.Keys, chaim.Process} {
				t.Run(fmt.Sprintf("%03o %03o %s", umask, mode, form), func(t *testing.T) {
					f := folder{dir: filepath.Join(t.TempDir(), ".aws")}
					if mode != 0 {
						require.NoError(t, os.Mkdir(f.dir, 0o700))
						f = newFolder(t, f.dir)
						require.NoError(t, os.Chmod(f.file(), mode))
					}
					want := map[string]fs.FileMode{
						".": 0o700, "credentials": 0o600, "credentials.lock": 0o600, "chaim": 0o700, "chaim/credentials-RANDOM.lease": 0o600,
					}
					if form == chaim.Process {
						want["chaim/credentials-RANDOM.json"] = 0o600
					}
					defer syscall.Umask(syscall.Umask(umask))
					require.NoError(t, chaim.WithContext(t.Context(), options(f.dir, form), func(context.Context, *chaim.Client) error {
						assert.Equal(t, want, f.modes(t))
						return nil
					}))
					assert.Equal(t, fs.FileMode(0o600), f.modes(t)["credentials"])
				})
			}
		}
	}
}

func (f folder) modes(t *testing.T) map[string]fs.FileMode {
	t.Helper()
	modes := map[string]fs.FileMode{}
	require.NoError(t, filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		name, err := filepath.Rel(f.dir, path)
		require.NoError(t, err)
		info, err := d.Info()
		modes[random.ReplaceAllString(name, "RANDOM")] = info.Mode().Perm()
		return err
	}))
	return modes
}
