package profiles

import (
	"os"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// note says in a lease which profile the scope has. By that the profile is known when another program, such as cca, has
// renewed its keys, so that the mark is gone or tells of other keys.
type note struct{ section, account string }

// text is what the lease holds.
func (n note) text() []byte { return []byte(n.section + "\n" + n.account + "\n") }

func noteIn(text []byte) note {
	lines := strings.Split(string(text), "\n")
	if len(lines) != 3 || lines[2] != "" { // as of an earlier version
		return note{}
	}
	return note{lines[0], lines[1]}
}

// isRenewed reports whether a section may be that of a scope with keys of another program: they are temporary, and there is
// the name of an account. It is for sections that are not intact.
func isRenewed(pairs map[string]string) bool {
	id := pairs["aws_access_key_id"]
	return pairs[inifile.MarkerKey] != "" && id != "" && !keys.IsLongLived(id)
}

// notes returns the ids of the dead among those scopes by what their leases note, but for the profiles that a live one has.
// Where doc has no section that could be meant, the leases are not read.
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
		case err != nil: // said by what else is done with it
		case l == nil:
			text, _ := sharedfile.ReadSide(path, sharedfile.MaxLockSize) // of a live scope
			live[noteIn(text)] = true
		default:
			text, _ := l.Read() // what cannot be read notes nothing
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
