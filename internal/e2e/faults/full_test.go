//go:build faults && linux

package faults

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// On a full disk there is no space for the text of a credentials file without a profile.

const secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

var blanked = strings.NewReplacer(
	"aws_secret_access_key = "+secretKey, "aws_secret_access_key = "+strings.Repeat("x", len(secretKey)),
	strings.Repeat("FwoGZXIvYXdzEXAMPLE/", 40), strings.Repeat("x", 800),
	"gui_url = notset", "gui_url = xxxxxx",
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

func (f folder) empty(t *testing.T) {
	t.Helper()
	require.NoError(t, os.RemoveAll(filler(f.dir)))
}

// overwritten checks that what was in the file before is there, but no keys, and that the error says so.
func (f folder) overwritten(t *testing.T, before string, err error) {
	t.Helper()
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.ErrorContains(t, err, "are overwritten and of no use")
	assert.ErrorContains(t, err, f.file())
	want := f.before + blanked.Replace(strings.TrimPrefix(before, f.before))
	require.NotEqual(t, want, before)
	require.Equal(t, want, f.text(t))
}

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
			var before string
			err := chaim.WithContext(t.Context(), opts, func(context.Context, *chaim.Client) error {
				before = f.text(t)
				fill(f.dir)
				return nil
			})
			f.overwritten(t, before, err)
			assert.Len(t, f.others(t), 1, "only the lease, not the file of a process")
			_, err = chaim.Sweep(t.Context(), f.dir)
			f.overwritten(t, before, err)
			f.empty(t)
			f.swept(t)
		})
	}
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
			before := f.text(t)
			temp := filepath.Join(f.dir, ".chaim-tmp-credentials-1")
			require.NoError(t, os.WriteFile(temp, nil, 0o600))
			fill(f.dir)
			swept, err := chaim.Sweep(t.Context(), f.dir)
			f.overwritten(t, before, err)
			assert.Empty(t, profilesOf(swept))
			assert.Len(t, f.others(t), 1, "only the lease")
			assert.NoFileExists(t, temp)
			f.empty(t)
			swept, err = chaim.Sweep(t.Context(), f.dir)
			require.NoError(t, err)
			assert.Equal(t, []string{"tempname"}, profilesOf(swept))
			f.untouched(t)
		})
	}
}

// TestFullDiskWithoutAProfile deletes and parks, by the client that has the profile and by another.
func TestFullDiskWithoutAProfile(t *testing.T) {
	for name, setUp := range map[string]func(*chaim.Options){
		"kept, by another": func(o *chaim.Options) { o.Keep = true },
		"kept":             func(o *chaim.Options) { o.Keep = true },
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
				if strings.HasSuffix(name, "another") {
					by = newManager(t, f.dir)
				}
				before := f.text(t)
				fill(f.dir)
				for range 2 {
					f.overwritten(t, before, parkChanges[mode](t.Context(), by, "dev"))
					assert.Empty(t, f.both(t)[1])
					for _, other := range f.others(t) {
						assert.NotEqual(t, ".json", filepath.Ext(other))
					}
				}
				f.empty(t)
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

func init() {
	parkChanges["delete on a full disk"] = func(ctx context.Context, c *chaim.Client, name string) error {
		if err := c.DeleteAccount(ctx, name); !errors.Is(err, syscall.ENOSPC) {
			return errors.Join(errors.New("the disk is not full"), err)
		}
		return nil
	}
}

func TestKillOnAFullDisk(t *testing.T) {
	f := smallDisk(t)
	opts := options(f.dir, chaim.Keys)
	opts.TempName, opts.Keep = "dev", true
	require.Empty(t, with(opts).Err)
	before := f.text(t)
	after := f.before + blanked.Replace(strings.TrimPrefix(before, f.before))
	c := newManager(t, f.dir)
	seen := map[string]int{}
	killed := killEverywhere(t, func() *exec.Cmd {
		f.empty(t)
		f.setBoth(t, [2]string{before, ""})
		fill(f.dir)
		return parkCommand("delete on a full disk", f.dir)
	}, func(call string) {
		text := f.text(t)
		seen[text]++
		require.Len(t, text, len(before))
		for i := range text {
			require.True(t, text[i] == before[i] || text[i] == after[i], "%s: byte %d", call, i)
		}
		f.overwritten(t, before, c.DeleteAccount(t.Context(), "dev"))
		f.empty(t)
		require.NoError(t, c.DeleteAccount(t.Context(), "dev"))
		require.Equal(t, f.before, f.text(t))
	})
	assert.GreaterOrEqual(t, killed["pwrite64"], 3)
	assert.GreaterOrEqual(t, len(seen), 4, "each value is written by itself")
}
