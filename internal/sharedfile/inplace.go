package sharedfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/chaim-go/chaim/internal/errtext"
)

// A file that is itself a mount point, as with "docker run -v file:file", cannot be replaced, only written in place. A
// backup beside it holds the old and the new text until that is done.

const (
	backupExtension = ".chaim-backup"
	backupHeader    = "chaim-backup %d %d\n"
	maxHeaderSize   = 64
	maxBackupSize   = maxHeaderSize + 2*maxReadSize
)

func backupPath(target string) string { return target + backupExtension }

// writeInPlace writes text over before. Meanwhile a reader may see a part of it, and a program that writes without the lock
// may overwrite it or lose its own text.
func writeInPlace(target string, before *snapshot, text []byte) (fs.FileInfo, error) {
	backup := fmt.Appendf(nil, backupHeader, len(before.text), len(text))
	backup = append(append(backup, before.text...), text...)
	if err := WriteFile(backupPath(target), backup); err != nil {
		return nil, err
	}
	before.release() // our own read lease would make us wait
	now, err := takeSnapshot(target)
	if err != nil {
		return nil, err
	}
	if !before.equal(now) {
		return nil, errors.Join(errChanged, os.Remove(backupPath(target)))
	}
	info, err := overwrite(target, now.info, text)
	if err != nil {
		return nil, errors.Join(err, recoverInPlace(target)) // needs no space; the next edit tries again
	}
	return info, os.Remove(backupPath(target))
}

// overwrite writes text over the file at target, if that is still the file that was seen.
func overwrite(target string, seen fs.FileInfo, text []byte) (fs.FileInfo, error) {
	f, err := openSeen(target, os.O_WRONLY, seen)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return nil, err
	}
	// Truncated last: most texts differ only at their end.
	if _, err := f.Write(text); err != nil {
		return nil, err
	}
	if err := f.Truncate(int64(len(text))); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return f.Stat()
}

// readBackup returns the old and the new text from a backup. Both are nil if there is none.
func readBackup(path string) (oldText, newText []byte, err error) {
	backup, err := OpenSide(path, os.O_RDONLY, maxBackupSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer backup.Close()
	// The header comes first, so that a large file of another kind is not read whole.
	start := make([]byte, maxHeaderSize)
	n, _ := backup.file.ReadAt(start, 0) // an error shows below, as a wrong header
	header, _, _ := bytes.Cut(start[:n], []byte("\n"))
	var oldSize, newSize int64
	_, err = fmt.Sscanf(string(header)+"\n", backupHeader, &oldSize, &newSize)
	textSize := backup.info.Size() - int64(len(header)+1)
	if err != nil || oldSize < 0 || newSize < 0 || oldSize > textSize || newSize != textSize-oldSize {
		return nil, nil, refusal(path, path+" is not a backup of chaim's: move it elsewhere", fs.ErrExist)
	}
	text, err := backup.Read()
	if err != nil {
		return nil, nil, err
	}
	texts := text[len(header)+1:]
	if int64(len(texts)) != textSize {
		return nil, nil, refusal(path, path+" changes while it is read: try again", fs.ErrExist)
	}
	return texts[:oldSize:oldSize], texts[oldSize:], nil
}

// recoverInPlace restores the old text if a process died while it wrote the file in place.
func recoverInPlace(target string) error {
	path := backupPath(target)
	oldText, newText, err := readBackup(path)
	if oldText == nil || err != nil {
		return err
	}
	now, err := takeSnapshot(target)
	if err != nil {
		return err
	}
	switch {
	case bytes.Equal(now.text, oldText), bytes.Equal(now.text, newText):
	case isPart(now.text, oldText, newText):
		if _, err := overwrite(target, now.info, oldText); err != nil {
			return errtext.Wrap(err, "cannot recover %s", target)
		}
	default:
		return refusal(path, fmt.Sprintf("%s was changed after a write to it was cut off: see %s for what it held before, then remove that", target, filepath.Base(path)), fs.ErrExist)
	}
	return os.Remove(path)
}

// isPart reports whether text is oldText, overwritten with newText only in part.
func isPart(text, oldText, newText []byte) bool {
	n := 0
	for n < min(len(text), len(newText)) && text[n] == newText[n] {
		n++
	}
	return bytes.Equal(text[n:], oldText[min(n, len(oldText)):])
}
