//go:build unix

package sharedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const nobody = 65534

// TestOpenSideRefuses opens files that are no side files, with any flags. They are refused and stay as they are.
func TestOpenSideRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		set  func(path, elsewhere string) error
		says string
	}{
		"named pipe": {func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }, "is a named pipe"},
		"link":       {func(path, elsewhere string) error { return os.Symlink(elsewhere, path) }, "is a symbolic link"},
		"dangling":   {func(path, elsewhere string) error { return os.Symlink(elsewhere+"-missing", path) }, "is a symbolic link"},
		"hard link":  {func(path, elsewhere string) error { return os.Link(elsewhere, path) }, "has a second name"},
		"folder":     {func(path, _ string) error { return os.Mkdir(path, 0o700) }, "is a folder"},
		"group":      {func(path, _ string) error { return makeFile(path, 0o620) }, "can be written to by other users"},
		"all":        {func(path, _ string) error { return makeFile(path, 0o602) }, "can be written to by other users"},
		"large":      {func(path, _ string) error { return os.WriteFile(path, make([]byte, 101), 0o600) }, "has 101 bytes"},
	} {
		for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_CREATE, os.O_RDWR | os.O_CREATE} {
			t.Run(fmt.Sprintf("%s %x", name, flag), func(t *testing.T) {
				dir := t.TempDir()
				path, elsewhere := filepath.Join(dir, "side"), filepath.Join(dir, "elsewhere")
				require.NoError(t, makeFile(elsewhere, 0o640))
				require.NoError(t, tt.set(path, elsewhere))
				before, err := os.Lstat(path)
				require.NoError(t, err)

				_, err = OpenSide(path, flag, 100)
				assert.ErrorIs(t, err, ErrUnsafe)
				assert.ErrorContains(t, err, path+" "+tt.says)

				after, err := os.Lstat(path)
				require.NoError(t, err)
				assert.Equal(t, before.Mode(), after.Mode())
				assert.NoFileExists(t, elsewhere+"-missing")
				info, err := os.Stat(elsewhere)
				require.NoError(t, err)
				assert.Equal(t, fs.FileMode(0o640), info.Mode())
			})
		}
	}
}

func makeFile(path string, mode fs.FileMode) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// sharedFolder makes a folder like /tmp. Only root can make files of another user there.
func sharedFolder(t *testing.T) (dir string, isRoot bool) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Chmod(dir, fs.ModeSticky|0o777))
	return dir, os.Geteuid() == 0
}

// TestPlantedBackup has another user put a backup beside a file. Recovering from it would bring that user's lines into the
// file.
func TestPlantedBackup(t *testing.T) {
	dir, isRoot := sharedFolder(t)
	path := filepath.Join(dir, "credentials")
	before, after := "[default]\nregion = x\n", "[default]\ncredential_process = /tmp/x\nregion = x\n"
	require.NoError(t, os.WriteFile(path, []byte(before), 0o600))
	require.NoError(t, os.WriteFile(backupPath(path), fmt.Appendf(nil, backupHeader+"%s%s", len(after), len(before), after, before), 0o600))
	if isRoot {
		require.NoError(t, os.Chown(backupPath(path), nobody, nobody))
	} else {
		require.NoError(t, os.Chmod(backupPath(path), 0o666))
	}
	_, err := newFile(path).IsInterrupted()
	assert.ErrorIs(t, err, ErrUnsafe)
	err = newFile(path).Edit(t.Context(), addLine("x"))
	assert.ErrorIs(t, err, ErrUnsafe)
	assert.ErrorContains(t, err, backupPath(path))
	assert.Equal(t, before, text(t, path))
}

// TestLinksOfOthers has another user set a link to a file of this user, in a folder that all users may write.
func TestLinksOfOthers(t *testing.T) {
	dir, isRoot := sharedFolder(t)
	mine := filepath.Join(t.TempDir(), "mine")
	require.NoError(t, makeFile(mine, 0o600))
	link := filepath.Join(dir, "credentials")
	require.NoError(t, os.Symlink(mine, link))
	require.NoError(t, newFile(link).Edit(t.Context(), addLine("x")), "over a link of this user")
	if !isRoot {
		return
	}
	require.NoError(t, os.Lchown(link, nobody, nobody))
	_, err := newFile(link).Read()
	assert.ErrorIs(t, err, ErrUnsafe)
	assert.ErrorIs(t, newFile(link).Edit(t.Context(), addLine("y")), ErrUnsafe)

	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chown(dir, nobody, nobody))
	_, err = newFile(link).Read()
	assert.NoError(t, err, "as root reads the file of a user in that user's folder")
	assert.ErrorIs(t, newFile(link).Edit(t.Context(), addLine("y")), fs.ErrPermission, "but does not write where that leads")
	assert.Equal(t, "x\n", text(t, mine))
}

