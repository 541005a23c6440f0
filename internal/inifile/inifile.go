// Package inifile edits the text of an AWS credentials file. It finds sections by their headers and changes the managed
// lines of one section only; all else, whatever other tools or people put there, passes through as it is.
package inifile

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/ini.v1"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// Section is where one section stands in a document: from the first byte of its header's line to the first byte of the
// next header's line, or the end.
type Section struct {
	name       []byte
	start, end int
}

// Name is what stands in the brackets, or "" where they are not closed.
func (s *Section) Name() string { return string(s.name) }

// Pair is one line of a section that chaim writes.
type Pair struct{ Key, Value string }

const (
	MarkerKey    = "accountname"        // marks a section as managed
	IDKey        = "accountid"          // the account's 12 digits, by which it is asked for again
	AccountIDKey = "aws_account_id"     // the same for SDKs, which combine it with the keys
	ScopeKey     = "chaim_scope"        // tells which scope wrote it
	ProcessKey   = "credential_process" // managed only where it reads a file of a scope
)

// accessKeys are those that give access.
var accessKeys = map[string]bool{
	"aws_access_key_id": true, "aws_secret_access_key": true, "aws_session_token": true, "aws_security_token": true,
}

// managedKeys are, with accessKeys, those that chaim writes into a section, and the only ones it changes or removes there.
var managedKeys = map[string]bool{
	"expires": true, "expstr": true, "duration": true, "gui_url": true, "role": true, "region": true,
	MarkerKey: true, IDKey: true, AccountIDKey: true, ScopeKey: true,
}

// processRule is a command that prints the file of a scope, as against one of the user's.
var processRule = lazyregexp.New(`^(cat '.*/chaim/.*-[A-Z2-7]{26}\.json'` +
	`|cmd /c type ".*\\chaim\\.*-[A-Z2-7]{26}\.json"|cmd /c type [^"]*\\chaim\\[^"]*-[A-Z2-7]{26}\.json)$`)

func isManaged(key, value string) bool { return managedKeys[key] || givesAccess(key, value) }

func givesAccess(key, value string) bool {
	return accessKeys[key] || key == ProcessKey && processRule().MatchString(value)
}

// ownerOf returns the rule by which lines of the section of that name are managed.
func ownerOf(name string) func(key, value string) bool {
	if name == DefaultSection {
		return isManagedInDefault
	}
	return isManaged
}

var decisiveKeys = lazyregexp.New(`^(role_arn|source_profile|credential_source|credential_process|web_identity_token_file|login_session|aws_credential_scope|sso_.*)$`)

// IsDecisive reports whether a key in lower case is one in place of which, or along with which, some SDK ignores the
// keys of its section, or which it combines with them.
func IsDecisive(key string) bool { return decisiveKeys().MatchString(key) }

var utf8BOM = []byte("\xef\xbb\xbf")

// What may follow the scope's id in a section, or stand without one in a profile that is kept.
const (
	endedLine = "+" // an incomplete last line of the file was ended above it
	hadHeader = "." // of earlier versions: [default] stood there before the scope's lines did
)

// cutNote splits what follows it off a scope's id.
func cutNote(value string) (id, note string) {
	id = strings.TrimRight(value, endedLine+hadHeader)
	return id, value[len(id):]
}

// maxValueSize keeps the file within what is read of it; session tokens have a few thousand bytes at most.
const maxValueSize = 64 << 10

// Scan finds the sections of doc. It is generous about what is a header (indented, padded, followed by a comment),
// because one that any reader accepts must not be added a second time, and more so about where a section ends: what
// follows a bracket is not this section's, even if that is never closed.
func Scan(doc []byte) []Section {
	var found []Section
	for next := 0; ; {
		i := bytes.IndexByte(doc[next:], '[')
		if i < 0 {
			return found
		}
		bracket := next + i
		rest, _ := cutLine(doc[bracket:])
		next = bracket + len(rest)
		start := bytes.LastIndexByte(doc[:bracket], '\n') + 1
		if len(bytes.TrimFunc(doc[start:bracket], isBlank)) > 0 {
			continue
		}
		if start == 0 && bytes.HasPrefix(doc, utf8BOM) {
			start = len(utf8BOM)
		}
		if len(found) > 0 {
			found[len(found)-1].end = start
		}
		name, _, isClosed := bytes.Cut(rest[1:], []byte("]"))
		if !isClosed {
			name = nil
		}
		found = append(found, Section{bytes.TrimSpace(name), start, len(doc)})
	}
}

