package sharedfile

import (
	"errors"
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
func readSpecial(path string) (text []byte, isSpecial bool, err error) {
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
	if p.text, p.err = readPipe(path); p.err != nil {
		p.err = errtext.Wrap(p.err, "cannot read pipe %s", path)
	}
	pipes.read = append(pipes.read, p)
	return p.text, true, p.err
}

// readPipe reads all that comes, with an end to waiting. Without a writer that is nothing.
func readPipe(path string) ([]byte, error) {
	f, err := openAtOnce(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.SetReadDeadline(time.Now().Add(lockTimeout)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(text) > maxFileSize {
		return nil, tooLarge(path, maxFileSize)
	}
	return text, err
}
