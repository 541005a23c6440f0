// Package inifile edits the text of an AWS credentials file. It finds sections by their headers, and changes only the
// managed lines of one section. All other bytes stay as they are.
package inifile

import (
	"bytes"
	"fmt"
)

// Document is the text of an AWS file, with the places of its sections. It is parsed once, and changed only by its
// methods. The zero value is an empty text. It is for one goroutine.
type Document struct {
	text     []byte // never changed in place
	sections []Section
}

// Section is one section of a document, from the line of its header to that of the next header, or to the end. It must
// not be used after a change of the document.
type Section struct {
	doc        *Document
	name       []byte
	start, end int
}

var utf8BOM = []byte("\xef\xbb\xbf")

// Parse finds the sections of a text. It accepts each header that some reader accepts (indented, padded, followed by a
// comment), because such a section must not be added a second time. A bracket at the start of a line ends a section even if
// it is never closed.
func Parse(text []byte) *Document {
	d := &Document{text: text, sections: make([]Section, 0, bytes.Count(text, []byte("\n["))+1)}
	for next := 0; ; {
		i := bytes.IndexByte(text[next:], '[')
		if i < 0 {
			return d
		}
		bracket := next + i
		rest, _ := cutLine(text[bracket:])
		next = bracket + len(rest)
		start := bytes.LastIndexByte(text[:bracket], '\n') + 1
		if len(bytes.TrimFunc(text[start:bracket], isBlank)) > 0 {
			continue
		}
		if start == 0 && bytes.HasPrefix(text, utf8BOM) {
			start = len(utf8BOM)
		}
		name, _, isClosed := bytes.Cut(rest[1:], []byte("]"))
		if !isClosed {
			name = nil
		}
		if n := len(d.sections); n > 0 {
			d.sections[n-1].end = start
		}
		d.sections = append(d.sections, Section{doc: d, name: bytes.TrimSpace(name), start: start, end: len(text)})
	}
}

// Bytes returns the text, which must not be changed.
func (d *Document) Bytes() []byte { return d.text }

// Sections returns all sections in the order of the text. They must not be changed.
func (d *Document) Sections() []Section { return d.sections }

// Section returns the section of that name, or nil. Two sections of that name are an error: readers disagree on which
// counts.
func (d *Document) Section(name string) (*Section, error) {
	var found *Section
	for i := range d.sections {
		s := &d.sections[i]
		if string(s.name) != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("chaim: section [%s] stands twice, at lines %d and %d: remove one of them", name, d.lineAt(found.start), d.lineAt(s.start))
		}
		found = s
	}
	return found, nil
}

// splice replaces the text between two places by piece.
func (d *Document) splice(from, to int, piece []byte) {
	text := make([]byte, 0, len(d.text)-(to-from)+len(piece)) // an empty text is not nil
	d.become(Parse(append(append(append(text, d.text[:from]...), piece...), d.text[to:]...)))
}

// Try makes a change of several steps, or none of the steps if change returns an error.
func (d *Document) Try(change func(*Document) error) error {
	trial := Parse(d.text)
	if err := change(trial); err != nil {
		return err
	}
	d.become(trial)
	return nil
}

// become replaces d by another document.
func (d *Document) become(other *Document) {
	*d = *other
	for i := range d.sections {
		d.sections[i].doc = d
	}
}

func (d *Document) lineAt(offset int) int { return bytes.Count(d.text[:offset], []byte("\n")) + 1 }

// lineEnding is the ending of the first line.
func (d *Document) lineEnding() string {
	if i := bytes.IndexByte(d.text, '\n'); i > 0 && d.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// cutLine splits off the first line, its ending included.
func cutLine(text []byte) (line, rest []byte) {
	end := bytes.IndexByte(text, '\n') + 1
	if end == 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}

// isEnded reports whether the last line of text is complete.
func isEnded(text []byte) bool { return bytes.HasSuffix(text, []byte("\n")) }

func cutLineEnding(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
}
