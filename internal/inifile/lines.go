package inifile

import (
	"bytes"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// commentRule matches a line that all readers take for a comment.
var commentRule = lazyregexp.New(`^[ \t]*[#;]`)

// isBlank reports whether some reader takes a character for a blank at either end of a line. Python takes the separators of
// ASCII for blanks, and JavaScript the byte order mark.
func isBlank(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f || r == 0xfeff }

// Line is a line of a section below its header.
type Line struct {
	text       []byte
	kind       lineKind
	Key, Value string // the key in lower case, as readers compare keys; empty for a line that sets none
	indented   bool
	ambiguous  bool // indented, and readers disagree on what it belongs to
}

type lineKind int

const (
	ownLine     lineKind = iota // a managed key, or an indented line that continues its value
	foreignLine                 // any other line
	quietLine                   // blank or comment
)

// Lines returns the lines of a section below its header. Nested settings, indented under a key without a value, are
// common in AWS files. An indented line under a key with a value continues that value for some readers, and is a key of
// its own for others.
func (s *Section) Lines() iter.Seq[Line] { return s.lines(ownerOf(s.Name())) }

// lines is Lines with another rule for which keys are managed.
func (s *Section) lines(owns func(key, value string) bool) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		_, body := cutLine(s.text())
		var parent Line // the last line that was not indented
		parent.kind = quietLine
		for line := range bytes.Lines(body) {
			text := bytes.TrimFunc(line, isBlank)
			first, _ := utf8.DecodeRune(line)
			l := Line{text: line, kind: foreignLine, indented: isBlank(first)}
			if i := bytes.IndexAny(text, "=:"); i >= 0 {
				l.Key = strings.ToLower(string(bytes.TrimSpace(text[:i])))
				l.Value = string(bytes.TrimSpace(text[i+1:]))
			}
			isNested := l.indented && parent.kind == foreignLine
			switch {
			case len(bytes.TrimSpace(line)) == 0 || commentRule().Match(line):
				l.kind = quietLine
			case !isNested && owns(l.Key, l.Value), l.indented && parent.kind == ownLine && l.Key == "":
				l.kind = ownLine
			}
			if l.kind != quietLine {
				l.ambiguous = l.indented && !(isNested && parent.Key != "" && parent.Value == "" && (first == ' ' || first == '\t'))
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
