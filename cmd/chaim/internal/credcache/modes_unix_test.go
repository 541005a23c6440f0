//go:build unix

package credcache

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func TestOpen(t *testing.T) {
	file := filepath.Join(newFolder(t), "credentials")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	cache, err := Open(nil)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(filepath.Dir(file), "chaim", folderName), cache.folder)

	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	_, err = Open(nil)
	assert.ErrorIs(t, err, sharedfile.ErrNoStore)
}

// TestModes starts with a folder and a file of those modes, 0 for none.
func TestModes(t *testing.T) {
	for _, umask := range []int{0o000, 0o022, 0o077, 0o277, 0o777} {
		for _, folderMode := range []fs.FileMode{0, 0o500, 0o700, 0o750, 0o755, 0o711, 0o770, 0o707, 0o777, 0o1777} {
			for _, fileMode := range []fs.FileMode{0, 0o600, 0o640, 0o604, 0o644, 0o620, 0o602, 0o666} {
				if folderMode == 0 && fileMode != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%03o %04o %03o", umask, folderMode, fileMode), func(t *testing.T) {
					cache := Cache{folder: newFolder(t)}
					path := cache.path(Key("a"), dataExtension)
					want := newCreds("1", time.Hour)
					if folderMode != 0 {
						_, want = cached(t, cache.folder)
						require.NoError(t, os.Chmod(path, fileMode))
						if fileMode == 0 {
							require.NoError(t, os.Remove(path))
						}
						require.NoError(t, os.Chmod(cache.folder, folderMode))
					}
					if fileMode != 0o600 {
						want = newCreds("2", time.Hour)
					}
					var isAsked bool
					old := syscall.Umask(umask)
					got, err := cache.Get(t.Context(), Key("a"), func(context.Context) (chaim.AwsCreds, error) {
						isAsked = true
						return want, nil
					})
					syscall.Umask(old)

					if (folderMode|fileMode)&0o022 != 0 {
						assert.ErrorIs(t, err, sharedfile.ErrUnsafe)
						assert.False(t, isAsked)
						assert.Zero(t, got)
						return
					}
					require.NoError(t, err)
					assert.Equal(t, fileMode != 0o600, isAsked)
					assert.Equal(t, want.AccessKeyID, got.AccessKeyID)
					for _, name := range []string{"", Key("a") + dataExtension, Key("a") + lockExtension} {
						info, err := os.Stat(filepath.Join(cache.folder, name))
						require.NoError(t, err)
						wantMode := fs.FileMode(0o600)
						if name == "" {
							wantMode = 0o700
						}
						assert.Equal(t, wantMode, info.Mode().Perm(), name)
					}
				})
			}
		}
	}
}

// TestUmaskOfAnotherThanRoot lets its user into nothing that it makes.
func TestUmaskOfAnotherThanRoot(t *testing.T) {
	for _, umask := range []string{"022", "277", "777"} {
		srv := chaimtest.NewServer(t)
		home, err := os.MkdirTemp("", "chaim-credcache-")
		require.NoError(t, err)
		defer os.RemoveAll(home)
		if os.Geteuid() == 0 {
			require.NoError(t, os.Chown(home, nobody, nobody))
		}
		folder := filepath.Join(home, "chaim", folderName)
		answer := start(t, srv, folder, umaskVariable+"="+umask).answer(t)
		assert.Regexp(t, `^keys ASIA`, answer)

		// As a process left it that was killed before it could change the modes.
		require.NoError(t, os.Chmod(filepath.Join(folder, Key("sredev")+lockExtension), 0))
		require.NoError(t, os.Remove(filepath.Join(folder, Key("sredev")+dataExtension)))
		require.NoError(t, os.Chmod(folder, 0))
		again := start(t, srv, folder, umaskVariable+"="+umask).answer(t)
		assert.Regexp(t, `^keys ASIA`, again)
		assert.Len(t, srv.Requests(), 2)
	}
}

// TestAnotherUser needs root to make such files; another user has a folder at hand in /etc, which is only looked at.
func TestAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		_, err := Cache{folder: "/etc"}.Get(t.Context(), Key("a"), never)
		assert.ErrorIs(t, err, sharedfile.ErrUnsafe)
		return
	}
	for _, name := range []string{"home", "chaim", "folder", "file"} {
		t.Run(name, func(t *testing.T) {
			folder := newFolder(t)
			home := filepath.Dir(filepath.Dir(folder))
			path := map[string]string{"home": home, "chaim": filepath.Join(home, "chaim")}[name]
			if path != "" {
				require.NoError(t, os.MkdirAll(path, 0o700))
			} else {
				cache, _ := cached(t, folder)
				path = map[string]string{"folder": folder, "file": cache.path(Key("a"), dataExtension)}[name]
			}
			require.NoError(t, os.Chown(path, nobody, nobody))
			before, err := os.Stat(path)
			require.NoError(t, err)
			_, err = Cache{folder: folder}.Get(t.Context(), Key("a"), never)
			assert.ErrorIs(t, err, sharedfile.ErrUnsafe)
			assert.ErrorIs(t, err, fs.ErrPermission)
			assert.ErrorContains(t, err, "belongs to user id 65534")
			after, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, before, after, "nothing was made or changed there")
		})
	}
}

func TestFolderAboveForEverybody(t *testing.T) {
	folder := newFolder(t)
	above := filepath.Dir(folder)
	require.NoError(t, os.MkdirAll(folder, 0o700))
	require.NoError(t, os.Chmod(above, 0o770)) // whoever may write here can put another folder in its place
	_, err := Cache{folder: folder}.Get(t.Context(), Key("a"), never)
	assert.ErrorIs(t, err, sharedfile.ErrUnsafe)
	assert.ErrorContains(t, err, "chmod go-w")
}

func TestNamedPipe(t *testing.T) {
	for _, extension := range []string{dataExtension, lockExtension} {
		cache := Cache{folder: t.TempDir()}
		require.NoError(t, syscall.Mkfifo(cache.path(Key("a"), extension), 0o600))
		_, err := cache.Get(t.Context(), Key("a"), never)
		assert.ErrorIs(t, err, sharedfile.ErrUnsafe)
	}
}
