package lease

import (
	"os"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Note says in a lease which profile the scope has. By that the profile is known when another program, such as cca, has
// renewed its keys, so that the mark is gone or tells of other keys.
type Note struct{ Section, Account string }

// Text is what the lease holds.
func (n Note) Text() []byte { return []byte(n.Section + "\n" + n.Account + "\n") }

func noteIn(text []byte) Note {
	lines := strings.Split(string(text), "\n")
	if len(lines) != 3 || lines[2] != "" { // as of an earlier version
		return Note{}
	}
	return Note{lines[0], lines[1]}
}

// isRenewed reports whether a section may be that of a scope with keys of another program: they are temporary, and there is
// the name of an account. It is for sections that are not intact.
func isRenewed(pairs map[string]string) bool {
	id := pairs["aws_access_key_id"]
	return pairs[inifile.MarkerKey] != "" && id != "" && !IsLongLived(id)
}

// notes returns the ids of the dead among those scopes by what their leases note, but for the profiles that a live one has.
// Where doc has no section that could be meant, the leases are not read.
func (f Files) notes(doc []byte, ids []string) map[Note]string {
	isSought := len(ids) > 0 && slices.ContainsFunc(inifile.Scan(doc), func(s inifile.Section) bool {
		if !s.MayHave(doc, inifile.MarkerKey) {
			return false
		}
		pairs := s.Managed(doc)
		_, isIntact := Of(pairs)
		return !isIntact && isRenewed(pairs)
	})
	if !isSought {
		return nil
	}
	dead, live := map[Note]string{}, map[Note]bool{}
	for _, id := range ids {
		path := f.Path(id, Extension)
		l, err := sharedfile.LockSide(path, os.O_RDONLY, true)
		switch {
		case err != nil: // said by what else is done with it
		case l == nil:
			text, _ := sharedfile.ReadSide(path, sharedfile.MaxLockSize) // of a live scope
			live[noteIn(text)] = true
		default:
			text, _ := l.Read() // what cannot be read notes nothing
			_ = l.Close()       // only read from
			if note := noteIn(text); note.Section != "" {
				dead[note] = id
			}
		}
	}
	for note := range live {
		delete(dead, note)
	}
	return dead
}
