package sharedfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errMine = errors.New("mine")

func newFile(path string) File { return File{Path: path} }

// addLine is an edit that does nothing where it was made already.
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

// leftovers lists temporary files beside path.
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

func TestRecordOverwritesNothing(t *testing.T) {
	for _, link := range []bool{true, false} {
		dir := t.TempDir()
		path, precious := filepath.Join(dir, "credentials"), filepath.Join(dir, "precious")
		if link {
			require.NoError(t, os.WriteFile(precious, []byte("process 1 on h\n0 0 0\n"), 0o600))
			require.NoError(t, os.Symlink(precious, lockPath(path)))
		} else {
			precious = lockPath(path)
			require.NoError(t, os.WriteFile(precious, []byte("pid 1\n"), 0o600))
		}
		before := text(t, precious)
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		assert.Equal(t, before, text(t, precious))
	}
}

func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, newFile(path).Edit(t.Context(), addLine("[x]")))
	info, err := os.Stat(path)
	require.NoError(t, err)
	r := openRecord(lockPath(path))
	assert.True(t, r.matches(info))
	assert.Equal(t, 1, r.headers)
	assert.Contains(t, text(t, lockPath(path)), thisProcess()+"\n")

	require.NoError(t, os.WriteFile(path, []byte("[x]\n[y]\n"), 0o600))
	info, err = os.Stat(path)
	require.NoError(t, err)
	assert.False(t, r.matches(info))

	for _, damaged := range []string{"", "\x00\x00", "process 1 on h\n12", "process 1 on h\n1 2 3\n3\n", "process 1 on h\n99999999999999999999 1 1\n"} {
		require.NoError(t, os.WriteFile(lockPath(path), []byte(damaged), 0o600))
		r := openRecord(lockPath(path))
		assert.False(t, r.isKnown, damaged)
		r.leave(info, nil)
		assert.True(t, openRecord(lockPath(path)).isKnown, damaged)
	}
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

func TestParallelEditsAllArrive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				assert.NoError(t, newFile(path).Edit(t.Context(), addLine(fmt.Sprint(i, j))))
			}
		})
	}
	wg.Wait()
	lines := slices.Sorted(strings.Lines(text(t, path)))
	assert.Len(t, slices.Compact(lines), 40)
	assert.Empty(t, leftovers(t, path))
	assert.Empty(t, queues.of, "nobody waits any more")
}

// TestEditsThatWaitAreWrittenTogether has edits come while another is being made.
func TestEditsThatWaitAreWrittenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	var wg sync.WaitGroup
	var texts [10]string // in which each edit found itself last
	refused := func([]byte) ([]byte, error) { return nil, errMine }
	gone, leave := context.WithCancelCause(t.Context())
	leave(errMine)
	err := newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) {
		if len(queues.of[path].waiting) == 0 { // no lock needed: nobody has begun to wait
			for i := range texts {
				wg.Go(func() {
					assert.NoError(t, newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) {
						texts[i] = string(doc)
						return addLine(fmt.Sprint(i))(doc)
					}))
				})
			}
			wg.Go(func() { assert.ErrorIs(t, newFile(path).Edit(t.Context(), refused), errMine) })
			wg.Go(func() { assert.ErrorIs(t, newFile(path).Edit(gone, addLine("gone")), errMine) })
			waitFor(path, len(texts)+1)
		}
		return addLine("first")(doc)
	})
	require.NoError(t, err)
	wg.Wait()
	slices.SortFunc(texts[:], func(a, b string) int { return len(a) - len(b) })
	for i, found := range texts {
		assert.Equal(t, i+1, strings.Count(found, "\n"), "each builds on the one before it")
	}
	assert.NotContains(t, text(t, path), "gone")
}

// TestEditBuildsOnWhatIsThere lets another program write between the read and the rename.
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
					select { // until it is done, or waits for us
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

// A neighbour reads the file before an edit and writes it back after.
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

// inBubble runs f with a file that holds old and was written just now.
func inBubble(t *testing.T, old string, f func(t *testing.T, path string)) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		require.NoError(t, os.WriteFile(path, []byte(old), 0o600))
		f(t, path)
	})
}

// TestEditWaitsForAWriter lets another program empty the file first and fill it later, as the AWS CLI does.
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

