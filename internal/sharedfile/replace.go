package sharedfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/chaim-go/chaim/internal/errtext"
)

const tempPrefix = ".chaim-tmp-"

// TempFor returns the name of the file that a temporary file beside it was made to replace. Live processes have temporary
// files only while they hold the lock of the shared file. So a process that has the lock may remove those of the dead.
func TempFor(name string) (base string, isTemp bool) {
	rest, isTemp := strings.CutPrefix(name, tempPrefix)
	i := strings.LastIndexByte(rest, '-')
	if !isTemp || i < 0 || i+1 == len(rest) || strings.Trim(rest[i+1:], "0123456789") != "" {
		return "", false
	}
	return strings.TrimSuffix(rest[:i], backupExtension), true
}

// replace puts text in the place of before.
func (c *commit) replace(before *snapshot, text []byte) (err error) {
	defer func() {
		if err != nil && !errors.Is(err, errChanged) {
			err = errtext.Wrap(err, "cannot write %s", c.target)
		}
	}()
	tmp, info, err := writeTemp(c.target, text, true)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, Remove(tmp))
		}
	}()
	wanted := len(c.batch)
	if c.keepWanted(); len(c.batch) < wanted || before.held != nil && isAwaited(before.held) {
		return errChanged
	}
	err = c.publish(tmp, info, before)
	if errors.Is(err, syscall.EBUSY) {
		if err = Remove(tmp); err != nil { // its space may be needed for the backup
			return err
		}
		info, err = writeInPlace(c.target, before, text)
	}
	if err != nil {
		return err
	}
	c.record.leave(info, text)
	// After an exchange, tmp is the old file.
	if err := Remove(tmp); err != nil {
		return err
	}
	if err := SyncDir(filepath.Dir(c.target)); err != nil {
		return errtext.Wrap(err, "the new text is in place, but may not survive a power cut")
	}
	return nil
}

// Remove removes a file that may be gone already.
func Remove(path string) error {
	if err := remove(path); !isMissing(err) {
		return err
	}
	return nil
}

// publish renames tmp to the target, if that is still the file of before. info describes tmp.
func (c *commit) publish(tmp string, info fs.FileInfo, before *snapshot) error {
	var err error
	if before.info == nil {
		err = create(tmp, c.target)
	} else if now, statErr := os.Lstat(c.target); statErr != nil || !os.SameFile(now, before.info) {
		return errChanged
	} else if err = exchange(tmp, c.target); err == nil {
		return c.checkDisplaced(tmp, info, before)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return errChanged
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	now, err := takeSnapshot(c.target)
	if err != nil {
		return err
	}
	if !before.equal(now) {
		return errChanged
	}
	return rename(tmp, c.target)
}

// checkDisplaced looks at the file that the new text has displaced from the target. The file goes back if it is not that of
// before, as another program was quicker by a moment, or if another program waits to write to it.
func (c *commit) checkDisplaced(tmp string, ours fs.FileInfo, before *snapshot) error {
	displaced, err := os.Lstat(tmp)
	if err != nil {
		return err
	}
	if SameVersion(displaced, before.info) && (before.held == nil || !isAwaited(before.held)) {
		return nil
	}
	isExchanged, err := putBack(tmp, c.target)
	if err != nil {
		return err
	}
	if back, err := os.Lstat(tmp); isExchanged && err == nil && !os.SameFile(back, ours) {
		_, err = putBack(tmp, c.target) // a third version came meanwhile, and the newest must stay
		return errors.Join(errChanged, err)
	}
	return errChanged
}

// putBack brings a displaced file back to the target, unless a newer file has come. If that fails, it keeps the file under
// another name.
func putBack(displaced, target string) (isExchanged bool, err error) {
	if err = exchange(displaced, target); err == nil {
		return true, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = create(displaced, target)
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	kept := target + ".displaced"
	return false, errtext.Wrap(errors.Join(err, os.Rename(displaced, kept)), "what another program wrote at the same time is in %s", kept)
}

// writeTemp writes a private file beside target, and reads it back, as a write may store less than it says.
func writeTemp(target string, text []byte, isDurable bool) (path string, info fs.FileInfo, err error) {
	f, err := os.CreateTemp(filepath.Dir(target), tempPrefix+filepath.Base(target)+"-*")
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, Remove(f.Name()))
		}
	}()
	defer f.Close() // after errors; the second Close does nothing
	// Chmod, because the umask applies to the mode given at creation.
	if err := f.Chmod(0o600); err != nil {
		return "", nil, err
	}
	if _, err := f.Write(text); err != nil {
		return "", nil, err
	}
	if isDurable {
		if err := f.Sync(); err != nil {
			return "", nil, err
		}
	}
	isWhole, err := hasText(f, text)
	if err != nil {
		return "", nil, err
	}
	if !isWhole {
		return "", nil, &fs.PathError{Op: "write", Path: f.Name(), Err: errors.New("the file does not hold what was written to it")}
	}
	if info, err = f.Stat(); err != nil {
		return "", nil, err
	}
	return f.Name(), info, f.Close()
}

// hasText reports whether a file holds text. It compares part by part, as a second copy of a large text takes longer than
// writing it.
func hasText(f *os.File, text []byte) (bool, error) {
	part := make([]byte, 32<<10)
	for offset := 0; ; {
		n, err := f.ReadAt(part, int64(offset))
		if !bytes.HasPrefix(text[offset:], part[:n]) {
			return false, nil
		}
		offset += n
		if errors.Is(err, io.EOF) {
			return offset == len(text), nil
		}
		if err != nil {
			return false, err
		}
	}
}

// WriteFile replaces a file that only this package writes, in one step and durably, with mode 0600.
func WriteFile(path string, text []byte) error { return writeFile(path, text, true) }

// WriteCache is WriteFile without the wait for the disk. After a power cut the file may be empty.
func WriteCache(path string, text []byte) error { return writeFile(path, text, false) }

func writeFile(path string, text []byte, isDurable bool) error {
	tmp, _, err := writeTemp(path, text, isDurable)
	if err == nil {
		if err = rename(tmp, path); err != nil {
			err = errors.Join(err, Remove(tmp))
		}
	}
	if err == nil && isDurable {
		err = SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return errtext.Wrap(err, "cannot write %s", path)
	}
	return nil
}
