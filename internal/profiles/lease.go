package profiles

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	maxProcessSize = 1 << 20 // of a process file, which holds keys and an expiry

	reserveSlack = 4 << 10 // more than a profile has, but for its token
)

// lease is what a scope has beside the credentials file: the locked lease, and the file that a process prints.
type lease struct {
	leases  leases
	id      string
	side    *sharedfile.Side // nil while it is not locked
	note    note             // that is in it
	process []byte           // text of the process file; empty if that is not known, nil without one
	mark    string           // of the scope in the section

	needed, reserved int64 // bytes to remove the profile from a full disk
}

func newLease(l leases) *lease { return &lease{leases: l, id: rand.Text()} }

// write makes the files that must be there before the section of a scope is written. It returns the process to be written into
// the section, if there is to be one, and the mark. size is that of the credentials file, see reserve.
func (l *lease) write(g keys.Grant, isProcess bool, size int) (process, mark string, err error) {
	if l.side == nil {
		if err := l.retake(); err != nil {
			return "", "", err
		}
	}
	if err := l.reserve(size, g); err != nil {
		return "", "", err
	}
	access := map[string]string{"aws_access_key_id": g.AccessKeyID}
	if isProcess {
		path := l.leases.path(l.id, processExtension)
		if process, err = readCommand(path); err != nil {
			return "", "", err
		}
		access = map[string]string{inifile.ProcessKey: process}
		if err := l.writeProcess(path, g); err != nil {
			return "", "", err
		}
	}
	l.mark = newMark(l.id, l.leases.folder, access).String()
	return process, l.mark, nil
}

// reserve sets aside what the removal of a profile with keys of g takes from a full disk. size is that of the credentials file.
// Where that is written in place, both what it holds and what it is to hold are kept beside it for a moment.
func (l *lease) reserve(size int, g keys.Grant) error {
	return l.reserveBytes(int64(2*size + 2*len(g.SessionToken) + len(g.ConsoleURL) + reserveSlack))
}

func (l *lease) reserveBytes(size int64) error {
	if l.side == nil || size <= l.reserved {
		return nil
	}
	l.needed = size
	if err := l.side.Reserve(size); err != nil {
		return err
	}
	l.reserved = size
	return nil
}

// writeNote notes which profile the scope has. The section must have been written: by the note a sweep takes it for the scope's.
func (l *lease) writeNote(n note) error {
	if l.note == n {
		return nil
	}
	if err := l.side.Write(n.text()); err != nil {
		return err
	}
	l.note, l.reserved = n, 0 // a note that is shorter than the one before gives the space back
	return l.reserveBytes(l.needed)
}

// writeProcess writes the file that the process prints, if it is not there already.
func (l *lease) writeProcess(path string, g keys.Grant) error {
	text, err := keys.ProcessJSON(g.Credentials)
	if err != nil || bytes.Equal(l.process, text) {
		return err
	}
	l.process = []byte{} // there may be a file
	if err := sharedfile.WriteFile(path, text); err != nil {
		return err
	}
	l.process = text
	return nil
}

// isAsWritten reports whether the files are where others look for them, and hold what was written.
func (l *lease) isAsWritten() bool {
	if l.side == nil || !l.side.IsThere() {
		return false
	}
	if l.process == nil {
		return true
	}
	text, _ := sharedfile.ReadSide(l.leases.path(l.id, processExtension), maxProcessSize)
	return bytes.Equal(text, l.process) // what cannot be read is as if it were empty
}

// forget has the next write make the files again.
func (l *lease) forget() {
	if l.side != nil && !l.side.IsThere() {
		_ = l.side.Close() // of no use any more
		l.side = nil
	}
	l.process = l.process[:0]
}

// giveBack removes the lease, so that its space and its inode are free for the removal of the profile. It is called with the
// lock of the credentials file, so that no other program takes them while we wait. If we die now, the profile has no lease,
// and a sweep removes it.
func (l *lease) giveBack() {
	if l.side == nil { // after close, which has left it for a sweep
		side, err := sharedfile.LockSide(l.leases.path(l.id, leaseExtension), os.O_RDWR, false)
		if err != nil || side == nil {
			return // gone, or a sweep has it
		}
		l.side = side
	}
	_ = l.side.Remove() // without what it has the removal of the profile may still work
	l.side = nil
}

// takeBack makes the lease again after a removal that failed, for the next attempt, which says what is wrong with it.
func (l *lease) takeBack() {
	if l.side != nil {
		return
	}
	n := l.note
	if l.retake() == nil && l.reserveBytes(l.needed) == nil && n.section != "" {
		_ = l.writeNote(n)
	}
}

// retake makes a lease that has nothing in it.
func (l *lease) retake() (err error) {
	l.side, err = l.leases.take(l.id)
	l.note, l.reserved = note{}, 0
	return err
}

// close ends the lease and removes the files. While the profile is still there the lease stays too, without its lock, so that a
// sweep removes first the one and then the other.
func (l *lease) close(isRemoved bool) error {
	var err error
	if l.process != nil {
		err = sharedfile.Remove(l.leases.path(l.id, processExtension))
	}
	if l.side != nil {
		err = errors.Join(err, l.side.Close())
		l.side = nil
	}
	if isRemoved {
		err = errors.Join(err, sharedfile.Remove(l.leases.path(l.id, leaseExtension)))
	}
	return err
}
