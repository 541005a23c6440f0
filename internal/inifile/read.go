package inifile

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"gopkg.in/ini.v1"
)

// Name is the text in the brackets, or "" if they are not closed.
func (s *Section) Name() string { return string(s.name) }

func (s *Section) text() []byte { return s.doc.text[s.start:s.end] }

// MayHave reports whether s may have that key, in lower case. It takes a fraction of the time of reading the section.
func (s *Section) MayHave(key string) bool {
	return bytes.Contains(bytes.ToLower(s.text()), []byte(key))
}

// Managed returns the managed keys of s, which are those that Set edits. It leaves out indented lines, on which readers
// disagree.
func (s *Section) Managed() map[string]string {
	pairs := map[string]string{}
	for l := range s.Lines() {
		if l.kind == ownLine && !l.indented {
			pairs[l.Key] = l.Value
		}
	}
	pairs[ScopeKey], _ = cutNote(pairs[ScopeKey])
	return pairs
}

// HasOthers reports whether s has lines that chaim does not manage, apart from comments.
func (s *Section) HasOthers() bool {
	for l := range s.Lines() {
		if l.kind == foreignLine {
			return true
		}
	}
	return false
}

// All returns all keys of s, in lower case.
func (s *Section) All() (map[string]string, error) {
	_, body := cutLine(s.text())
	// With these options values stay as they are.
	file, err := ini.LoadSources(ini.LoadOptions{
		IgnoreInlineComment:     true,
		IgnoreContinuation:      true,
		PreserveSurroundedQuote: true,
		AllowNestedValues:       true,
		AllowBooleanKeys:        true,
		ChildSectionDelimiter:   "\x00",
	}, bytes.Clone(body))
	if err != nil { // the library's own error would quote the line
		return nil, fmt.Errorf("chaim: section [%s] at line %d cannot be read as INI: mend it by hand", s.name, s.doc.lineAt(s.start))
	}
	pairs := map[string]string{}
	for _, k := range file.Section("").Keys() {
		pairs[strings.ToLower(k.Name())] = k.Value()
	}
	return pairs, nil
}

// Managed returns the managed keys of the section of that name, and whether it exists.
func (d *Document) Managed(name string) (map[string]string, bool, error) {
	s, err := d.Section(name)
	if s == nil || err != nil {
		return nil, false, err
	}
	return s.Managed(), true, nil
}

// All returns all keys of the section of that name, in lower case, and whether it exists.
func (d *Document) All(name string) (map[string]string, bool, error) {
	s, err := d.Section(name)
	if s == nil || err != nil {
		return nil, false, err
	}
	pairs, err := s.All()
	return pairs, err == nil, err
}

// Damage finds the first line that makes botocore, and so the AWS CLI, refuse the whole text, and says what is wrong with
// it. It knows the damage that editors and unlocked writers do, not every kind. For a sound text, what is empty.
func Damage(doc []byte) (line int, what string) {
	switch {
	case bytes.HasPrefix(doc, utf8BOM):
		return 1, "a byte order mark"
	case !utf8.Valid(doc):
		return 1, "a character that is not UTF-8"
	}
	sections, known := map[string]bool{}, map[string]bool{} // known are the keys of the last section
	isAbove, hasKey := true, false                          // above all sections; below a key, which an indented line continues
	for text := range bytes.Lines(doc) {
		line++
		first, trimmed := text[0], bytes.TrimSpace(text)
		name, _, isClosed := bytes.Cut(trimmed, []byte("]"))
		delimiter := bytes.IndexAny(trimmed, "=:")
		switch {
		case len(trimmed) == 0 || trimmed[0] == '#' || trimmed[0] == ';', hasKey && (first == ' ' || first == '\t'):
		case trimmed[0] == '[' && isClosed && len(name) > 1:
			if sections[string(name)] {
				return line, "a second section " + string(name) + "]"
			}
			sections[string(name)], isAbove, hasKey = true, false, false
			clear(known)
		case isAbove:
			return line, "a line above all sections"
		case delimiter <= 0:
			return line, "a line that is neither a section nor a key"
		default:
			key := strings.ToLower(string(bytes.TrimSpace(trimmed[:delimiter])))
			if known[key] {
				return line, "a key for the second time"
			}
			known[key], hasKey = true, true
		}
	}
	return 0, ""
}
