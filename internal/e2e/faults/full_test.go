//go:build faults && linux

package faults

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/chaim-go/chaim"
)

// smallDisk is a folder on a disk of its own.
func smallDisk(t *testing.T) folder {
	t.Helper()
	on := t.TempDir()
	mount(t, on, "-t", "tmpfs", "-o", "size=128k", "tmpfs")
	dir := filepath.Join(on, ".aws")
	require.NoError(t, os.Mkdir(dir, 0o700))
	return newFolder(t, dir)
}

func filler(dir string) string { return filepath.Join(filepath.Dir(dir), "filler") }

func fill(dir string) { _ = os.WriteFile(filler(dir), make([]byte, 128<<10), 0o600) }

// leave fills a disk, except for so many bytes.
func leave(t *testing.T, dir string, left int) {
	t.Helper()
	fill(dir)
	info, err := os.Stat(filler(dir))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filler(dir), info.Size()-int64(left)))
}

// grow writes a text of that size above the text of the file, as another program would.
func (f *folder) grow(t *testing.T, size int) {
	t.Helper()
	more := "# " + strings.Repeat("x", size-3) + "\n"
	f.write(t, more+f.text(t))
	f.before = more + f.before
}

// lent returns a client that has a profile.
func lent(t *testing.T, opts chaim.Options) *chaim.Client {
	t.Helper()
	c, err := chaim.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	_, err = c.RequestKeys(t.Context())
	require.NoError(t, err)
	return c
}

func (f folder) empty(t *testing.T) {
	t.Helper()
	require.NoError(t, os.RemoveAll(filler(f.dir)))
}

// fails checks that there was no space, and that nothing has changed.
func (f folder) fails(t *testing.T, before string, err error) {
	t.Helper()
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.ErrorContains(t, err, f.file())
	require.Equal(t, before, f.text(t))
}

// TestFullDiskAtTheEndOfAScope has the disk become full while a scope lives. The scope has set aside the space that it
// needs.
func TestFullDiskAtTheEndOfAScope(t *testing.T) {
	for name, setUp := range map[string]func(*chaim.Options){
		"keys":     func(*chaim.Options) {},
		"terrible": func(o *chaim.Options) { o.Terrible = true },
		"process":  func(o *chaim.Options) { o.Form = chaim.Process },
	} {
		t.Run(name, func(t *testing.T) {
			f := smallDisk(t)
			opts := options(f.dir, chaim.Keys)
			setUp(&opts)
			require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				fill(f.dir)
				require.ErrorIs(t, os.WriteFile(filepath.Join(f.dir, "probe"), make([]byte, 8<<10), 0o600), syscall.ENOSPC)
				return os.Remove(filepath.Join(f.dir, "probe"))
			}))
			f.untouched(t)
		})
	}
}

// TestNoSpaceForTheEndOfAScope has a disk with room for the profile, but not for its removal.
func TestNoSpaceForTheEndOfAScope(t *testing.T) {
	f := smallDisk(t)
	for left := 4 << 10; ; left += 4 << 10 {
		leave(t, f.dir, left)
		o := with(options(f.dir, chaim.Keys))
		f.empty(t)
		if o.Called {
			assert.Empty(t, o.Err)
			assert.Greater(t, left, 2*len(f.before), "space for two more copies")
			break
		}
		assert.Contains(t, o.Is, "ENOSPC", o.Err)
		f.untouched(t)
	}
	f.untouched(t)
}

// TestSpaceForAFileThatGrows has another program make the file larger while a scope lives.
func TestSpaceForAFileThatGrows(t *testing.T) {
	for name, renew := range map[string]func(*chaim.Client) error{
		"watched": func(*chaim.Client) error {
			<-time.After(1200 * time.Millisecond)
			return nil
		},
		"renewed": func(c *chaim.Client) error {
			_, err := c.RequestKeys(context.Background())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := smallDisk(t)
			c := lent(t, options(f.dir, chaim.Keys))
			f.grow(t, 24<<10)
			require.NoError(t, renew(c))
			fill(f.dir)
			require.NoError(t, c.Close())
			f.untouched(t)
		})
	}
}

// TestNoSpaceForAFileThatGrows checks for a warning as soon as there is no space to remove the profile.
func TestNoSpaceForAFileThatGrows(t *testing.T) {
	f := smallDisk(t)
	var log strings.Builder
	opts := options(f.dir, chaim.Keys)
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	c := lent(t, opts)
	f.grow(t, 24<<10)
	fill(f.dir)
	<-time.After(1200 * time.Millisecond)
	f.empty(t)
	require.NoError(t, c.Close()) // it logs nothing after that
	assert.Equal(t, 1, strings.Count(log.String(), "there is no space to remove the profile again"), log.String())
	f.untouched(t)
}

