package profiles

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Leftovers counts the profiles and the leases that dead processes left. A sweep removes them.
func (b *Book) Leftovers() (profiles, files int, err error) {
	doc, err := b.Read()
	if err != nil {
		return 0, 0, err
	}
	scopes, err := leasesBeside(b.file.Path)
	if err != nil {
		return 0, 0, err
	}
	isLive := map[string]bool{}
	sections := doc.Sections()
	for i := range sections {
		pairs := sections[i].Managed()
		if m, isIntact := markOf(pairs); isIntact {
			if isLive[m.id] = scopes.isLive(pairs); !isLive[m.id] {
				profiles++
			}
		}
	}
	entries, _ := os.ReadDir(scopes.folder) // what is not there has nothing
	for _, e := range entries {
		name, isLease := strings.CutSuffix(e.Name(), leaseExtension)
		id, isOurs := strings.CutPrefix(name, scopes.base+"-")
		if isLease && isOurs && !isLive[id] && isAbandoned(filepath.Join(scopes.folder, e.Name())) {
			files++
		}
	}
	return profiles, files, nil
}

// isAbandoned reports whether no process holds a lease any more.
func isAbandoned(path string) bool {
	l, err := sharedfile.LockSide(path, os.O_RDONLY, true)
	return l != nil && err == nil && l.Close() == nil
}

// FolderBeside returns the folder of chaim's own files beside the credentials file at path.
func FolderBeside(path string) (string, error) {
	scopes, err := leasesBeside(path)
	return scopes.folder, err
}
