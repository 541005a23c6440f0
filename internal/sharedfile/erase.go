package sharedfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
)

// Erase is [File.Edit] for a change that takes secrets away. Where there is no space for the text that is left, what blank
// makes of the old text, and which is as long, is written over that, and only where it differs: a crash leaves each byte as
// it was or as it is to be. The error says so; [IsFull] holds for it. That is done only where all others can be kept from
// opening the file meanwhile, which is on Linux and while no other program has it open.
func (f File) Erase(ctx context.Context, change, blank func([]byte) ([]byte, error)) error {
	err := f.Edit(ctx, change)
	if !IsFull(err) {
		return err
	}
	if blankErr := f.overwrite(ctx, blank); blankErr != nil {
		return errors.Join(err, blankErr)
	}
	const what = "the keys in %s are overwritten and of no use, but their lines stay until there is space to remove them"
	return errtext.Wrap(err, what, f.Path)
}

// IsFull reports whether something could not be written because there is no space for it.
func IsFull(err error) bool {
	return slices.ContainsFunc(fullErrors, func(full error) bool { return errors.Is(err, full) })
}

// overwritePatience is how long a program that has the file open is given to close it.
const overwritePatience = time.Second

var errBusy = errors.New("another program has the file open")

// overwrite makes one edit that keeps the length of the text, in the file as it is.
func (f File) overwrite(ctx context.Context, change func([]byte) ([]byte, error)) error {
	target, err := f.editable()
	if err != nil {
		return err
	}
	return f.enqueue(ctx, queueKey{target, f.IsOwn, true}, change, false)
}

// overwrite writes the bytes in which text differs from before, which is as long.
func (c *commit) overwrite(before *snapshot, text []byte) (err error) {
	defer func() {
		if err != nil && !errors.Is(err, errChanged) {
			err = errtext.Wrap(err, "cannot overwrite the keys in %s", c.target)
		}
	}()
	before.release() // or we would be in our own way
	f, err := openSeen(c.target, os.O_RDWR, before.info)
	if errors.Is(err, fs.ErrNotExist) {
		return errChanged
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for start := time.Now(); ; <-time.After(settlePoll) {
		err := holdOffOthers(f)
		if err == nil {
			break
		}
		if time.Since(start) > overwritePatience || !errors.Is(err, errBusy) {
			return err
		}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	isSame, err := holds(f, before.text)
	if err != nil {
		return err
	}
	if !isSame || !SameVersion(info, before.info) {
		return errChanged
	}
	for start := 0; start < len(text); start++ {
		end := start
		for end < len(text) && text[end] != before.text[end] {
			end++
		}
		if end > start {
			if _, err := f.WriteAt(text[start:end], int64(start)); err != nil {
				return err
			}
		}
		start = end
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if info, err = f.Stat(); err != nil {
		return err
	}
	if there, err := os.Stat(c.target); err != nil || !os.SameFile(info, there) {
		return errChanged // another file was put in its place
	}
	c.record.leave(info, text)
	return nil
}
