package chaim

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newSharedFile(path string) sharedFile { return sharedFile{path, slog.New(slog.DiscardHandler)} }

func appendLine(line string) func([]byte) ([]byte, error) {
	return func(doc []byte) ([]byte, error) { return append(doc[:len(doc):len(doc)], line+"\n"...), nil }
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// leftovers lists temporary files beside path.
func leftovers(t *testing.T, path string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(path), tempPattern))
	require.NoError(t, err)
	return found
}

func TestEditFollowsLinks(t *testing.T) {
	for name, existing := range map[string]bool{"target": true, "dangling": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(dir, "dotfiles", "credentials")
			require.NoError(t, os.Mkdir(filepath.Dir(target), 0o700))
			if existing {
				require.NoError(t, os.WriteFile(target, nil, 0o600))
			}
			middle, link := filepath.Join(dir, "middle"), filepath.Join(dir, "credentials")
			require.NoError(t, os.Symlink(filepath.Join("dotfiles", "credentials"), middle))
			require.NoError(t, os.Symlink(middle, link))
			require.NoError(t, newSharedFile(link).edit(t.Context(), appendLine("x")))
			assert.Equal(t, "x\n", text(t, target))
			for _, l := range []string{middle, link} {
				info, err := os.Lstat(l)
				require.NoError(t, err)
				assert.NotZero(t, info.Mode()&fs.ModeSymlink, "the link stays a link")
			}
			assert.FileExists(t, target+lockExtension, "one lock for all paths to the file")
			assert.Empty(t, leftovers(t, target))
		})
	}
}

func TestResolveGoesWhereTheSystemGoes(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"home", filepath.Join("else", "x")} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o700))
	}
	target := filepath.Join(dir, "else", "creds")
	require.NoError(t, os.WriteFile(target, []byte("[a]\n"), 0o600))
	require.NoError(t, os.Symlink(filepath.Join("..", "else", "x"), filepath.Join(dir, "home", "sub")))
	link := filepath.Join(dir, "home", "credentials")
	require.NoError(t, os.Symlink("sub/../creds", link))
	require.Equal(t, "[a]\n", text(t, link))
	require.NoError(t, newSharedFile(link).edit(t.Context(), appendLine("x")))
	assert.Equal(t, "[a]\nx\n", text(t, link))
}

func TestStampOverwritesNothing(t *testing.T) {
	for _, link := range []bool{true, false} {
		dir := t.TempDir()
		path, precious := filepath.Join(dir, "credentials"), filepath.Join(dir, "precious")
		if link {
			require.NoError(t, os.WriteFile(precious, []byte("0 0\n"), 0o600))
			require.NoError(t, os.Symlink(precious, path+lockExtension))
		} else {
			precious = path + lockExtension
			require.NoError(t, os.WriteFile(precious, []byte("pid 1\n"), 0o600))
		}
		before := text(t, precious)
		require.NoError(t, newSharedFile(path).edit(t.Context(), appendLine("x")))
		assert.Equal(t, before, text(t, precious))
	}
}

func TestEditAfterTheEndOfItsContextWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := newSharedFile(path).edit(ctx, func(doc []byte) ([]byte, error) {
		cancel(ErrClosed)
		return appendLine("x")(doc)
	})
	assert.ErrorIs(t, err, ErrClosed)
	assert.NoFileExists(t, path)
	assert.Empty(t, leftovers(t, path))
}

func TestEditRefusesLoops(t *testing.T) {
	link := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.Symlink(link, link))
	assert.ErrorContains(t, newSharedFile(link).edit(t.Context(), appendLine("x")), "symbolic links")
}

func TestEditRefusals(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Mkdir(path("folder"), 0o700))
	require.NoError(t, os.WriteFile(path("read-only"), []byte("mine\n"), 0o400))
	require.NoError(t, os.WriteFile(path("large"), make([]byte, maxFileSize+1), 0o600))
	require.NoError(t, os.WriteFile(path("not-a-folder"), nil, 0o600))
	for name, want := range map[string]string{
		"folder":         "not a regular file",
		"read-only":      "read-only",
		"large":          "larger than 16 MiB",
		"not-a-folder/x": "folder",
	} {
		err := newSharedFile(path(name)).edit(t.Context(), appendLine("x"))
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, path(strings.Split(name, "/")[0]))
	}
	assert.Equal(t, "mine\n", text(t, path("read-only")))
	assert.Empty(t, leftovers(t, path("x")))
}

func TestEditWithoutChangeWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, []byte("x\n"), 0o640))
	before, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, newSharedFile(path).edit(t.Context(), func(doc []byte) ([]byte, error) { return doc, nil }))
	mine := errors.New("mine")
	assert.ErrorIs(t, newSharedFile(path).edit(t.Context(), func([]byte) ([]byte, error) { return nil, mine }), mine)
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after))
	assert.Equal(t, before.Mode(), after.Mode())
}

func TestEditLeavesThePrivateModeBehind(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o640, 0o644, 0o666} {
		path := filepath.Join(t.TempDir(), "credentials")
		require.NoError(t, os.WriteFile(path, []byte("old\n"), mode))
		require.NoError(t, os.Chmod(path, mode))
		require.NoError(t, newSharedFile(path).edit(t.Context(), appendLine("x")))
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestParallelEditsAllArrive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				assert.NoError(t, newSharedFile(path).edit(t.Context(), appendLine("x")))
			}
		})
	}
	wg.Wait()
	assert.Equal(t, strings.Repeat("x\n", 40), text(t, path))
	assert.Empty(t, leftovers(t, path))
}

