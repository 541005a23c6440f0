//go:build faults && linux

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/chaim-go/chaim"
)

func TestFullDisk(t *testing.T) {
	for name, tt := range map[string]struct {
		options string
		fill    func(dir string, left int) // leaves so many pages or inodes
	}{
		"bytes": {"size=64k", func(dir string, left int) {
			file := filepath.Join(dir, "filler")
			_ = os.WriteFile(file, make([]byte, 64<<10), 0o600)
			info, err := os.Stat(file)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(file, info.Size()-int64(left*os.Getpagesize())))
		}},
		"inodes": {"nr_inodes=16", func(dir string, left int) {
			for i := range 16 {
				_ = os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600)
			}
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries[:left] {
				require.NoError(t, os.Remove(filepath.Join(dir, e.Name())))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			on := t.TempDir()
			mount(t, on, "-t", "tmpfs", "-o", tt.options, "tmpfs")
			filler, dir := filepath.Join(on, "filler"), filepath.Join(on, ".aws")
			require.NoError(t, os.Mkdir(filler, 0o700))
			require.NoError(t, os.Mkdir(dir, 0o700))
			f := newFolder(t, dir)
			for i := range 75 {
				left, form := i%3, []chaim.ProfileForm{chaim.Keys, chaim.Process}[i%2]
				tt.fill(filler, left)
				if o := with(options(dir, form)); left < 2 || !o.Called { // two may be enough
					f.refused(t, o, "ENOSPC")
				}
				f.untouched(t)
			}
			require.NoError(t, os.RemoveAll(filler))
			assert.Equal(t, outcome{Called: true}, with(options(dir, chaim.Process)))
		})
	}
}

// strace returns a command line that makes system calls fail.
func strace(inject string, more ...string) []string {
	call, _, _ := strings.Cut(inject, ":")
	return append([]string{"strace", "-f", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=" + inject}, more...)
}

func TestDiskError(t *testing.T) {
	f := newFolder(t, t.TempDir())
	f.refused(t, run(t, "once", f.dir, strace("fsync:error=EIO:when=1")...), "EIO")

	o := run(t, "once", f.dir, strace("fsync:error=EIO:when=1", "-P", f.dir)...)
	if strings.Contains(o.Err, `removing profile "tempname"`) { // on another thread: strace counts the calls of each
		assert.Len(t, f.others(t), 1, "only the lease, as the removal may not survive a power cut")
		f.swept(t)
	}
	f.refused(t, o, "EIO")
	assert.Contains(t, o.Err, "may not survive a power cut")
}

// TestDiskLies has a disk that stores another byte than was written.
func TestDiskLies(t *testing.T) {
	f := newFolder(t, t.TempDir())
	for i := range 20 {
		cmd := command([]string{"once", "process"}[i%2], f.dir)
		var out bytes.Buffer
		cmd.Stdout = &out
		lies := 0
		restore := map[int]func(){} // by thread: undoes the change of the text that it writes
		trace(t, cmd, func(tid int, c call) {
			if !c.isEntry() {
				if put := restore[tid]; put != nil {
					put()
					delete(restore, tid)
				}
				return
			}
			file, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tid, c.args[0]))
			if c.number != unix.SYS_WRITE || !strings.Contains(file, ".chaim-tmp-") {
				return
			}
			lies++
			place := uintptr(c.args[1] + rand.N(c.args[2]))
			var b [1]byte
			_, err := unix.PtracePeekData(tid, place, b[:])
			assert.NoError(t, err)
			put := func(b byte) {
				_, err := unix.PtracePokeData(tid, place, []byte{b})
				assert.NoError(t, err)
			}
			put(b[0] ^ 1)
			restore[tid] = func() { put(b[0]) }
		})
		var o outcome
		require.NoError(t, json.Unmarshal(out.Bytes(), &o))
		assert.NotZero(t, lies)
		assert.False(t, o.Called)
		assert.Contains(t, o.Err, f.dir)
		assert.Contains(t, o.Err, "does not hold what was written to it")
		f.untouched(t)
	}
}

func TestReadOnly(t *testing.T) {
	f := newFolder(t, t.TempDir())
	mount(t, f.dir, "--bind", f.dir)
	tool(t, "mount", "-o", "remount,bind,ro", f.dir)
	f.refused(t, with(options(f.dir, chaim.Keys)), "EROFS")
}

func TestImmutable(t *testing.T) {
	on := t.TempDir()
	mount(t, on, "-o", "loop", newImage(t, "ext4"))
	f := newFolder(t, on)
	for _, path := range []string{f.file(), f.dir} {
		tool(t, "chattr", "+i", path)
		f.refused(t, with(options(f.dir, chaim.Keys)), "permission")
		tool(t, "chattr", "-i", path)
	}
	assert.Equal(t, outcome{Called: true}, with(options(f.dir, chaim.Keys)))
}

func TestLimits(t *testing.T) {
	f := newFolder(t, t.TempDir())
	for _, size := range []int{0, 2000} {
		f.refused(t, run(t, "once", f.dir, "prlimit", fmt.Sprintf("--fsize=%d", size)), "EFBIG")
	}
	more := 0
	for ; ; more++ {
		o := run(t, fmt.Sprintf("files %d", more), f.dir)
		if o.Called {
			break
		}
		f.refused(t, o, "EMFILE")
	}
	assert.Greater(t, more, 2, "the file, its lock and a lease are open at the same time")
	assert.Equal(t, outcome{Called: true}, run(t, "once", f.dir, "prlimit", "--fsize=10000", "--nofile=20"))
}

func TestTooLarge(t *testing.T) {
	f := folder{dir: t.TempDir(), before: strings.Repeat("# no secret\n", 17<<20/12)}
	f.write(t, f.before)
	f.refused(t, with(options(f.dir, chaim.Keys)), "EFBIG")
}

func TestOwners(t *testing.T) {
	for name, spoil := range map[string]func(f folder) error{
		"file of another user":   func(f folder) error { return os.Chown(f.file(), nobody, nobody) },
		"folder of another user": func(f folder) error { return os.Chown(f.dir, nobody, nobody) },
		"folder of all users":    func(f folder) error { return os.Chmod(f.dir, 0o777) },
		"read-only file":         func(f folder) error { return os.Chmod(f.file(), 0o400) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, t.TempDir())
			require.NoError(t, spoil(f))
			f.refused(t, with(options(f.dir, chaim.Keys)), "permission")
		})
	}
}

// TestOtherHome does the same as "HOME=/home/u sudo program".
func TestOtherHome(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.Chown(home, nobody, nobody))
	o := with(options(filepath.Join(home, ".aws"), chaim.Keys))
	assert.False(t, o.Called)
	assert.Equal(t, []string{"permission"}, o.Is)
	assert.Contains(t, o.Err, home)
	assert.Empty(t, folder{dir: home}.others(t))
	assert.NoDirExists(t, filepath.Join(home, ".aws"))
}

func TestOtherUser(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // so that the child can enter it
	f := newFolder(t, dir)
	f.refused(t, run(t, "nobody", f.dir), "permission")
	require.NoError(t, os.Chmod(f.file(), 0o644))
	f.refused(t, run(t, "nobody", f.dir), "permission")
	require.NoError(t, os.Chown(f.file(), nobody, nobody))
	require.NoError(t, os.Chown(f.dir, nobody, nobody))
	assert.Equal(t, outcome{Called: true}, run(t, "nobody", f.dir), "it may in a folder of its own")
}
