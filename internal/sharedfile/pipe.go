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

// pipes are those that this process has read, which can be done only once.
var pipes struct {
	sync.Mutex
	read []pipe
}

type pipe struct {
	info fs.FileInfo
	text []byte
	err  error
}

// readSpecial reads what is not a regular file: the null device, as an empty file, and a pipe, such as a shell makes for
// <(command). isSpecial is false for anything else.
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

// readPipe reads all that comes until ctx ends. Without a writer that is nothing.
func readPipe(ctx context.Context, path string) ([]byte, error) {
	f, err := openAtOnce(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) })() // where there are none, it is no pipe
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("its writer did not finish: %w", context.Cause(ctx))
	}
	if err == nil && len(text) > maxFileSize {
		return nil, tooLarge(path, maxFileSize)
	}
	return text, err
}

// ReadInput reads a file that the user names and that chaim never writes: a regular one, or a pipe, whose writer has until
// ctx ends. It also says which file it was.
func ReadInput(ctx context.Context, path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if text, isSpecial, err := readSpecial(ctx, path); isSpecial {
		return text, info, err
	}
	f, err := OpenRegular(path)
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

// IsOnlyOnce reports whether a file gives what it holds only once, or not before another program writes: it is neither
// a regular file nor the null device.
func IsOnlyOnce(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir() && !isNull(path, info)
}
