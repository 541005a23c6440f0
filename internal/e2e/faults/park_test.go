//go:build faults && linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	parkVariable = "CHAIM_FAULTS_PARK"
	oldID        = "ASIAIOSFODNN7OLDKEYS"
	oldSecret    = "OLDSECRETnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	theirLine    = "output = json\n"
	definition   = "[dev]\nduration = 1\nrole = rro\naccountname = sredev\nregion = eu-west-1\n"
)

// parkChanges are the changes that a child makes to a profile.
var parkChanges = map[string]func(context.Context, *chaim.Client, string) error{
	"park": func(ctx context.Context, c *chaim.Client, name string) error { return c.ParkAccount(ctx, name) },
	"unpark": func(ctx context.Context, c *chaim.Client, name string) error {
		_, err := c.UnparkAccount(ctx, name)
		return err
	},
	"delete": func(ctx context.Context, c *chaim.Client, name string) error { return c.DeleteAccount(ctx, name) },
	"renew": func(ctx context.Context, c *chaim.Client, name string) error {
		_, err := c.RenewSection(ctx, name)
		return err
	},
}

// A child of these tests is not in a scope, unlike the other children.
func init() {
	mode := os.Getenv(parkVariable)
	if mode == "" {
		return
	}
	c, err := chaim.New(options(os.Args[1], chaim.Keys))
	check(err)
	if change := parkChanges[mode]; change != nil {
		os.Getppid() // see trace
		check(change(context.Background(), c, "dev"))
	} else {
		churn(c)
	}
	os.Exit(0)
}

func parkCommand(mode, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), parkVariable+"="+mode)
	return cmd
}

func (f folder) parked() string { return filepath.Join(f.dir, "chaim-parked") }

// both returns the texts of the credentials file and of chaim-parked.
func (f folder) both(t *testing.T) [2]string {
	t.Helper()
	parked, err := os.ReadFile(f.parked())
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return [2]string{f.text(t), string(parked)}
}

// setBoth writes both texts as chaim does, so that chaim does not wait for another writer afterwards.
func (f folder) setBoth(t *testing.T, texts [2]string) {
	t.Helper()
	for i, path := range []string{f.file(), f.parked()} {
		err := sharedfile.File{Path: path}.Edit(t.Context(), func([]byte) ([]byte, error) { return []byte(texts[i]), nil })
		require.NoError(t, err)
	}
}

