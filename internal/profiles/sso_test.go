package profiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/internal/sharedfile"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

func TestSignInFile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	s, err := OpenSignIn("corp", "")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(home, ".aws", "sso", "cache", ssotoken.FileName("corp", "")), s.Path())
	_, err = s.Read(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	unlock, err := s.Lock(t.Context())
	require.NoError(t, err)
	info, err := os.Stat(filepath.Dir(s.Path()))
	require.NoError(t, err)
	assert.False(t, runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0)
	token := ssotoken.Token{StartURL: "https://x", Region: "eu-west-1", Access: "CANARYa", Expires: time.Now().Add(time.Hour)}
	require.NoError(t, s.Write(t.Context(), token))
	unlock()
	info, err = os.Stat(s.Path())
	require.NoError(t, err)
	assert.False(t, runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0)
	read, err := s.Read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, token.Access, read.Access)
	require.NoError(t, s.Remove())
	require.NoError(t, s.Remove())
}

// TestSignInOfAnotherUser has files that another user could have put there, to lend us keys of the wrong account.
func TestSignInOfAnotherUser(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("ACLs decide there")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	s, err := OpenSignIn("corp", "")
	require.NoError(t, err)
	token := ssotoken.Token{StartURL: "https://x", Region: "eu-west-1", Access: "CANARYa", Expires: time.Now().Add(time.Hour)}
	require.NoError(t, s.CheckWrite(t.Context()))
	assert.NoFileExists(t, s.Path())
	require.NoError(t, s.Write(t.Context(), token))
	spoils := []func() error{
		func() error { return os.Chmod(s.Path(), 0o602) },
		func() error { return os.Link(s.Path(), s.Path()+".2") },
	}
	if os.Geteuid() == 0 {
		spoils = append(spoils, func() error { return os.Chown(s.Path(), 12345, -1) })
	}
	for _, spoil := range spoils {
		require.NoError(t, spoil())
		_, err = s.Read(t.Context())
		require.ErrorIs(t, err, sharedfile.ErrUnsafe)
		require.Error(t, s.CheckWrite(t.Context()))
		require.Error(t, s.Write(t.Context(), token))
		require.NoError(t, s.Remove())
		require.NoError(t, s.Write(t.Context(), token))
	}
}

func TestReadOnlyFolder(t *testing.T) {
	for _, errno := range []error{syscall.EROFS, fs.ErrPermission} {
		err := asReadOnly(&fs.PathError{Op: "mkdir", Path: "/x", Err: errno})
		require.ErrorIs(t, err, ssotoken.ErrReadOnly)
		require.ErrorIs(t, err, errno)
		assert.Contains(t, err.Error(), "/x")
	}
	require.NotErrorIs(t, asReadOnly(errors.New("other")), ssotoken.ErrReadOnly)
}
