package profiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/sharedfile"
	"github.com/chaim-go/chaim/internal/ssotoken"
)

// SignIn is the file with the sign-in of a session to IAM Identity Center. The AWS CLI and the SDKs read and write it too.
type SignIn struct{ path string }

// OpenSignIn returns the file of a session. A session without a name is known by its start URL.
func OpenSignIn(session, startURL string) (SignIn, error) {
	folder, err := awsenv.SSOCache()
	return SignIn{filepath.Join(folder, ssotoken.FileName(session, startURL))}, err
}

// Path is the path of the file.
func (s SignIn) Path() string { return s.path }

// tornPatience is how long Read waits for a text that can be read: other programs write the file in place.
const tornPatience, tornPoll = time.Second, 10 * time.Millisecond

// Read returns the token in the file. The error wraps [fs.ErrNotExist] without a file.
func (s SignIn) Read(ctx context.Context) (ssotoken.Token, error) {
	for began := time.Now(); ; {
		if _, err := os.Stat(s.path); err != nil {
			return ssotoken.Token{}, err
		}
		text, err := s.file().Read()
		if err != nil {
			return ssotoken.Token{}, err
		}
		token, err := ssotoken.Parse(text)
		if !errors.Is(err, ssotoken.ErrTorn) || time.Since(began) > tornPatience {
			if err != nil {
				err = errtext.Wrap(err, "%s", s.path)
			}
			return token, err
		}
		select {
		case <-time.After(tornPoll):
		case <-ctx.Done():
			return token, context.Cause(ctx)
		}
	}
}

// Write puts a token into the file, with mode 0600 if the file is new, and keeps what the file has besides.
func (s SignIn) Write(ctx context.Context, token ssotoken.Token) error {
	return s.file().Edit(ctx, token.Render)
}

// CheckWrite returns the error that Write would return now. It makes the folder, and writes nothing.
func (s SignIn) CheckWrite(ctx context.Context) error {
	return s.file().Edit(ctx, func(text []byte) ([]byte, error) { return text, nil })
}

// file is the file of the sign-in. If another user could have put it there, its keys would be those of that user.
func (s SignIn) file() sharedfile.File { return sharedfile.File{Path: s.path, IsOwn: true} }

// Remove removes the file. A missing file is no error.
func (s SignIn) Remove() error { return sharedfile.Remove(s.path) }

// ReadBeside returns the text of another file in the same folder, which is empty for a missing file.
func (s SignIn) ReadBeside(name string) ([]byte, error) {
	return sharedfile.File{Path: filepath.Join(filepath.Dir(s.path), name)}.Read()
}

// WriteBeside replaces such a file in one step, with mode 0600. Without a text it removes the file.
func (s SignIn) WriteBeside(name string, text []byte) error {
	path := filepath.Join(filepath.Dir(s.path), name)
	if len(text) == 0 {
		return sharedfile.Remove(path)
	}
	if err := sharedfile.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	return sharedfile.WriteFile(path, text)
}

// signInLockTime is longer than a refresh may take.
const signInLockTime = 45 * time.Second

// Lock makes other chaims wait until unlock is called. Other programs do not know the lock. The error wraps
// [ssotoken.ErrReadOnly] if the folder cannot be written.
func (s SignIn) Lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return nil, asReadOnly(err)
	}
	path := s.path + ".chaim-refresh"
	ctx, stop := context.WithTimeoutCause(ctx, signInLockTime, fmt.Errorf("another process has held it for %s: if that is stopped, resume or end it", signInLockTime))
	defer stop()
	defer awaiting.For(ctx, "the process that holds "+path)()
	for {
		lock, err := sharedfile.LockSide(path, os.O_CREATE|os.O_RDWR, false)
		switch {
		case err != nil:
			return nil, asReadOnly(err)
		case lock != nil:
			return func() { _ = lock.Close() }, nil
		}
		select {
		case <-time.After(tornPoll):
		case <-ctx.Done():
			return nil, errtext.Wrap(context.Cause(ctx), "waiting for the lock %s", path)
		}
	}
}

// asReadOnly marks an error of a place where nothing can be written.
func asReadOnly(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return errtext.Because(ssotoken.ErrReadOnly, err)
	}
	return err
}
