package chaim

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"

	"gopkg.in/ini.v1"
)

// This file edits the text of a credentials file. It finds sections by their headers and changes bytes of one section
// only; all else, whatever other tools or people put there, passes through as it is.

// section is where one section stands in a document: from the first byte of its header's line to the first byte of the
// next header's line, or the end.
type section struct {
	name       string
	start, end int
	line       int // of the header, from 1
}

// A pair is one line of a section that chaim writes.
type pair struct{ key, value string }

var utf8BOM = []byte("\xef\xbb\xbf")

// lines yields the bounds of each line of doc[start:end], line ending included.
func lines(doc []byte, start, end int) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for start < end {
			next := end
			if i := bytes.IndexByte(doc[start:end], '\n'); i >= 0 {
				next = start + i + 1
			}
			if !yield(start, next) {
				return
			}
			start = next
		}
	}
}

// scan finds the sections of doc. It is generous about what is a header (indented, padded, followed by a comment),
// because a header that any reader accepts must not be added a second time.
func scan(doc []byte) []section {
	var found []section
	line := 0
	for start, end := range lines(doc, 0, len(doc)) {
		line++
		if line == 1 && bytes.HasPrefix(doc, utf8BOM) {
			start += len(utf8BOM)
		}
		text := bytes.TrimLeft(doc[start:end], " \t")
		if len(text) == 0 || text[0] != '[' {
			continue
		}
		name, _, closed := bytes.Cut(text[1:], []byte("]"))
		if !closed {
			continue
		}
		if len(found) > 0 {
			found[len(found)-1].end = start
		}
		found = append(found, section{string(bytes.TrimSpace(name)), start, len(doc), line})
	}
	return found
}

// find returns the one section of that name, or nil. Two of them are an error: readers disagree on which one counts.
func find(doc []byte, name string) (*section, error) {
	var found *section
	for _, s := range scan(doc) {
		if s.name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("chaim: section [%s] stands twice, at lines %d and %d: remove one of them", name, found.line, s.line)
		}
		found = &s
	}
	return found, nil
}

// checkEditable refuses texts whose lines cannot be told apart the way every reader does.
func checkEditable(doc []byte) error {
	if i := bytes.IndexByte(doc, 0); i >= 0 {
		return fmt.Errorf("chaim: line %d holds a NUL byte, so this is not an INI file in UTF-8: convert it first", lineAt(doc, i))
	}
	for i, b := range doc {
		if b == '\r' && (i+1 == len(doc) || doc[i+1] != '\n') {
			return fmt.Errorf("chaim: line %d holds a carriage return without a line feed, which readers understand differently: convert the line endings first", lineAt(doc, i))
		}
	}
	return nil
}

func lineAt(doc []byte, offset int) int { return bytes.Count(doc[:offset], []byte("\n")) + 1 }

// keyOf returns the lower-case key of a line, as readers compare keys, or "" for a line that sets none.
func keyOf(line []byte) string {
	i := bytes.IndexAny(line, "=:")
	if i < 0 || line[0] == ' ' || line[0] == '\t' || line[0] == '#' || line[0] == ';' || line[0] == '[' {
		return ""
	}
	return strings.ToLower(string(bytes.TrimSpace(line[:i])))
}

// readSection returns the keys of a section, in lower case, and whether it exists.
func readSection(doc []byte, name string) (map[string]string, bool, error) {
	s, err := find(doc, name)
	if s == nil || err != nil {
		return nil, false, err
	}
	body := doc[s.start:s.end]
	if i := bytes.IndexByte(body, '\n'); i >= 0 {
		body = body[i+1:]
	} else {
		body = nil
	}
	// Options under which values come out as they stand. The library's own error would quote the line.
	file, err := ini.LoadSources(ini.LoadOptions{
		IgnoreInlineComment:     true,
		IgnoreContinuation:      true,
		PreserveSurroundedQuote: true,
		AllowNestedValues:       true,
		AllowBooleanKeys:        true,
		ChildSectionDelimiter:   "\x00",
	}, bytes.Clone(body))
	if err != nil {
		return nil, false, fmt.Errorf("chaim: section [%s] at line %d cannot be read as INI: mend it by hand", name, s.line)
	}
	pairs := map[string]string{}
	for _, k := range file.Section("").Keys() {
		pairs[strings.ToLower(k.Name())] = k.Value()
	}
	return pairs, true, nil
}

