package sharedfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errMine = errors.New("mine")

func newFile(path string) File { return File{Path: path} }

// addLine returns an edit that adds a line, unless it is there already.
func addLine(line string) func([]byte) ([]byte, error) {
	return func(doc []byte) ([]byte, error) {
		for l := range strings.Lines(string(doc)) {
			if l == line+"\n" {
				return doc, nil
			}
		}
		return append(doc[:len(doc):len(doc)], line+"\n"...), nil
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// leftovers lists the temporary files beside path.
func leftovers(t *testing.T, path string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(path), tempPrefix+"*"))
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
			require.NoError(t, newFile(link).Edit(t.Context(), addLine("x")))
			assert.Equal(t, "x\n", text(t, target))
			for _, l := range []string{middle, link} {
				info, err := os.Lstat(l)
				require.NoError(t, err)
				assert.NotZero(t, info.Mode()&fs.ModeSymlink, "the link stays a link")
			}
			assert.FileExists(t, lockPath(target), "one lock for all paths to the file")
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
	require.NoError(t, newFile(link).Edit(t.Context(), addLine("x")))
	assert.Equal(t, "[a]\nx\n", text(t, link))
}

func TestEditAfterTheEndOfItsContextWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := newFile(path).Edit(ctx, func(doc []byte) ([]byte, error) {
		cancel(errMine)
		return addLine("x")(doc)
	})
	assert.ErrorIs(t, err, errMine)
	assert.NoFileExists(t, path)
	assert.Empty(t, leftovers(t, path))
}

func TestEditRefusesLoops(t *testing.T) {
	link := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.Symlink(link, link))
	assert.ErrorContains(t, newFile(link).Edit(t.Context(), addLine("x")), "symbolic links")
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
		err := newFile(path(name)).Edit(t.Context(), addLine("x"))
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
	require.NoError(t, newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) { return doc, nil }))
	assert.ErrorIs(t, newFile(path).Edit(t.Context(), func([]byte) ([]byte, error) { return nil, errMine }), errMine)
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
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

// TestEditBuildsOnWhatIsThere has another program write between the read and the rename.
func TestEditBuildsOnWhatIsThere(t *testing.T) {
	for name, write := range map[string]func(path string) error{
		"in place": func(path string) error { return os.WriteFile(path, []byte("new\n"), 0o600) },
		"by rename": func(path string) error {
			if err := os.WriteFile(path+".new", []byte("new\n"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials")
			require.NoError(t, os.WriteFile(path, []byte("old\n"), 0o600))
			written := make(chan error, 1)
			calls := 0
			err := newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) {
				if calls++; calls == 1 {
					go func() { written <- write(path) }()
					select { // until the write is done, or waits for the edit
					case err := <-written:
						written <- err
					case <-time.After(50 * time.Millisecond):
					}
				}
				return addLine("x")(doc)
			})
			require.NoError(t, err)
			require.NoError(t, <-written)
			assert.Equal(t, "new\nx\n", text(t, path))
			assert.Empty(t, leftovers(t, path))
		})
	}
}

// Another program reads the file before an edit, and writes its old text back after.
func TestEditIsMadeAgainAfterAStaleWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, []byte("old\n"), 0o600))
	calls := 0
	err := newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) {
		if calls++; calls == 2 { // the first look after the rename
			assert.Equal(t, "old\nx\n", string(doc))
			require.NoError(t, os.WriteFile(path, []byte("old\nand more\n"), 0o600))
		}
		return addLine("x")(doc)
	})
	require.NoError(t, err)
	assert.Equal(t, "old\nand more\nx\n", text(t, path))
}

// inBubble runs f in a synctest bubble, with a file that was just written and holds old.
func inBubble(t *testing.T, old string, f func(t *testing.T, path string)) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		require.NoError(t, os.WriteFile(path, []byte(old), 0o600))
		f(t, path)
	})
}

// TestEditWaitsForAWriter has another program empty the file and fill it later, as the AWS CLI does.
func TestEditWaitsForAWriter(t *testing.T) {
	inBubble(t, "", func(t *testing.T, path string) {
		filled := make(chan error)
		go func() {
			<-time.After(doubtTime - settlePoll)
			filled <- os.WriteFile(path, []byte("[user]\n"), 0o600)
		}()
		edited := make(chan error)
		go func() { edited <- newFile(path).Edit(t.Context(), addLine("x")) }()
		require.NoError(t, <-filled)
		require.NoError(t, <-edited)
		assert.Equal(t, "[user]\nx\n", text(t, path))
	})
}

func TestEditBelievesAFileThatStaysEmpty(t *testing.T) {
	inBubble(t, "", func(t *testing.T, path string) {
		started := time.Now()
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		assert.GreaterOrEqual(t, time.Since(started), doubtTime)
		assert.Equal(t, "x\n", text(t, path))
	})
}

// TestEditDoubtsAFileThatLostSections has another program close the file when it has written half of it.
func TestEditDoubtsAFileThatLostSections(t *testing.T) {
	inBubble(t, "[a]\n[b]\n", func(t *testing.T, path string) {
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("[c]")))
		require.NoError(t, os.WriteFile(path, []byte("[a]\n"), 0o600))
		started := time.Now()
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		assert.GreaterOrEqual(t, time.Since(started), doubtTime)
		assert.Equal(t, "[a]\nx\n", text(t, path), "the section is gone for good")

		require.NoError(t, os.WriteFile(path, nil, 0o600))
		filled := make(chan error)
		go func() {
			<-time.After(doubtTime / 2)
			filled <- os.WriteFile(path, []byte("[a]\n[b]\n"), 0o600)
		}()
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("y")))
		require.NoError(t, <-filled)
		assert.Equal(t, "[a]\n[b]\ny\n", text(t, path))
	})
}

func inAnHour(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.ModTime().Add(time.Hour)
}

func TestEditDoubtsAFileOfTheFuture(t *testing.T) {
	inBubble(t, "[a]\n[b]\n", func(t *testing.T, path string) {
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("[c]")))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chtimes(path, time.Time{}, inAnHour(t, path)))
		started := time.Now()
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		assert.GreaterOrEqual(t, time.Since(started), doubtTime)
	})
}

func TestEditDoubtsAFileThatIsGone(t *testing.T) {
	inBubble(t, "[a]\n", func(t *testing.T, path string) {
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("[b]")))
		require.NoError(t, os.Rename(path, path+"~"))
		filled := make(chan error)
		go func() {
			<-time.After(doubtTime / 2)
			filled <- os.Rename(path+"~", path)
		}()
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		require.NoError(t, <-filled)
		assert.Equal(t, "[a]\n[b]\nx\n", text(t, path))
	})
}

func TestEditDoesNotWaitForItself(t *testing.T) {
	inBubble(t, "[a]\n", func(t *testing.T, path string) {
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		started := time.Now()
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("y")))
		assert.Zero(t, time.Since(started))
	})
}

func TestEditRefusesToGrowTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(path, make([]byte, maxFileSize), 0o600))
	assert.ErrorContains(t, newFile(path).Edit(t.Context(), addLine("x")), "16 MiB")
}
