// Package inifile edits the text of an AWS credentials file. It finds sections by their headers and changes the managed
// lines of one section only; all else, whatever other tools or people put there, passes through as it is.
package inifile

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/ini.v1"
)

// Section is where one section stands in a document: from the first byte of its header's line to the first byte of the
// next header's line, or the end.
type Section struct {
	Name       string
	start, end int
	line       int // of the header, from 1
}

// Pair is one line of a section that chaim writes.
type Pair struct{ Key, Value string }

const (
	MarkerKey  = "accountname"        // marks a section as managed
	ScopeKey   = "chaim_scope"        // tells which scope wrote it
	ProcessKey = "credential_process" // managed only where it reads a file of a scope
)

// managedKeys are the keys that chaim writes into a section, and the only ones it changes or removes there.
var managedKeys = map[string]bool{
	"aws_access_key_id": true, "aws_secret_access_key": true, "aws_session_token": true, "aws_security_token": true,
	"expires": true, "expstr": true, "duration": true, "gui_url": true, "role": true, "region": true,
	MarkerKey: true, ScopeKey: true,
}

// processRule is a command that prints the file of a scope, as against one of the user's.
var processRule = regexp.MustCompile(`^(cat '.*/|cmd /c type ".*\\)chaim[/\\][A-Z2-7]{26}\.json['"]$`)

func isManaged(key, value string) bool {
	return managedKeys[key] || key == ProcessKey && processRule.MatchString(value)
}

var decisiveKeys = regexp.MustCompile(`^(role_arn|source_profile|credential_source|credential_process|web_identity_token_file|login_session|sso_.*)$`)

// IsDecisive reports whether a key in lower case is one in place of which, or along with which, some SDK ignores the
// keys of its section.
func IsDecisive(key string) bool { return decisiveKeys.MatchString(key) }

var utf8BOM = []byte("\xef\xbb\xbf")

// endedLine follows the scope's id in a section above which an incomplete last line of the file was ended.
const endedLine = "+"

// maxValueSize keeps the file within what is read of it; session tokens have a few thousand bytes at most.
const maxValueSize = 64 << 10

// Scan finds the sections of doc. It is generous about what is a header (indented, padded, followed by a comment),
// because one that any reader accepts must not be added a second time, and more so about where a section ends: what
// follows a bracket is somebody else's, even if that is never closed.
func Scan(doc []byte) []Section {
	var found []Section
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
		found = append(found, Section{string(bytes.TrimSpace(name)), start, len(doc), line})
	}
	return found
}