// TestEditBuildsOnWhatIsThere lets another program write between the read and the rename.
func TestEditBuildsOnWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, []byte("old\n"), 0o600))
	calls := 0
	err := newSharedFile(path).edit(t.Context(), func(doc []byte) ([]byte, error) {
		if calls++; calls == 1 {
			require.NoError(t, os.WriteFile(path, []byte("new\n"), 0o600))
		}
		return appendLine("x")(doc)
	})
	require.NoError(t, err)
	assert.Equal(t, "new\nx\n", text(t, path))
}

// TestEditWaitsForAWriter lets another program empty the file first and fill it later, as the AWS CLI does.
func TestEditWaitsForAWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chtimes(path, time.Now(), time.Now())) // the bubble's time
		filled := make(chan error)
		go func() {
			<-time.After(maxEmptyTime - time.Millisecond)
			filled <- os.WriteFile(path, []byte("[user]\n"), 0o600)
		}()
		edited := make(chan error)
		go func() { edited <- newSharedFile(path).edit(t.Context(), appendLine("x")) }()
		require.NoError(t, <-filled)
		require.NoError(t, <-edited)
		assert.Equal(t, "[user]\nx\n", text(t, path))
	})
}

// TestEditWaitsForAWriterThatPauses lets another program write the file in two halves.
func TestEditWaitsForAWriterThatPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		require.NoError(t, os.WriteFile(path, []byte("[a]\n"), 0o600))
		require.NoError(t, os.Chtimes(path, time.Now(), time.Now())) // the bubble's time
		filled := make(chan error)
		go func() {
			<-time.After(quietTime - time.Millisecond)
			filled <- os.WriteFile(path, []byte("[a]\n[b]\n"), 0o600)
		}()
		edited := make(chan error)
		go func() { edited <- newSharedFile(path).edit(t.Context(), appendLine("x")) }()
		require.NoError(t, <-filled)
		require.NoError(t, <-edited)
		assert.Equal(t, "[a]\n[b]\nx\n", text(t, path))
	})
}

func TestEditDoesNotWaitForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		require.NoError(t, newSharedFile(path).edit(t.Context(), appendLine("x")))
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, stampOf(info), text(t, path+lockExtension), "an edit leaves its stamp")

		// From here on in the bubble's time, by which the file is new.
		require.NoError(t, os.Chtimes(path, time.Now(), time.Now()))
		if info, err = os.Stat(path); assert.NoError(t, err) {
			require.NoError(t, os.WriteFile(path+lockExtension, []byte(stampOf(info)), 0o600))
		}
		started := time.Now()
		require.NoError(t, newSharedFile(path).edit(t.Context(), appendLine("y")))
		assert.Zero(t, time.Since(started))
	})
}

func TestEditRefusesToGrowTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, make([]byte, maxFileSize), 0o600))
	assert.ErrorContains(t, newSharedFile(path).edit(t.Context(), appendLine("x")), "16 MiB")
}

func TestEditBelievesAFileThatStaysEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chtimes(path, time.Now(), time.Now()))
		started := time.Now()
		require.NoError(t, newSharedFile(path).edit(t.Context(), appendLine("x")))
		assert.Equal(t, maxEmptyTime, time.Since(started))
		assert.Equal(t, "x\n", text(t, path))
	})
}

func TestLockEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "lock")
		held := flock.New(path)
		require.NoError(t, held.Lock())
		defer held.Unlock()

		started := time.Now()
		_, err := lock(t.Context(), path)
		assert.ErrorIs(t, err, ErrLocked)
		assert.ErrorContains(t, err, path)
		assert.Equal(t, lockTimeout, time.Since(started))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started = time.Now()
		_, err = lock(ctx, path)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotErrorIs(t, err, ErrLocked)
		assert.Equal(t, time.Second, time.Since(started))
	})
}

// TestLockTimeoutDoesNotCountOwnProcess lets goroutines of one process hold the lock for longer than the time-out, each
// in its turn.
func TestLockTimeoutDoesNotCountOwnProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "lock")
		var wg sync.WaitGroup
		started := time.Now()
		for range 5 {
			wg.Go(func() {
				unlock, err := lock(t.Context(), path)
				if assert.NoError(t, err) {
					<-time.After(lockTimeout - time.Second)
					unlock()
				}
			})
		}
		wg.Wait()
		assert.Equal(t, 5*(lockTimeout-time.Second), time.Since(started))

		held := flock.New(path)
		require.NoError(t, held.Lock())
		defer held.Unlock()
		started = time.Now()
		for range 5 {
			wg.Go(func() {
				_, err := lock(t.Context(), path)
				assert.ErrorIs(t, err, ErrLocked)
			})
		}
		wg.Wait()
		assert.LessOrEqual(t, time.Since(started), lockTimeout+time.Second, "and a lock that nobody here has is given up once, not five times")
	})
}

func TestCredentialsPath(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	t.Setenv("USERPROFILE", "/home/u")
	for _, tt := range []struct{ dir, env, want string }{
		{"", "", "/home/u/.aws/credentials"},
		{"", "/x/y", "/x/y"},
		{"", "~/cr", "/home/u/cr"},
		{"", "~other/cr", mustAbs(t, "~other/cr")},
		{"/dir", "/x/y", "/dir/credentials"},
		{"dir", "", mustAbs(t, "dir/credentials")},
	} {
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", tt.env)
		got, err := credentialsPath(tt.dir)
		require.NoError(t, err)
		assert.Equal(t, filepath.FromSlash(tt.want), got)
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	require.NoError(t, err)
	return abs
}