// newHeld returns a folder with kept profiles, whose keys are not those of the source.
func newHeld(t *testing.T, names ...string) folder {
	t.Helper()
	f := newFolder(t, t.TempDir())
	for _, name := range names {
		opts := options(f.dir, chaim.Keys)
		opts.TempName, opts.Keep = name, true
		require.Empty(t, with(opts).Err)
		f.write(t, f.text(t)+theirLine)
	}
	f.write(t, strings.Replace(f.text(t), "chaim_scope = +\n", "", 1)) // a note that chaim would remove when only theirLine is left
	f.write(t, strings.NewReplacer(keyID, oldID, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\naws_session_token", oldSecret+"\naws_session_token").Replace(f.text(t)))
	return f
}

func newManager(t *testing.T, dir string) *chaim.Client {
	t.Helper()
	c, err := chaim.New(options(dir, chaim.Keys))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

func TestKillWhileParking(t *testing.T) {
	f := newHeld(t, "dev")
	c := newManager(t, f.dir)
	held := f.text(t)
	section := held[strings.Index(held, "[dev]"):]
	left := strings.Replace(held, section, "[dev]\n"+theirLine, 1)
	renewed := strings.NewReplacer(oldID, keyID, oldSecret, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").Replace(held)
	require.NotEqual(t, held, renewed)
	settled := map[string][2]string{"park": {left, definition}, "unpark": {renewed, ""}, "delete": {left, ""}}
	for mode, tt := range map[string]struct {
		before, after [2]string
		between       [][2]string
		locks         int // files that are locked; closing a file ends its lock
	}{
		"park":   {[2]string{held}, [2]string{left, definition}, [][2]string{{held, definition}}, 2},
		"unpark": {[2]string{left, definition}, [2]string{renewed, ""}, [][2]string{{renewed, definition}}, 2},
		"delete": {[2]string{held, definition}, [2]string{left, ""}, [][2]string{{left, definition}}, 2},
		"renew":  {[2]string{held, definition}, [2]string{renewed, definition}, nil, 1},
	} {
		t.Run(mode, func(t *testing.T) {
			seen := map[[2]string]int{}
			looks := 0
			killed := killEverywhere(t, func() *exec.Cmd {
				f.setBoth(t, tt.before)
				return parkCommand(mode, f.dir)
			}, func(call string) {
				texts := f.both(t)
				require.Contains(t, append(tt.between, tt.before, tt.after), texts, call)
				seen[texts]++
				_, err := chaim.Sweep(t.Context(), f.dir)
				require.NoError(t, err)
				assert.Subset(t, []string{"chaim-parked", "chaim-parked.lock"}, f.others(t), call)
				assert.Equal(t, texts, f.both(t), call)

				by := []string{"park", "unpark", "delete"}[looks%3]
				looks++
				want, isHeld, isParked := settled[by], texts[0] != left, texts[1] != ""
				err = parkChanges[by](t.Context(), c, "dev")
				if !isParked && (!isHeld || by == "unpark") {
					assert.Error(t, err, "%s: nothing to %s", call, by)
					want = texts
				} else {
					assert.NoError(t, err, "%s: %s", call, by)
				}
				assert.Equal(t, want, f.both(t), "%s: %s", call, by)
			})
			for call, least := range map[string]int{"write": 2, "fsync": 2, "renameat2": 1, "unlinkat": 1, "flock": tt.locks, "close": tt.locks, "fchmod": 1} {
				assert.GreaterOrEqual(t, killed[call], least, call)
			}
			for _, texts := range append(tt.between, tt.before, tt.after) {
				assert.NotZero(t, seen[texts])
			}
		})
	}
}

const churned = 3 // profiles

// churn parks and brings back profiles at random.
func churn(c *chaim.Client) {
	for range 60 {
		name := fmt.Sprintf("p%d", rand.IntN(churned))
		var err error
		if rand.IntN(2) == 0 {
			err = c.ParkAccount(context.Background(), name)
		} else if _, err = c.UnparkAccount(context.Background(), name); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		check(err)
	}
}

func TestProcessesParkTheSameAccounts(t *testing.T) {
	var names []string
	for i := range churned {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	f := newHeld(t, names...)
	var stderr [3]strings.Builder
	var cmds [3]*exec.Cmd
	ended := make(chan error)
	for i := range cmds {
		cmds[i] = parkCommand("churn", f.dir)
		cmds[i].Stderr = &stderr[i]
		require.NoError(t, cmds[i].Start())
		t.Cleanup(func() { _ = cmds[i].Process.Kill() })
		go func() { ended <- cmds[i].Wait() }()
	}
	looks, parked := 0, 0
	for left := len(cmds); left > 0; {
		select {
		case err := <-ended:
			left--
			assert.NoError(t, err)
			continue
		default:
		}
		err := sharedfile.File{Path: f.file()}.Edit(t.Context(), func(doc []byte) ([]byte, error) {
			texts := f.both(t)
			for _, name := range names {
				isHeld := strings.Contains(sectionIn(string(doc), name), "accountname")
				isParked := sectionIn(texts[1], name) != ""
				assert.True(t, isHeld || isParked, name)
				if isParked {
					parked++
				}
			}
			assert.NotContains(t, texts[1], "ASIA")
			return doc, nil
		})
		require.NoError(t, err)
		looks++
	}
	for i := range stderr {
		assert.Empty(t, stderr[i].String())
	}
	assert.Greater(t, looks, 10)
	assert.NotZero(t, parked)
	c := newManager(t, f.dir)
	for _, name := range names {
		require.NoError(t, c.ParkAccount(t.Context(), name))
	}
	want := f.before + "\n"
	for i, name := range names {
		if i > 0 {
			want += "\n"
		}
		want += "[" + name + "]\n" + theirLine
	}
	assert.Equal(t, want, f.text(t))
}

// sectionIn is the text of a section below its header.
func sectionIn(text, name string) string {
	_, section, _ := strings.Cut(text, "["+name+"]\n")
	section, _, _ = strings.Cut(section, "\n[")
	return section
}

func TestModesOfParkedAccounts(t *testing.T) {
	for _, umask := range []int{0o000, 0o022, 0o077, 0o777} {
		for _, mode := range []fs.FileMode{0, 0o600, 0o640, 0o644, 0o664, 0o666} { // 0 for no file
			t.Run(fmt.Sprintf("%03o %03o", umask, mode), func(t *testing.T) {
				f := newHeld(t, "dev")
				if mode != 0 {
					require.NoError(t, os.WriteFile(f.parked(), []byte("# mine\n"), mode))
					require.NoError(t, os.Chmod(f.parked(), mode))
				}
				require.NoError(t, os.Chmod(f.file(), 0o644))
				defer syscall.Umask(syscall.Umask(umask))
				err := newManager(t, f.dir).ParkAccount(t.Context(), "dev")
				if mode == 0o666 { // another user may have changed it
					assert.ErrorContains(t, err, f.parked())
					return
				}
				require.NoError(t, err)
				modes := f.modes(t)
				for _, name := range []string{"credentials", "chaim-parked", "chaim-parked.lock"} {
					assert.Equal(t, fs.FileMode(0o600), modes[name], name)
				}
			})
		}
	}
}

func TestParkedAccountsThatCannotBeWritten(t *testing.T) {
	for name, mountReadOnly := range map[string]func(*testing.T, folder) (umount func()){
		"file": func(t *testing.T, f folder) func() {
			umount := mount(t, f.parked(), "--bind", f.parked())
			tool(t, "mount", "-o", "remount,ro,bind", f.parked())
			return umount
		},
		"folder": func(t *testing.T, f folder) func() {
			umount := mount(t, f.dir, "--bind", f.dir)
			tool(t, "mount", "-o", "remount,ro,bind", f.dir)
			return umount
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newHeld(t, "dev")
			c := newManager(t, f.dir)
			require.NoError(t, os.WriteFile(f.parked(), []byte(definition), 0o600))
			require.NoError(t, c.DeleteAccount(t.Context(), "dev"), "leaves the lock files")
			f.setBoth(t, [2]string{newHeld(t, "dev").text(t), "# mine\n"})
			before := f.both(t)
			umount := mountReadOnly(t, f)
			err := c.ParkAccount(t.Context(), "dev")
			assert.ErrorIs(t, err, syscall.EROFS)
			assert.ErrorContains(t, err, f.dir)
			assert.Equal(t, before, f.both(t))
			umount()

			require.NoError(t, c.ParkAccount(t.Context(), "dev"))
			before = f.both(t)
			umount = mountReadOnly(t, f)
			creds, err := c.UnparkAccount(t.Context(), "dev")
			assert.ErrorIs(t, err, syscall.EROFS)
			assert.Equal(t, before[1], f.both(t)[1])
			isStored := name == "file"
			assert.Equal(t, isStored, creds.AccessKeyID != "")
			assert.Equal(t, isStored, strings.Contains(err.Error(), "has new keys"), err)
			assert.Equal(t, isStored, before[0] != f.text(t))
			umount()
			if !isStored {
				_, err := c.UnparkAccount(t.Context(), "dev")
				require.NoError(t, err)
			}
			held, err := c.MyAccountList(t.Context())
			require.NoError(t, err)
			assert.Len(t, held, 1)
			require.NoError(t, c.ParkAccount(t.Context(), "dev"))
		})
	}
}
