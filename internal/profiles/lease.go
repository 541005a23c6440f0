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

// lease holds the files of a scope beside the credentials file: the locked lease, and the process file, which the
// credential_process of the profile prints.
type lease struct {
	leases  leases
	id      string
	side    *sharedfile.Side // nil while it is not locked
	note    note             // the text of the lease
	printed []byte           // text last written to the process file; nil if there is none, empty if it is not known
	mark    string           // the mark in the section

	needed, reserved int64 // bytes that the removal of the profile takes on a full disk
}

func newLease(l leases) *lease { return &lease{leases: l, id: rand.Text()} }

// write makes the files that must be there before the section is written. It returns the mark and, with isProcess, the
// command that prints the keys. size is that of the credentials file, see reserve.
func (l *lease) write(g keys.Grant, isProcess bool, size int) (command, mark string, err error) {
	if l.side == nil {
		if err := l.lock(); err != nil {
			return "", "", err
		}
	}
	if err := l.reserve(size, g); err != nil {
		return "", "", err
	}
	access := map[string]string{"aws_access_key_id": g.AccessKeyID}
	if isProcess {
		path := l.leases.path(l.id, processExtension)
		if command, err = readCommand(path); err != nil {
			return "", "", err
		}
		access = map[string]string{inifile.ProcessKey: command}
		if err := l.writeProcess(path, g); err != nil {
			return "", "", err
		}
	}
	l.mark = newMark(l.id, l.leases.folder, access).String()
	return command, l.mark, nil
}

// reserve sets aside the space that the removal of a profile with keys of g takes on a full disk. size is that of the
// credentials file. If that is written in place, a backup holds its old and its new text for a moment.
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

// writeNote notes in the lease which profile the scope has. Call it after the section is written: a sweep takes the noted
// section for the scope's.
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

// writeProcess writes the process file, unless it wrote the same text last.
func (l *lease) writeProcess(path string, g keys.Grant) error {
	text, err := keys.ProcessJSON(g.Credentials)
	if err != nil || bytes.Equal(l.printed, text) {
		return err
	}
	l.printed = []byte{} // a failed write may leave a file
	if err := sharedfile.WriteFile(path, text); err != nil {
		return err
	}
	l.printed = text
	return nil
}

// isAsWritten reports whether the files are still under their names, and the process file holds what was written.
func (l *lease) isAsWritten() bool {
	if l.side == nil || !l.side.IsThere() {
		return false
	}
	if l.printed == nil {
		return true
	}
	text, _ := sharedfile.ReadSide(l.leases.path(l.id, processExtension), maxProcessSize)
	return bytes.Equal(text, l.printed) // an unreadable file counts as empty
}

// forget makes the next write make the files again.
func (l *lease) forget() {
	if l.side != nil && !l.side.IsThere() {
		_ = l.side.Close() // of no use any more
		l.side = nil
	}
	l.printed = l.printed[:0]
}

// giveBack removes the lease, so that its space and its inode are free for the removal of the profile. The caller holds the
// lock of the credentials file, so that no other edit takes them. If this process dies now, a sweep finds the profile by its
// mark. It does not find a profile to which another tool has given new keys: only the lease told of that. l may be nil.
func (l *lease) giveBack() {
	if l == nil {
		return
	}
	if l.side == nil { // after close, which has left it for a sweep
		side, err := sharedfile.LockSide(l.leases.path(l.id, leaseExtension), os.O_RDWR, false)
		if err != nil || side == nil {
			return // gone, or a sweep has it
		}
		l.side = side
	}
	_ = l.side.Discard() // the removal of the profile may work without the space
	l.side = nil
}

// takeBack makes the lease again, with its space, after the removal of the profile has failed. It ignores errors: the next
// removal reports them. l may be nil.
func (l *lease) takeBack() {
	if l == nil || l.side != nil {
		return
	}
	n := l.note
	if l.lock() == nil && l.reserveBytes(l.needed) == nil && n.section != "" {
		_ = l.writeNote(n)
	}
}

// lock opens or makes the lease, and locks it. The next writeNote writes its text, whatever it holds now.
func (l *lease) lock() (err error) {
	l.side, err = l.leases.take(l.id)
	l.note, l.reserved = note{}, 0
	return err
}

// close removes the process file and unlocks the lease. If isDone, the profile needs no removal any more, and close removes
// the lease too. Otherwise a sweep removes the profile, and then the lease.
func (l *lease) close(isDone bool) error {
	var err error
	if l.printed != nil {
		err = sharedfile.Remove(l.leases.path(l.id, processExtension))
	}
	if l.side != nil {
		err = errors.Join(err, l.side.Close())
		l.side = nil
	}
	if isDone {
		err = errors.Join(err, sharedfile.Remove(l.leases.path(l.id, leaseExtension)))
	}
	return err
}
