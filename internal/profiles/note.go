package profiles

import (
	"os"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// note is the text of a lease: it says which profile the scope has. By the note a sweep finds the profile even if another
// program, such as cca, has renewed its keys, so that the mark is gone or does not fit them.
type note struct{ section, account string }

func (n note) text() []byte { return []byte(n.section + "\n" + n.account + "\n") }

func noteIn(text []byte) note {
	lines := strings.Split(string(text), "\n")
	if len(lines) != 3 || lines[2] != "" { // written by an earlier version
		return note{}
	}
	return note{lines[0], lines[1]}
}

// isRenewed reports whether a section that is not intact may be a scope's, with keys of another program: it names an
// account, and its keys are temporary.
func isRenewed(pairs map[string]string) bool {
	id := pairs["aws_access_key_id"]
	return pairs[inifile.MarkerKey] != "" && id != "" && !keys.IsLongLived(id)
}

// notes returns the dead scopes among ids, by the notes in their leases. It leaves out a profile that a live scope notes
// too. If doc has no renewed section, notes reads no lease.
func (f leases) notes(doc *inifile.Document, ids []string) map[note]string {
	isSought := len(ids) > 0 && slices.ContainsFunc(doc.Sections(), func(s inifile.Section) bool {
		if !s.MayHave(inifile.MarkerKey) {
			return false
		}
		pairs := s.Managed()
		_, isIntact := markOf(pairs)
		return !isIntact && isRenewed(pairs)
	})
	if !isSought {
		return nil
	}
	dead, live := map[note]string{}, map[note]bool{}
	for _, id := range ids {
		path := f.path(id, leaseExtension)
		l, err := sharedfile.LockSide(path, os.O_RDONLY, true)
		switch {
		case err != nil: // the removal of the lease reports it
		case l == nil:
			text, _ := sharedfile.ReadSide(path, sharedfile.MaxLockSize) // of a live scope
			live[noteIn(text)] = true
		default:
			text, _ := l.Read() // an unreadable lease notes nothing
			_ = l.Close()       // only read from
			if n := noteIn(text); n.section != "" {
				dead[n] = id
			}
		}
	}
	for n := range live {
		delete(dead, n)
	}
	return dead
}