// TestOwnFile is about a file that only chaim writes. It may be a link, and its group may write it.
func TestOwnFile(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(path string) error
		isFine bool
	}{
		"mine":            {func(string) error { return nil }, true},
		"the group's too": {func(path string) error { return os.Chmod(path, 0o664) }, true},
		"open to all":     {func(path string) error { return os.Chmod(path, 0o606) }, false},
		"hard link":       {func(path string) error { return os.Link(path, path+"-too") }, false},
		"my link": {func(path string) error {
			if err := os.Rename(path, path+"-there"); err != nil {
				return err
			}
			return os.Symlink(path+"-there", path)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := sharedFolder(t)
			path := filepath.Join(dir, "chaim-parked")
			require.NoError(t, os.WriteFile(path, []byte("[a]\n"), 0o600))
			require.NoError(t, tt.change(path))
			file := File{Path: path, IsOwn: true}
			_, err := file.Read()
			assert.Equal(t, tt.isFine, err == nil, err)
			err = file.Edit(t.Context(), addLine("x"))
			assert.Equal(t, tt.isFine, err == nil, err)
			if !tt.isFine {
				assert.ErrorIs(t, err, ErrUnsafe)
				assert.Equal(t, "[a]\n", text(t, path))
			}
		})
	}
	dir, isRoot := sharedFolder(t)
	if isRoot {
		path := filepath.Join(dir, "chaim-parked")
		require.NoError(t, os.WriteFile(path, []byte("[a]\n"), 0o600))
		require.NoError(t, os.Chown(path, nobody, nobody))
		_, err := File{Path: path, IsOwn: true}.Read()
		assert.ErrorIs(t, err, ErrUnsafe)
	}
}

// TestSecondLock has the lock file removed while it is locked.
func TestSecondLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := LockSide(path, os.O_CREATE|os.O_RDONLY, false)
	require.NoError(t, err)
	second, err := LockSide(path, os.O_CREATE|os.O_RDONLY, false)
	require.NoError(t, err)
	assert.Nil(t, second)
	require.NoError(t, os.Remove(path))
	assert.False(t, first.IsThere())
	second, err = LockSide(path, os.O_CREATE|os.O_RDONLY, false)
	require.NoError(t, err)
	require.NotNil(t, second, "the new file can be locked")
	assert.True(t, second.IsThere())
	require.NoError(t, first.Remove())
	assert.NoFileExists(t, path)
	require.NoError(t, second.Close())
}

// TestLogOfOthers has another user prepare the file to which root logs. The folder has no sticky bit, or Linux itself could
// refuse the links.
func TestLogOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can act as another user
	}
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("mine\n"), 0o600))
	folder := filepath.Join(dir, "tmp")
	require.NoError(t, os.Mkdir(folder, 0o700))
	log := filepath.Join(folder, "log")
	for name, prepare := range map[string]func() error{
		"link":          func() error { return errors.Join(os.Symlink(victim, log), os.Lchown(log, nobody, nobody)) },
		"dangling link": func() error { return errors.Join(os.Symlink(dir+"/new", log), os.Lchown(log, nobody, nobody)) },
		"hard link":     func() error { return os.Link(victim, log) },
		"file":          func() error { return errors.Join(os.WriteFile(log, nil, 0o600), os.Lchown(log, nobody, nobody)) },
	} {
		require.NoError(t, prepare())
		_, err := OpenLog(log)
		assert.ErrorContains(t, err, log, name)
		require.NoError(t, os.Remove(log))
	}
	assert.NoFileExists(t, dir+"/new")
}

func TestLogFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink("behind", dir+"/link"))
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	for _, path := range []string{dir + "/log", dir + "/link", dir + "/link", os.DevNull, fmt.Sprintf("/dev/fd/%d", w.Fd())} {
		f, err := OpenLog(path)
		require.NoError(t, err, path)
		_, err = f.WriteString("line\n")
		assert.NoError(t, err, path)
		assert.NoError(t, f.Close())
	}
	text, err := os.ReadFile(dir + "/behind")
	require.NoError(t, err)
	assert.Equal(t, "line\nline\n", string(text))
	info, err := os.Stat(dir + "/log")
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
	require.NoError(t, syscall.Mkfifo(dir+"/pipe", 0o600))
	_, err = OpenLog(dir + "/pipe")
	assert.ErrorIs(t, err, syscall.ENXIO)
	assert.Error(t, func() error { _, err := OpenLog(dir); return err }(), "a folder")
}
