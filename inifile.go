package chaim

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

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

// endedLine follows the scope's id in a section above which an incomplete last line of the file was ended.
const endedLine = "+"

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
	ambiguous  bool // indented where readers disagree on what it belongs to
}

type lineKind int

const (
	ownLine     lineKind = iota // a managed key, or what only goes on with its value
	foreignLine                 // anything else
	quietLine                   // blank or comment
)

// body tells whose the lines of a section are. Nested settings, indented under a key without a value, are common in AWS
// files; under a key with a value some readers take an indented line for more of that, and some for a key of its own.
func (s *section) body(doc []byte) iter.Seq[bodyLine] {
	return func(yield func(bodyLine) bool) {
		_, body := cutLine(doc[s.start:s.end])
		var parent bodyLine // the last line that was not indented
		parent.kind = quietLine
		for line := range bytes.Lines(body) {
			text := bytes.TrimSpace(line)
			first, _ := utf8.DecodeRune(line)
			l := bodyLine{text: line, kind: foreignLine, indented: unicode.IsSpace(first)}
			if i := bytes.IndexAny(text, "=:"); i >= 0 {
				l.key = strings.ToLower(string(bytes.TrimSpace(text[:i])))
				l.value = string(bytes.TrimSpace(text[i+1:]))
			}
			isNested := l.indented && parent.kind == foreignLine
			switch {
			case len(text) == 0 || text[0] == '#' || text[0] == ';':
				l.kind = quietLine
			case !isNested && managedKeys[l.key], l.indented && parent.kind == ownLine && l.key == "":
				l.kind = ownLine
			}
			if l.kind != quietLine {
				l.ambiguous = l.indented && !(isNested && parent.value == "")
				if !l.indented {
					parent = l
				}
			}
			if !yield(l) {
				return
			}
		}
	}
}

// readManaged returns the managed keys of a section, and whether it exists. What decides over ownership is read by the
// rule that decides what is edited, and only where all readers agree.
func readManaged(doc []byte, name string) (map[string]string, bool, error) {
	s, err := find(doc, name)
	if s == nil || err != nil {
		return nil, false, err
	}
	pairs := map[string]string{}
	for l := range s.body(doc) {
		if l.kind == ownLine && !l.indented {
			pairs[l.key] = l.value
		}
	}
	pairs[scopeKey] = strings.TrimSuffix(pairs[scopeKey], endedLine)
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
	isIncomplete := false
	// After a complete line this is the blank line between sections, after an incomplete one its end; either way
	// deleteSection takes it back.
	if text := bytes.TrimPrefix(doc, utf8BOM); len(text) > 0 {
		out.WriteString(eol)
		isIncomplete = text[len(text)-1] != '\n'
	}
	out.WriteString("[" + name + "]" + eol)
	for _, p := range pairs {
		if p.key == scopeKey && isIncomplete {
			p.value += endedLine
		}
		out.WriteString(p.key + " = " + p.value + eol)
	}
	return out.Bytes(), nil
}

// rewriteSection replaces the values of keys where they stand, and adds new ones after the last of them. It refuses a
// section out of which some reader would take other keys than these.
func rewriteSection(doc []byte, s *section, pairs []pair) ([]byte, error) {
	header, _ := cutLine(doc[s.start:s.end])
	refuse := func(why string) ([]byte, error) {
		return nil, fmt.Errorf("chaim: section [%s] at line %d %s", s.name, s.line, why)
	}
	rest, isPlain := bytes.CutPrefix(header, []byte("["+s.name+"]"))
	if rest = bytes.TrimSpace(rest); !isPlain || len(rest) > 0 && (!bytes.ContainsAny(rest[:1], "#;") || bytes.ContainsAny(rest, "[]")) {
		return refuse("has a header that some SDKs misread: leave nothing but [" + s.name + "] on that line")
	}
	eol := lineEnding(doc)
	missing := map[string]string{}
	for _, p := range pairs {
		missing[p.key] = p.value
	}
	var out, tail bytes.Buffer // tail follows the last managed line
	out.Write(doc[:s.start])
	out.Write(bytes.TrimRight(header, "\r\n"))
	out.WriteString(eol)
	for l := range s.body(doc) {
		value, ok := missing[l.key]
		switch {
		case l.ambiguous:
			return refuse("has an indented line, which readers understand differently: move it to the left or out of the section")
		case l.kind == foreignLine && !l.indented && decisiveKeys.MatchString(l.key):
			return refuse("has " + l.key + ", which SDKs use in place of its keys: remove it")
		case l.kind != ownLine:
			tail.Write(l.text)
		case ok:
			delete(missing, l.key)
			if l.key == scopeKey && strings.HasSuffix(l.value, endedLine) {
				value += endedLine
			}
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
	isForeign, hasEnded := false, false
	for l := range s.body(doc) {
		if l.kind == ownLine {
			hasEnded = hasEnded || l.key == scopeKey && strings.HasSuffix(l.value, endedLine)
			continue
		}
		kept = append(kept, l.text...)
		isForeign = isForeign || l.kind == foreignLine
	}
	before, after := doc[:s.start], append(kept, doc[s.end:]...)
	if isForeign {
		header, _ := cutLine(doc[s.start:s.end])
		return bytes.Join([][]byte{before, header, after}, nil), nil
	}
	if hasEnded {
		after, hasEnded = passOnEnding(after)
	}
	return append(trimSeparator(before, after, hasEnded), after...), nil
}

// passOnEnding makes the section of another scope at the start of doc the one that ended the line above it. If there is
// none, the ending is still with the caller.
func passOnEnding(doc []byte) (_ []byte, isLeft bool) {
	found := scan(doc)
	if len(found) == 0 || len(bytes.TrimSpace(doc[:found[0].start])) > 0 {
		return doc, true
	}
	s := found[0]
	header, _ := cutLine(doc[s.start:s.end])
	out := bytes.Clone(doc[:s.start+len(header)])
	isLeft = true
	for l := range s.body(doc) {
		line := l.text
		if l.kind == ownLine && l.key == scopeKey {
			id := bytes.TrimRight(line, "\r\n")
			line = slices.Concat(id, []byte(endedLine), line[len(id):])
			isLeft = false
		}
		out = append(out, line...)
	}
	return append(out, doc[s.end:]...), isLeft
}

// trimSeparator takes back the blank line that appendSection wrote above a header, and with hasEnded the end of an
// incomplete line, unless that would join two lines.
func trimSeparator(before, after []byte, hasEnded bool) []byte {
	rest := cutLineEnding(before)
	if len(bytes.TrimPrefix(rest, utf8BOM)) == 0 || rest[len(rest)-1] == '\n' {
		before = rest // blank
	}
	if joins := len(after) > 0 && after[0] != '\n' && after[0] != '\r'; hasEnded && !joins {
		before = cutLineEnding(before)
	}
	return bytes.Clone(before)
}

func cutLineEnding(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
}

// lineEnding is that of the first line.
func lineEnding(doc []byte) string {
	if i := bytes.IndexByte(doc, '\n'); i > 0 && doc[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