// find returns the one section of that name, or nil. Two of them are an error: readers disagree on which one counts.
func find(doc []byte, name string) (*Section, error) {
	var found *Section
	for _, s := range Scan(doc) {
		if s.Name != name {
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

// Line is a line of a section below its header.
type Line struct {
	text       []byte
	kind       lineKind
	Key, Value string // the key in lower case, as readers compare keys; empty for a line that sets none
	indented   bool
	ambiguous  bool // indented where readers disagree on what it belongs to
}

type lineKind int

const (
	ownLine     lineKind = iota // a managed key, or what only goes on with its value
	foreignLine                 // anything else
	quietLine                   // blank or comment
)

// Lines tells whose the lines of a section are. Nested settings, indented under a key without a value, are common in AWS
// files; under a key with a value some readers take an indented line for more of that, and some for a key of its own.
func (s *Section) Lines(doc []byte) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		_, body := cutLine(doc[s.start:s.end])
		var parent Line // the last line that was not indented
		parent.kind = quietLine
		for line := range bytes.Lines(body) {
			text := bytes.TrimSpace(line)
			first, _ := utf8.DecodeRune(line)
			l := Line{text: line, kind: foreignLine, indented: unicode.IsSpace(first)}
			if i := bytes.IndexAny(text, "=:"); i >= 0 {
				l.Key = strings.ToLower(string(bytes.TrimSpace(text[:i])))
				l.Value = string(bytes.TrimSpace(text[i+1:]))
			}
			isNested := l.indented && parent.kind == foreignLine
			switch {
			case len(text) == 0 || text[0] == '#' || text[0] == ';':
				l.kind = quietLine
			case !isNested && isManaged(l.Key, l.Value), l.indented && parent.kind == ownLine && l.Key == "":
				l.kind = ownLine
			}
			if l.kind != quietLine {
				l.ambiguous = l.indented && !(isNested && parent.Value == "")
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

// ReadManaged returns the managed keys of a section, and whether it exists.
func ReadManaged(doc []byte, name string) (map[string]string, bool, error) {
	s, err := find(doc, name)
	if s == nil || err != nil {
		return nil, false, err
	}
	return s.Managed(doc), true, nil
}

// Managed returns the managed keys of s. What decides over ownership is read by the rule that decides what is edited, and
// only where all readers agree.
func (s *Section) Managed(doc []byte) map[string]string {
	pairs := map[string]string{}
	for l := range s.Lines(doc) {
		if l.kind == ownLine && !l.indented {
			pairs[l.Key] = l.Value
		}
	}
	pairs[ScopeKey] = strings.TrimSuffix(pairs[ScopeKey], endedLine)
	return pairs
}

// HasScope reports whether s may have the key [ScopeKey].
func (s *Section) HasScope(doc []byte) bool {
	return bytes.Contains(doc[s.start:s.end], []byte(ScopeKey))
}

// cutLine splits off the first line, its ending included.
func cutLine(text []byte) (line, rest []byte) {
	end := bytes.IndexByte(text, '\n') + 1
	if end == 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}

// ReadAll returns all keys of a section, in lower case, and whether it exists.
func ReadAll(doc []byte, name string) (map[string]string, bool, error) {
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

// CheckValue refuses what would need quoting, as readers disagree on quotes: only printable ASCII that no reader takes
// for a comment, a quote or a second line. The error does not hold the value, which may be a secret.
func CheckValue(key, v string) error {
	switch {
	case len(v) > maxValueSize:
		return fmt.Errorf("chaim: value for %s is longer than %d bytes", key, maxValueSize)
	case v == "" || v != strings.TrimSpace(v):
		return fmt.Errorf("chaim: value for %s is empty or has spaces around it", key)
	case strings.ContainsRune("#;'\"`", rune(v[0])) || strings.Contains(v, " #") || strings.Contains(v, ";"):
		return fmt.Errorf("chaim: value for %s would be read as a comment or a quoted string", key)
	case strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e }):
		return fmt.Errorf("chaim: value for %s has characters other than printable ASCII", key)
	}
	return nil
}

// Set returns doc with pairs as the managed keys of the section: written in place where the section exists,
// with every other line of it kept, or added at the end.
func Set(doc []byte, name string, pairs []Pair) ([]byte, error) {
	for _, p := range pairs {
		if !isManaged(p.Key, p.Value) {
			return nil, errors.New("chaim: " + p.Key + " is not a key that chaim writes")
		}
		if err := CheckValue(p.Key, p.Value); err != nil {
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

func appendSection(doc []byte, name string, pairs []Pair) ([]byte, error) {
	if err := checkEditable(doc); err != nil {
		return nil, err
	}
	eol := lineEnding(doc)
	out := bytes.NewBuffer(bytes.Clone(doc))
	isIncomplete := false
	// After a complete line this is the blank line between sections, after an incomplete one its end; either way
	// Delete takes it back.
	if text := bytes.TrimPrefix(doc, utf8BOM); len(text) > 0 {
		out.WriteString(eol)
		isIncomplete = text[len(text)-1] != '\n'
	}
	out.WriteString("[" + name + "]" + eol)
	for _, p := range pairs {
		if p.Key == ScopeKey && isIncomplete {
			p.Value += endedLine
		}
		out.WriteString(p.Key + " = " + p.Value + eol)
	}
	return out.Bytes(), nil
}

// rewriteSection replaces the values of keys where they stand, and adds new ones after the last of them. It refuses a
// section out of which some reader would take other keys than these.
func rewriteSection(doc []byte, s *Section, pairs []Pair) ([]byte, error) {
	header, _ := cutLine(doc[s.start:s.end])
	refuse := func(why string) ([]byte, error) {
		return nil, fmt.Errorf("chaim: section [%s] at line %d %s", s.Name, s.line, why)
	}
	rest, isPlain := bytes.CutPrefix(header, []byte("["+s.Name+"]"))
	if rest = bytes.TrimSpace(rest); !isPlain || len(rest) > 0 && (!bytes.ContainsAny(rest[:1], "#;") || bytes.ContainsAny(rest, "[]")) {
		return refuse("has a header that some SDKs misread: leave nothing but [" + s.Name + "] on that line")
	}
	eol := lineEnding(doc)
	missing := map[string]string{}
	for _, p := range pairs {
		missing[p.Key] = p.Value
	}
	var out, tail bytes.Buffer // tail follows the last managed line
	out.Write(doc[:s.start])
	out.Write(bytes.TrimRight(header, "\r\n"))
	out.WriteString(eol)
	for l := range s.Lines(doc) {
		value, ok := missing[l.Key]
		switch {
		case l.ambiguous:
			return refuse("has an indented line, which readers understand differently: move it to the left or out of the section")
		case l.kind == foreignLine && !l.indented && IsDecisive(l.Key):
			return refuse("has " + l.Key + ", which SDKs use in place of its keys: remove it")
		case l.kind != ownLine:
			tail.Write(l.text)
		case ok:
			delete(missing, l.Key)
			if l.Key == ScopeKey && strings.HasSuffix(l.Value, endedLine) {
				value += endedLine
			}
			_, _ = tail.WriteTo(&out) // to memory
			out.WriteString(l.Key + " = " + value + eol)
		}
	}
	for _, p := range pairs {
		if value, ok := missing[p.Key]; ok {
			out.WriteString(p.Key + " = " + value + eol)
		}
	}
	_, _ = tail.WriteTo(&out)
	out.Write(doc[s.end:])
	return out.Bytes(), nil
}

// Delete returns doc without the managed lines of the section, and without its header unless other people's
// keys stand under it. Comments and blank lines stay, but for the one that Set added above the header.
func Delete(doc []byte, name string) ([]byte, error) {
	s, err := find(doc, name)
	if s == nil || err != nil {
		return doc, err
	}
	var kept []byte
	isForeign, hasEnded := false, false
	for l := range s.Lines(doc) {
		if l.kind == ownLine {
			hasEnded = hasEnded || l.Key == ScopeKey && strings.HasSuffix(l.Value, endedLine)
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
	found := Scan(doc)
	if len(found) == 0 || len(bytes.TrimSpace(doc[:found[0].start])) > 0 {
		return doc, true
	}
	s := found[0]
	header, _ := cutLine(doc[s.start:s.end])
	out := bytes.Clone(doc[:s.start+len(header)])
	isLeft = true
	for l := range s.Lines(doc) {
		line := l.text
		if l.kind == ownLine && l.Key == ScopeKey {
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