// TestEditDoubtsAFileThatLostSections lets another program close the file when it has written half of it.
func TestEditDoubtsAFileThatLostSections(t *testing.T) {
	inBubble(t, "[a]\n[b]\n", func(t *testing.T, path string) {
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("[c]")))
		require.NoError(t, os.WriteFile(path, []byte("[a]\n"), 0o600))
		started := time.Now()
		require.NoError(t, newFile(path).Edit(t.Context(), addLine("x")))
		assert.GreaterOrEqual(t, time.Since(started), doubtTime)
		assert.Equal(t, "[a]\nx\n", text(t, path), "which then is how it was meant")

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

func TestLockEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		held := flock.New(lockPath(path))
		require.NoError(t, held.Lock())
		defer held.Unlock()
		openRecord(lockPath(path))

		started := time.Now()
		err := newFile(path).Edit(t.Context(), addLine("x"))
		assert.ErrorIs(t, err, ErrLocked)
		assert.ErrorContains(t, err, lockPath(path))
		assert.ErrorContains(t, err, thisProcess())
		assert.Equal(t, lockTimeout, time.Since(started))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started = time.Now()
		err = newFile(path).Edit(ctx, addLine("x"))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotErrorIs(t, err, ErrLocked)
		assert.Equal(t, time.Second, time.Since(started))
	})
}

// A panic in an edit is its caller's, but those whose edits were to be made along with it hear of it too.
func TestPanicLeavesNobodyWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	held := flock.New(lockPath(path))
	require.NoError(t, held.Lock())
	var wg sync.WaitGroup
	wg.Go(func() {
		assert.PanicsWithValue(t, "mine", func() {
			_ = newFile(path).Edit(t.Context(), func([]byte) ([]byte, error) { panic("mine") })
		})
	})
	waitFor(path, 1)
	wg.Go(func() {
		assert.ErrorIs(t, newFile(path).Edit(t.Context(), addLine("other")), syscall.ECANCELED)
	})
	waitFor(path, 2)
	require.NoError(t, held.Unlock())
	wg.Wait()
	require.NoError(t, newFile(path).Edit(t.Context(), addLine("next")))
	assert.Equal(t, "next\n", text(t, path))
}

// waitFor returns when so many edits wait.
func waitFor(path string, n int) {
	for waiting := -1; waiting < n; {
		runtime.Gosched()
		queues.Lock()
		waiting = 0
		if q := queues.of[path]; q != nil {
			waiting = len(q.waiting)
		}
		queues.Unlock()
	}
}

// TestLockTimeoutDoesNotCountOwnProcess lets edits of one process hold the lock for longer than the time-out, each in
// its turn.
func TestLockTimeoutDoesNotCountOwnProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		var wg sync.WaitGroup
		started := time.Now()
		for i := range 5 {
			<-time.After(time.Second)
			wg.Go(func() {
				assert.NoError(t, newFile(path).Edit(t.Context(), func(doc []byte) ([]byte, error) {
					<-time.After(lockTimeout - 2*time.Second)
					return addLine(fmt.Sprint(i))(doc)
				}))
			})
		}
		wg.Wait()
		assert.Greater(t, time.Since(started), 2*lockTimeout)

		held := flock.New(lockPath(path))
		require.NoError(t, held.Lock())
		defer held.Unlock()
		started = time.Now()
		for range 5 {
			wg.Go(func() { assert.ErrorIs(t, newFile(path).Edit(t.Context(), addLine("x")), ErrLocked) })
		}
		wg.Wait()
		assert.LessOrEqual(t, time.Since(started), lockTimeout+time.Second, "and a lock that nobody here has is given up once, not five times")
	})
}

// The caller that leads goes away while another process has the lock: the next one takes over.
func TestLeadIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		held := flock.New(lockPath(path))
		require.NoError(t, held.Lock())
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { assert.ErrorIs(t, newFile(path).Edit(ctx, addLine("first")), errMine) })
		synctest.Wait()
		wg.Go(func() { assert.NoError(t, newFile(path).Edit(t.Context(), addLine("second"))) })
		synctest.Wait()
		cancel(errMine)
		synctest.Wait()
		require.NoError(t, held.Unlock())
		wg.Wait()
		assert.Equal(t, "second\n", text(t, path))
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
		got, err := CredentialsPath(tt.dir)
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
