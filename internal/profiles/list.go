package profiles

import (
	"cmp"

	"github.com/chaim-go/chaim/internal/inifile"
)

// Entry is a profile of the credentials file that has an accountname.
type Entry struct {
	Name    string
	Pairs   map[string]string // managed keys
	Region  string            // of the section or, without one, of the profile in the AWS config file
	Default bool              // the section [default] names it
	Live    bool              // it belongs to a scope that may still run
}

// List returns the entries in the order of the file.
func (b *Book) List() ([]Entry, error) {
	doc, err := b.Read()
	if err != nil {
		return nil, err
	}
	scopes, err := leasesBeside(b.file.Path)
	if err != nil {
		return nil, err
	}
	settings, _, _ := doc.All(inifile.DefaultSection) // a damaged section names no account
	defaultName := inifile.DefaultName(settings)
	config := ReadConfig()
	var entries []Entry
	for _, s := range doc.Sections() {
		if s.Name() == "" || !s.MayHave(inifile.MarkerKey) {
			continue
		}
		pairs := s.Managed()
		if pairs[inifile.MarkerKey] == "" {
			continue
		}
		entries = append(entries, Entry{
			Name:    s.Name(),
			Pairs:   pairs,
			Region:  cmp.Or(pairs["region"], config.Region(s.Name())),
			Default: s.Name() == defaultName,
			Live:    pairs[inifile.ScopeKey] != "" && scopes.isLive(pairs),
		})
	}
	return entries, nil
}
