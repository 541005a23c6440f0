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

// maxValueSize keeps the file within what is read of it; session tokens have a few thousand bytes at most.
const maxValueSize = 64 << 10

// scan finds the sections of doc. It is generous about what is a header (indented, padded, followed by a comment),
// because one that any reader accepts must not be added a second time, and more so about where a section ends: what
// follows a bracket is somebody else's, even if that is never closed.
func scan(doc []byte) []section {
	var found []section
	offset, line := 0, 0
	for text := range bytes.Lines(doc) {
		start := offset
		offset += len(text)
		if line++; line == 1 && bytes.HasPrefix(text, utf8BOM) {
			start += len(utf8BOM)
			text = text[len(utf8BOM):]
		}
		text, isHeader := bytes.CutPrefix(bytes.TrimSpace(text), []byte("["))
		if !isHeader {
			continue
		}
		if len(found) > 0 {
			found[len(found)-1].end = start
		}
		name, _, isClosed := bytes.Cut(text, []byte("]"))
		if !isClosed {
			name = nil
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

// checkEditable refuses to add to texts whose lines cannot be told apart the way every reader does, and in which a
// section may hide.
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

// A bodyLine is a line of a section below its header.
type bodyLine struct {
	text       []byte
	kind       lineKind
	key, value string // the key in lower case, as readers compare keys; empty for a line that sets none
	indented   bool
}

type lineKind int

const (
	ownLine     lineKind = iota // a managed key, or an indented line that readers add to its value
	foreignLine                 // a key of somebody else, or anything else
	nestedLine                  // indented under one, and so a part of it
	quietLine                   // blank or comment
)

// body tells whose the lines of a section are. Somebody may have indented a managed key since; one nested under
// another's key belongs to that.
func (s *section) body(doc []byte) iter.Seq[bodyLine] {
	return func(yield func(bodyLine) bool) {
		_, body := cutLine(doc[s.start:s.end])
		last, level := nestedLine, -1 // level is the indentation of the last key
		for line := range bytes.Lines(body) {
			text := bytes.TrimLeft(line, " \t")
			indent := len(line) - len(text)
			l := bodyLine{text: line, kind: foreignLine, indented: indent > 0}
			if i := bytes.IndexAny(text, "=:"); i >= 0 {
				l.key = strings.ToLower(string(bytes.TrimSpace(text[:i])))
				l.value = string(bytes.TrimSpace(text[i+1:]))
			}
			switch {
			case len(bytes.TrimSpace(text)) == 0 || text[0] == '#' || text[0] == ';':
				l.kind = quietLine
			case level >= 0 && indent > level:
				l.kind = last
			case managedKeys[l.key]:
				l.kind = ownLine
				last, level = ownLine, indent
			default:
				last, level = nestedLine, indent
			}
			if !yield(l) {
				return
			}
		}
	}
}

// readManaged returns the managed keys of a section, and whether it exists. What decides over ownership is read by the
// rule that decides what is edited.
func readManaged(doc []byte, name string) (map[string]string, bool, error) {
	s, err := find(doc, name)
	if s == nil || err != nil {
		return nil, false, err
	}
	pairs := map[string]string{}
	for l := range s.body(doc) {
		if l.kind == ownLine && managedKeys[l.key] {
			pairs[l.key] = l.value
		}
	}
	return pairs, true, nil
}

// cutLine splits off the first line, its ending included.
func cutLine(text []byte) (line, rest []byte) {
	end := bytes.IndexByte(text, '\n') + 1
	if end == 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}

// readSection returns all keys of a section, in lower case, and whether it exists.
func readSection(doc []byte, name string) (map[string]string, bool, error) {
	s, err := find(doc, name)
	if s == nil || err != nil {
		return nil, false, err
	}
	_, body := cutLine(doc[s.start:s.end])
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
	case len(v) > maxValueSize:
		return fmt.Errorf("chaim: value for %s is longer than %d bytes", p.key, maxValueSize)
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
	if s == nil {
		return appendSection(doc, name, pairs)
	}
	return rewriteSection(doc, s, pairs)
}

func appendSection(doc []byte, name string, pairs []pair) ([]byte, error) {
	if err := checkEditable(doc); err != nil {
		return nil, err
	}
	eol := lineEnding(doc)
	out := bytes.NewBuffer(bytes.Clone(doc))
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

// rewriteSection replaces the values of keys where they stand, and adds new ones after the last of them.
func rewriteSection(doc []byte, s *section, pairs []pair) ([]byte, error) {
	eol := lineEnding(doc)
	missing := map[string]string{}
	for _, p := range pairs {
		missing[p.key] = p.value
	}
	var out, tail bytes.Buffer // tail follows the last managed line
	out.Write(doc[:s.start])
	header, _ := cutLine(doc[s.start:s.end])
	if !bytes.HasPrefix(header, []byte("["+s.name+"]")) {
		header = []byte("[" + s.name + "]") // some reader does not see it
	}
	out.Write(bytes.TrimRight(header, "\r\n"))
	out.WriteString(eol)
	for l := range s.body(doc) {
		value, ok := missing[l.key]
		switch {
		case l.kind == foreignLine && decisiveKeys.MatchString(l.key):
			return nil, fmt.Errorf("chaim: section [%s] at line %d has %s, which SDKs use in place of its keys: remove it", s.name, s.line, l.key)
		case l.kind == foreignLine && l.indented:
			return nil, fmt.Errorf("chaim: section [%s] at line %d has an indented line, which readers take for a part of the key above: move it to the left", s.name, s.line)
		case l.kind != ownLine:
			tail.Write(l.text)
		case ok:
			delete(missing, l.key)
			_, _ = tail.WriteTo(&out) // to memory
			out.WriteString(l.key + " = " + value + eol)
		}
	}
	for _, p := range pairs {
		if value, ok := missing[p.key]; ok {
			out.WriteString(p.key + " = " + value + eol)
		}
	}
	_, _ = tail.WriteTo(&out)
	out.Write(doc[s.end:])
	return out.Bytes(), nil
}

// deleteSection returns doc without the managed lines of the section, and without its header unless other people's
// keys stand under it. Comments and blank lines stay, but for the one that setSection added above the header.
func deleteSection(doc []byte, name string) ([]byte, error) {
	s, err := find(doc, name)
	if s == nil || err != nil {
		return doc, err
	}
	var kept []byte
	foreign, scoped := false, false
	for l := range s.body(doc) {
		if l.kind == ownLine {
			scoped = scoped || l.key == scopeKey
			continue
		}
		kept = append(kept, l.text...)
		foreign = foreign || l.kind != quietLine
	}
	before, after := doc[:s.start], append(kept, doc[s.end:]...)
	if foreign {
		header, _ := cutLine(doc[s.start:s.end])
		return bytes.Join([][]byte{before, header, after}, nil), nil
	}
	return append(trimSeparator(before, after, scoped), after...), nil
}

// trimSeparator takes back the line ending that appendSection wrote above a header: a blank line, or the end of an
// incomplete line. The latter is told from a user's only for the section of a scope, and stays where two lines would
// be joined.
func trimSeparator(before, after []byte, scoped bool) []byte {
	before = bytes.Clone(before)
	rest, ok := bytes.CutSuffix(before, []byte("\r\n"))
	if !ok {
		rest, ok = bytes.CutSuffix(before, []byte("\n"))
	}
	isBlank := bytes.HasSuffix(rest, []byte("\n"))
	joins := len(bytes.TrimPrefix(rest, utf8BOM)) > 0 && len(after) > 0 &&
		!bytes.HasPrefix(after, []byte("\n")) && !bytes.HasPrefix(after, []byte("\r\n"))
	if ok && (isBlank || scoped && !joins) {
		return rest
	}
	return before
}

// lineEnding is that of the first line.
func lineEnding(doc []byte) string {
	if i := bytes.IndexByte(doc, '\n'); i > 0 && doc[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
