// Package inifile edits the text of an AWS credentials file. It finds sections by their headers, and changes only the
// managed lines of one section. All other bytes stay as they are.
package inifile

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
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
// comment), because such a section must not be added a second time. A bracket at the start of a line ends a section even
// if it is never closed.
func Parse(text []byte) *Document {
	d := &Document{text: text}
	d.sections = d.headers(0, len(text), make([]Section, 0, bytes.Count(text, []byte("\n["))+2)) // room for one that is added
	d.setEnds()
	return d
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

// headers appends the sections that begin between from, which is the start of a line, and to. Their ends are not set yet.
func (d *Document) headers(from, to int, found []Section) []Section {
	for next := from; ; {
		i := bytes.IndexByte(d.text[next:to], '[')
		if i < 0 {
			return found
		}
		bracket := next + i
		rest, _ := cutLine(d.text[bracket:])
		next = min(bracket+len(rest), to)
		start := bytes.LastIndexByte(d.text[:bracket], '\n') + 1
		if len(bytes.TrimFunc(d.text[start:bracket], isBlank)) > 0 {
			continue
		}
		if start == 0 && bytes.HasPrefix(d.text, utf8BOM) {
			start = len(utf8BOM)
		}
		name, _, isClosed := bytes.Cut(rest[1:], []byte("]"))
		if !isClosed {
			name = nil
		}
		found = append(found, Section{doc: d, name: bytes.TrimSpace(name), start: start})
	}
}

func (d *Document) setEnds() {
	for i := range d.sections {
		if i+1 < len(d.sections) {
			d.sections[i].end = d.sections[i+1].start
		} else {
			d.sections[i].end = len(d.text)
		}
	}
}

// splice replaces the text between two places, which are starts of lines or the end, by piece, and finds the sections in
// that. If piece ends the line before it, it begins with the ending of that line.
func (d *Document) splice(from, to int, piece []byte) {
	text := make([]byte, 0, len(d.text)-(to-from)+len(piece))
	text = append(append(append(text, d.text[:from]...), piece...), d.text[to:]...)
	isLineStart := from == 0 && !bytes.HasPrefix(text, utf8BOM) || from > 0 && text[from-1] == '\n'
	if !isLineStart { // two lines may have become one, or a byte order mark the first of the text
		d.become(Parse(text))
		return
	}
	first := sort.Search(len(d.sections), func(i int) bool { return d.sections[i].start >= from })
	last := sort.Search(len(d.sections), func(i int) bool { return d.sections[i].start >= to })
	d.text = text
	found := d.headers(from, from+len(piece), nil)
	d.sections = slices.Replace(d.sections, first, last, found...)
	for i := first + len(found); i < len(d.sections); i++ {
		d.sections[i].start += len(piece) - (to - from)
	}
	d.setEnds()
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
