package profiles

import (
	"fmt"
	"slices"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// setDefault copies what stands in a kept section into [default].
func setDefault(doc *inifile.Document, name string, lines []inifile.Pair) error {
	if err := checkDefault(doc); err != nil {
		return err
	}
	if err := dropModules(doc); err != nil {
		return err
	}
	if err := doc.Set(inifile.DefaultSection, copied(name, lines)); err != nil {
		return errtext.Because(keys.ErrInUse, err)
	}
	return nil
}

// copied returns what [default] gets of those pairs of a section.
func copied(name string, pairs []inifile.Pair) (lines []inifile.Pair) {
	values := map[string]string{}
	for _, p := range pairs {
		values[p.Key] = p.Value
		switch p.Key {
		case "expstr", "duration", "gui_url", "role", inifile.IDKey, "region": // of which the last is the gateway's there
		case inifile.MarkerKey:
			lines = append(lines, inifile.Pair{Key: inifile.SectionKey, Value: p.Value}, inifile.Pair{Key: inifile.AliasKey, Value: name})
		default:
			lines = append(lines, p)
		}
	}
	return append(lines, inifile.Pair{Key: inifile.CopyKey, Value: copyOf(values)})
}

// checkDefault refuses to write keys over those of the user in [default].
func checkDefault(doc *inifile.Document) error {
	s, err := doc.Section(inifile.DefaultSection)
	if s == nil || err != nil {
		return err
	}
	pairs := s.Managed()
	all, err := s.All()
	if err != nil {
		return err
	}
	isUsers := all[inifile.ProcessKey] != pairs[inifile.ProcessKey] || inifile.HasAccess(pairs) && !hasCopy(doc) &&
		(keys.IsLongLived(pairs["aws_access_key_id"]) || !hasExpired(pairs)) // which would be overwritten for good
	if isUsers {
		return errtext.Because(keys.ErrInUse, fmt.Errorf("%w: [default] holds keys of yours, or a process that gives them: move them to a name of their own", ErrUnmanaged))
	}
	return nil
}

// isCopyOf reports whether [default] has the keys of the kept section of a name and its pairs, or where there is none any
// more, of one that was kept under that name.
func isCopyOf(copied map[string]string, name string, pairs map[string]string) bool {
	if pairs[inifile.ScopeKey] != "" || !isCopy(copied, pairs) {
		return false
	}
	id := pairs["aws_access_key_id"]
	return inifile.DefaultName(copied) == name || id != "" && id == copied["aws_access_key_id"]
}

// followDefault does to the copy of a section in [default] what becomes of the section of those pairs: it is written anew,
// or without lines removed.
func followDefault(doc *inifile.Document, name string, pairs map[string]string, lines []inifile.Pair) error {
	copied, unreadable := doc.Default() // such as two of them
	hasCopy := unreadable == nil && isCopyOf(copied, name, pairs)
	sections := doc.Sections()
	for i := range sections {
		hasCopy = hasCopy || sections[i].Name() == inifile.DefaultSection && isCopyOf(sections[i].Managed(), name, pairs)
	}
	switch {
	case !hasCopy:
		return nil
	case unreadable != nil:
		return unreadable
	case lines != nil:
		return setDefault(doc, name, lines)
	}
	if err := dropModules(doc); err != nil {
		return err
	}
	return doc.Delete(inifile.DefaultSection)
}

// dropModules removes from [default] what the Python module writes beside keys into any section. They are the user's where
// there is no accountname, which tells that they are the module's.
func dropModules(doc *inifile.Document) error {
	pairs, err := doc.Default()
	if err != nil || pairs[inifile.MarkerKey] == "" {
		return err
	}
	return doc.SetKeys(inifile.DefaultSection, nil, func(key string) bool {
		return slices.Contains([]string{inifile.MarkerKey, "role", "duration", "expstr", "gui_url"}, key)
	})
}

// deleteSection removes a section, and the copy of it in [default].
func deleteSection(doc *inifile.Document, name string, pairs map[string]string) error {
	if err := followDefault(doc, name, pairs, nil); err != nil {
		return err
	}
	return doc.Delete(name)
}
