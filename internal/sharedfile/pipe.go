package sharedfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
)

// pipes are the pipes that this process has read. A pipe can be read only once.
var pipes struct {
	sync.Mutex
	read []pipe
}

type pipe struct {
	info fs.FileInfo
	text []byte
	err  error
}

// readSpecial reads the null device, as an empty file, or a pipe, such as a shell makes for <(command). isSpecial is false
// for any other file.
func readSpecial(ctx context.Context, path string) (text []byte, isSpecial bool, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, false, nil
	case isNull(path, info):
		return nil, true, nil
	case info.Mode()&fs.ModeNamedPipe == 0:
		return nil, false, nil
	}
	pipes.Lock()
	defer pipes.Unlock()
	for _, p := range pipes.read {
		if os.SameFile(p.info, info) {
			return p.text, true, p.err
		}
	}
	p := pipe{info: info}
	if p.text, p.err = readPipe(ctx, path); p.err != nil {
		p.err = errtext.Wrap(p.err, "cannot read pipe %s", path)
	}
	pipes.read = append(pipes.read, p)
	return p.text, true, p.err
}

// readPipe reads a pipe until its writers close it. It fails if ctx ends first. Without a writer the text is empty.
func readPipe(ctx context.Context, path string) ([]byte, error) {
	f, err := openAtOnce(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) })() // fails only for a file that is no pipe
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("its writer did not finish: %w", context.Cause(ctx))
	}
	if err == nil && len(text) > maxFileSize {
		return nil, tooLarge(path, maxFileSize)
	}
	return text, err
}

// ReadInput reads a file that the user names and that chaim never writes: a regular file, or a pipe, whose writer must
// finish before ctx ends. It also returns the file's info.
func ReadInput(ctx context.Context, path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if text, isSpecial, err := readSpecial(ctx, path); isSpecial {
		return text, info, err
	}
	f, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(text) > maxFileSize {
		err = tooLarge(path, maxFileSize)
	}
	return text, info, err
}

// IsOnlyOnce reports whether a file can be read only once, or has no text before another program writes to it. That is any
// file but a regular file, a folder or the null device.
func IsOnlyOnce(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir() && !isNull(path, info)
}
