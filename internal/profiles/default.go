package profiles

import (
	"fmt"
	"slices"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// setDefault copies the lines of a kept section into [default].
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

// copied returns the lines of a section that [default] gets.
func copied(name string, pairs []inifile.Pair) (lines []inifile.Pair) {
	values := map[string]string{}
	for _, p := range pairs {
		values[p.Key] = p.Value
		switch p.Key {
		case "expstr", "duration", "gui_url", "role", inifile.KindKey, inifile.IDKey, "region": // region in [default] is the gateway's
		case inifile.MarkerKey:
			lines = append(lines, inifile.Pair{Key: inifile.SectionKey, Value: p.Value}, inifile.Pair{Key: inifile.AliasKey, Value: name})
		default:
			lines = append(lines, p)
		}
	}
	return append(lines, inifile.Pair{Key: inifile.CopyKey, Value: copyHash(values)})
}

// checkDefault refuses to overwrite keys of the user in [default].
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
		(keys.IsLongLived(pairs["aws_access_key_id"]) || !hasExpired(pairs)) // expired keys are no loss
	if isUsers {
		return errtext.Because(keys.ErrInUse, fmt.Errorf("%w: [default] holds keys of yours, or a process that gives them: move them to a name of their own", ErrUnmanaged))
	}
	return nil
}

// isCopyOf reports whether [default] has a copy of the kept section of that name. pairs are those of the section, or nil
// if it is gone.
func isCopyOf(copied map[string]string, name string, pairs map[string]string) bool {
	if pairs[inifile.ScopeKey] != "" || !isCopy(copied, pairs) {
		return false
	}
	id := pairs["aws_access_key_id"]
	return inifile.DefaultName(copied) == name || id != "" && id == copied["aws_access_key_id"]
}

// followDefault updates the copy of a section in [default], before the section changes. It writes lines there, or without
// lines removes the copy. pairs are those of the section.
func followDefault(doc *inifile.Document, name string, pairs map[string]string, lines []inifile.Pair) error {
	copied, unreadable := doc.Default() // fails if there are two sections
	hasCopy := unreadable == nil && isCopyOf(copied, name, pairs)
	for _, s := range doc.Sections() {
		hasCopy = hasCopy || s.Name() == inifile.DefaultSection && isCopyOf(s.Managed(), name, pairs)
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

// dropModules removes from [default] the lines that the Python module writes beside keys. Only an accountname tells that
// they are the module's. Without it they are the user's.
func dropModules(doc *inifile.Document) error {
	pairs, err := doc.Default()
	if err != nil || pairs[inifile.MarkerKey] == "" {
		return err
	}
	return doc.SetKeys(inifile.DefaultSection, nil, func(key string) bool {
		return slices.Contains([]string{inifile.MarkerKey, "role", "duration", "expstr", "gui_url"}, key)
	})
}

// deleteSection removes a section, and its copy in [default].
func deleteSection(doc *inifile.Document, name string, pairs map[string]string) error {
	if err := followDefault(doc, name, pairs, nil); err != nil {
		return err
	}
	return doc.Delete(name)
}