// TestSpaceThatIsTaken has another program use all free space while the end of a scope, or a sweep, waits for the lock.
func TestSpaceThatIsTaken(t *testing.T) {
	for _, isSwept := range []bool{false, true} {
		f := smallDisk(t)
		var remove func() error
		if isSwept {
			cmd, _ := start(t, 1, "SIGKILL", f.dir)
			end(cmd)
			remove = func() error {
				_, err := chaim.Sweep(context.Background(), f.dir)
				return err
			}
		} else {
			remove = lent(t, options(f.dir, chaim.Keys)).Close
		}
		fill(f.dir)
		lock, err := os.Open(f.file() + ".lock")
		require.NoError(t, err)
		require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
		removed := make(chan error)
		go func() { removed <- remove() }()
		<-time.After(300 * time.Millisecond)
		more, err := os.OpenFile(filler(f.dir), os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		for err == nil {
			_, err = more.Write(make([]byte, 4<<10))
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NoError(t, more.Close())
		require.NoError(t, lock.Close())
		require.NoError(t, <-removed)
		f.untouched(t)
	}
}

// TestFullDiskUnderMountedFileAtTheEndOfAScope has the file written in place. The backup needs space for its old and its new
// text.
func TestFullDiskUnderMountedFileAtTheEndOfAScope(t *testing.T) {
	f := smallDisk(t)
	f.grow(t, 16<<10)
	mount(t, f.file(), "--bind", f.file())
	c := lent(t, options(f.dir, chaim.Keys))
	fill(f.dir)
	require.NoError(t, c.Close())
	f.untouched(t)
}

// TestKeptProfileAfterAFailedScope has a scope fail for lack of space, and then a profile kept under its name. The end of
// the scope, or of its process, must not remove that profile.
func TestKeptProfileAfterAFailedScope(t *testing.T) {
	for _, isKilled := range []bool{false, true} {
		f := smallDisk(t)
		opts := options(f.dir, chaim.Keys)
		opts.TempName = "dev"
		require.NoError(t, chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error { return nil }))
		leave(t, f.dir, 16<<10)
		var finish func()
		if isKilled {
			cmd, said := start(t, 1, "no space", f.dir)
			require.Equal(t, []string{"true"}, said)
			finish = func() { end(cmd) }
		} else {
			c, err := chaim.New(opts)
			require.NoError(t, err)
			_, err = c.RequestKeys(t.Context())
			require.ErrorIs(t, err, syscall.ENOSPC)
			finish = func() { require.NoError(t, c.Close()) }
		}
		assert.Len(t, f.others(t), 1, "the lease")
		f.empty(t)
		opts.Keep = true
		lent(t, opts)
		kept := f.text(t)
		finish()
		swept, err := chaim.Sweep(t.Context(), f.dir)
		require.NoError(t, err)
		assert.Empty(t, profilesOf(swept))
		assert.Equal(t, kept, f.text(t))
		assert.Empty(t, f.others(t))
	}
}

// TestFullDiskAmongWriters has other scopes of the process ask for space while one frees the space that it has set aside.
func TestFullDiskAmongWriters(t *testing.T) {
	f := smallDisk(t)
	for range 20 {
		c := lent(t, options(f.dir, chaim.Keys))
		fill(f.dir)
		ctx, stop := context.WithCancel(t.Context())
		var others sync.WaitGroup
		for range 7 {
			others.Go(func() {
				for ctx.Err() == nil {
					with(options(f.dir, chaim.Keys))
				}
			})
		}
		<-time.After(3 * time.Millisecond)
		err := c.Close()
		stop()
		others.Wait()
		require.NoError(t, err)
		f.empty(t)
		f.untouched(t)
	}
}

// TestNoFileLeft has a disk without free inodes, on which no more files can be made.
func TestNoFileLeft(t *testing.T) {
	for _, isSwept := range []bool{false, true} {
		on := t.TempDir()
		mount(t, on, "-t", "tmpfs", "-o", "nr_inodes=32", "tmpfs")
		dir := filepath.Join(on, ".aws")
		require.NoError(t, os.Mkdir(dir, 0o700))
		f := newFolder(t, dir)
		remove := func() error {
			_, err := chaim.Sweep(context.Background(), f.dir)
			return err
		}
		if isSwept {
			cmd, _ := start(t, 1, "SIGKILL", f.dir)
			end(cmd)
		} else {
			remove = lent(t, options(f.dir, chaim.Keys)).Close
		}
		var err error
		for n := 0; err == nil; n++ {
			err = os.WriteFile(filepath.Join(on, strconv.Itoa(n)), nil, 0o600)
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NoError(t, remove())
		f.untouched(t)
	}
}

// TestSweepOfAFullDisk has a profile that takes more space to remove than its scope has set aside. The space that a dead
// scope without a profile has set aside is enough.
func TestSweepOfAFullDisk(t *testing.T) {
	f := smallDisk(t)
	cmd, _ := start(t, 1, "SIGKILL", f.dir)
	end(cmd)
	f.grow(t, 24<<10)
	lease, err := os.OpenFile(filepath.Join(f.dir, "chaim", "credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.lease"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	require.NoError(t, unix.Fallocate(int(lease.Fd()), unix.FALLOC_FL_KEEP_SIZE, 64<<10, 40<<10))
	require.NoError(t, lease.Close())
	fill(f.dir)
	swept, err := chaim.Sweep(t.Context(), f.dir)
	require.NoError(t, err)
	assert.Equal(t, []string{"tempname"}, profilesOf(swept))
	f.untouched(t)
}

func TestFullDiskAfterAProcessHasDied(t *testing.T) {
	for name, form := range map[string]chaim.ProfileForm{"SIGKILL": chaim.Keys, "SIGKILL process": chaim.Process} {
		t.Run(name, func(t *testing.T) {
			f := smallDisk(t)
			if form == chaim.Process {
				mode := func() *exec.Cmd { return command("process", f.dir) }
				for n := 1; !strings.Contains(f.text(t), "credential_process"); n++ {
					f.write(t, f.before)
					require.True(t, killAt(t, mode(), fileCalls["renameat2"], n+1))
				}
			} else {
				cmd, _ := start(t, 1, name, f.dir)
				end(cmd)
			}
			temp := filepath.Join(f.dir, ".chaim-tmp-credentials-1")
			require.NoError(t, os.WriteFile(temp, nil, 0o600))
			fill(f.dir)
			swept, err := chaim.Sweep(t.Context(), f.dir)
			require.NoError(t, err)
			assert.Equal(t, []string{"tempname"}, profilesOf(swept))
			f.untouched(t)
		})
	}
}

// TestFullDiskWithoutAProfile deletes and parks a profile by the client that has it, and by another client.
func TestFullDiskWithoutAProfile(t *testing.T) {
	for name, setUp := range map[string]func(*chaim.Options){
		"kept, by another": func(o *chaim.Options) { o.Keep = true },
		"scope":            func(*chaim.Options) {},
		"process":          func(o *chaim.Options) { o.Form = chaim.Process },
	} {
		for mode, parked := range map[string]string{"delete": "", "park": definition} {
			t.Run(mode+" "+name, func(t *testing.T) {
				f := smallDisk(t)
				opts := options(f.dir, chaim.Keys)
				opts.TempName = "dev"
				setUp(&opts)
				opts.Default = opts.Keep
				c, err := chaim.New(opts)
				require.NoError(t, err)
				_, err = c.RequestKeys(t.Context())
				require.NoError(t, err)
				by := c
				if opts.Keep {
					by = newManager(t, f.dir)
				}
				before := f.text(t)
				fill(f.dir)
				if opts.Keep || mode == "park" { // no space is set aside for that
					for range 2 {
						f.fails(t, before, parkChanges[mode](t.Context(), by, "dev"))
						assert.Empty(t, f.both(t)[1])
					}
					f.empty(t)
				}
				require.NoError(t, parkChanges[mode](t.Context(), by, "dev"))
				require.NoError(t, c.Close())
				assert.Zero(t, c.Creds())
				texts := f.both(t)
				rest, isWhole := strings.CutPrefix(texts[0], f.before)
				assert.True(t, isWhole)
				assert.NotContains(t, rest, "=")
				assert.Equal(t, parked, texts[1])
			})
		}
	}
}

// TestKillOnAFullDisk kills a program whose scope ends on a full disk, at each of its system calls.
func TestKillOnAFullDisk(t *testing.T) {
	added := section(t, chaim.Keys, false)
	f := smallDisk(t)
	states := map[string]int{}
	killed := killEverywhere(t, func() *exec.Cmd {
		f.empty(t)
		return command("full", f.dir)
	}, func(call string) {
		state := f.added(t)
		assert.Contains(t, []string{"", added}, state, call)
		states[state]++
		if _, err := os.Stat(filler(f.dir)); err != nil {
			fill(f.dir)
		} // it may just have freed the space that it had set aside
		f.swept(t)
	})
	assert.GreaterOrEqual(t, killed["renameat2"], 2)
	assert.NotZero(t, states[""])
	assert.NotZero(t, states[added])
	f.untouched(t)
}