// commentRule matches what all readers take for a comment.
var commentRule = lazyregexp.New(`^[ \t]*[#;]`)

// isBlank is what some reader passes over at the ends of a line: Python takes the separators of ASCII for blanks, and
// JavaScript the byte order mark.
func isBlank(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f || r == 0xfeff }

// find returns the one section of that name, or nil. Two of them are an error: readers disagree on which one counts.
func find(doc []byte, name string) (*Section, error) {
	return findIn(doc, Scan(doc), name)
}

func findIn(doc []byte, sections []Section, name string) (*Section, error) {
	var found *Section
	for _, s := range sections {
		if string(s.name) != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("chaim: section [%s] stands twice, at lines %d and %d: remove one of them", name, lineAt(doc, found.start), lineAt(doc, s.start))
		}
		match := s // of the loop's own variable every section would go to the heap
		found = &match
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

// Damage tells what, from which line on, makes botocore and so the AWS CLI refuse the whole of doc, chaim's or not. It
// knows what editors and unlocked writers do to a file, not all that there is. The text is empty for a sound file.
func Damage(doc []byte) (line int, what string) {
	switch {
	case bytes.HasPrefix(doc, utf8BOM):
		return 1, "a byte order mark"
	case !utf8.Valid(doc):
		return 1, "a character that is not UTF-8"
	}
	known := map[string]bool{} // sections, and keys of the last one
	var section string
	var hasKey bool // to which an indented line may belong
	for text := range bytes.Lines(doc) {
		line++
		first, trimmed := text[0], bytes.TrimSpace(text)
		name, _, isClosed := bytes.Cut(trimmed, []byte("]"))
		delimiter := bytes.IndexAny(trimmed, "=:")
		switch {
		case len(trimmed) == 0 || trimmed[0] == '#' || trimmed[0] == ';', hasKey && (first == ' ' || first == '\t'):
		case trimmed[0] == '[' && isClosed && len(name) > 1:
			if section = string(name); known[section] {
				return line, "a second section " + section + "]"
			}
			known[section], hasKey = true, false
		case section == "":
			return line, "a line above all sections"
		case delimiter <= 0:
			return line, "a line that is neither a section nor a key"
		default:
			key := section + "]" + strings.ToLower(string(bytes.TrimSpace(trimmed[:delimiter])))
			if known[key] {
				return line, "a key for the second time"
			}
			known[key], hasKey = true, true
		}
	}
	return 0, ""
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
	ownLine     lineKind = iota // a key of the owner, or what only goes on with its value
	foreignLine                 // anything else
	quietLine                   // blank or comment
)

// Lines tells whose the lines of a section are. Nested settings, indented under a key without a value, are common in AWS
// files; under a key with a value some readers take an indented line for more of that, and some for a key of its own.
func (s *Section) Lines(doc []byte) iter.Seq[Line] { return s.lines(doc, ownerOf(s.Name())) }

// lines is Lines for another owner than chaim.
func (s *Section) lines(doc []byte, owns func(key, value string) bool) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		_, body := cutLine(doc[s.start:s.end])
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
	pairs[ScopeKey], _ = cutNote(pairs[ScopeKey])
	return pairs
}

// MayHave reports whether s may have that key, in lower case. It takes a fraction of what reading the section does.
func (s *Section) MayHave(doc []byte, key string) bool {
	return bytes.Contains(bytes.ToLower(doc[s.start:s.end]), []byte(key))
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
		return nil, false, fmt.Errorf("chaim: section [%s] at line %d cannot be read as INI: mend it by hand", name, lineAt(doc, s.start))
	}
	pairs := map[string]string{}
	for _, k := range file.Section("").Keys() {
		pairs[strings.ToLower(k.Name())] = k.Value()
	}
	return pairs, true, nil
}