// checkValue refuses what would need quoting, as readers disagree on quotes: only printable ASCII that no reader takes
// for a comment, a quote or a second line. The error does not hold the value, which may be a secret.
func checkValue(p pair) error {
	v := p.value
	switch {
	case v == "" || v != strings.TrimSpace(v):
		return fmt.Errorf("chaim: value for %s is empty or has spaces around it", p.key)
	case strings.ContainsRune("#;'\"`", rune(v[0])) || strings.Contains(v, " #") || strings.Contains(v, ";"):
		return fmt.Errorf("chaim: value for %s would be read as a comment or a quoted string", p.key)
	case strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e }):
		return fmt.Errorf("chaim: value for %s has characters other than printable ASCII", p.key)
	}
	return nil
}

// setSection returns doc with pairs as the managed keys of the section: written in place where the section exists,
// with every other line of it kept, or added at the end.
func setSection(doc []byte, name string, pairs []pair) ([]byte, error) {
	if err := checkEditable(doc); err != nil {
		return nil, err
	}
	for _, p := range pairs {
		if !managedKeys[p.key] {
			return nil, errors.New("chaim: " + p.key + " is not a key that chaim writes")
		}
		if err := checkValue(p); err != nil {
			return nil, err
		}
	}
	s, err := find(doc, name)
	if err != nil {
		return nil, err
	}
	eol := lineEnding(doc)
	var out bytes.Buffer
	if s == nil {
		out.Write(doc)
		// After a complete line this is the blank line between sections, after an incomplete one its end; either way
		// deleteSection takes it back.
		if len(bytes.TrimPrefix(doc, utf8BOM)) > 0 {
			out.WriteString(eol)
		}
		out.WriteString("[" + name + "]" + eol)
		for _, p := range pairs {
			out.WriteString(p.key + " = " + p.value + eol)
		}
		return out.Bytes(), nil
	}

	// New keys follow the last managed line, or the header where there is none.
	values := map[string]string{}
	for _, p := range pairs {
		values[p.key] = p.value
	}
	written := map[string]bool{}
	last := 0
	out.Write(doc[:s.start])
	for start, end := range lines(doc, s.start, s.end) {
		line := doc[start:end]
		key := keyOf(line)
		switch {
		case start == s.start:
			out.Write(withEnding(line, eol))
			last = out.Len()
		case !managedKeys[key]:
			out.Write(line)
		case values[key] != "" && !written[key]:
			written[key] = true
			out.WriteString(key + " = " + values[key] + eol)
			last = out.Len()
		}
	}
	tail := bytes.Clone(out.Bytes()[last:])
	out.Truncate(last)
	for _, p := range pairs {
		if !written[p.key] {
			out.WriteString(p.key + " = " + p.value + eol)
		}
	}
	out.Write(tail)
	out.Write(doc[s.end:])
	return out.Bytes(), nil
}

// deleteSection returns doc without the managed lines of the section, and without its header unless other people's
// keys stand under it. Comments and blank lines stay, but for the one that setSection added above the header.
func deleteSection(doc []byte, name string) ([]byte, error) {
	if err := checkEditable(doc); err != nil {
		return nil, err
	}
	s, err := find(doc, name)
	if s == nil || err != nil {
		return doc, err
	}
	var kept []byte
	foreign := false
	header := 0
	for start, end := range lines(doc, s.start, s.end) {
		line := doc[start:end]
		if start == s.start {
			header = end - start
			continue
		}
		if managedKeys[keyOf(line)] {
			continue
		}
		text := bytes.TrimSpace(line)
		foreign = foreign || (len(text) > 0 && text[0] != '#' && text[0] != ';')
		kept = append(kept, line...)
	}
	before, after := doc[:s.start], doc[s.end:]
	if foreign {
		return bytes.Join([][]byte{before, doc[s.start : s.start+header], kept, after}, nil), nil
	}
	after = append(kept, after...)
	return append(trimSeparator(before, after), after...), nil
}

// trimSeparator takes back the line ending that setSection wrote above its header, unless that would join two lines.
func trimSeparator(before, after []byte) []byte {
	before = bytes.Clone(before)
	rest, ok := bytes.CutSuffix(before, []byte("\r\n"))
	if !ok {
		rest, ok = bytes.CutSuffix(before, []byte("\n"))
	}
	// An empty document got no line ending.
	first := len(bytes.TrimPrefix(rest, utf8BOM)) == 0
	joins := !first && rest[len(rest)-1] != '\n' &&
		len(after) > 0 && !bytes.HasPrefix(after, []byte("\n")) && !bytes.HasPrefix(after, []byte("\r\n"))
	if !ok || first || joins {
		return before
	}
	return rest
}

// lineEnding is that of the first line.
func lineEnding(doc []byte) string {
	if i := bytes.IndexByte(doc, '\n'); i > 0 && doc[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

func withEnding(line []byte, eol string) []byte {
	if bytes.HasSuffix(line, []byte("\n")) {
		return line
	}
	return append(bytes.Clone(line), eol...)
}
