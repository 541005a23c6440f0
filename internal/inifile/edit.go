package inifile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

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
// with every other line of it kept, or added at the end. [DefaultSection] has rules of its own.
func Set(doc []byte, name string, pairs []Pair) ([]byte, error) {
	owns := ownerOf(name)
	for _, p := range pairs {
		if !owns(p.Key, p.Value) {
			return nil, errors.New("chaim: " + p.Key + " is not a key that chaim writes into section [" + name + "]")
		}
	}
	if err := checkPairs(pairs); err != nil {
		return nil, err
	}
	sections := Scan(doc)
	s, lines, err := openSection(doc, sections, name, owns)
	if err != nil {
		return nil, err
	}
	if err := checkInherited(doc, sections, pairs); err != nil {
		return nil, err
	}
	if s == nil {
		return appendSection(doc, name, pairs)
	}
	for _, l := range lines {
		if l.kind == foreignLine && !l.indented && isDecisive(l.Key, pairs) {
			return nil, s.refusal(doc, "has "+l.Key+", which SDKs use in place of its keys: remove it")
		}
	}
	return s.rewrite(doc, lines, pairs), nil
}

// keyRule matches keys that need no quoting and that every reader compares alike.
var keyRule = lazyregexp.New(`^[a-z0-9_.-]{1,64}$`)

// SetKeys returns doc with pairs in the section, whatever their keys mean: in place where a key stands, in any case of
// its letters, and else below the last line that is owned or below the header. Keys that are owned and not in pairs are
// removed, every other byte stays, and a section that is missing is added at the end. owned is asked for keys in lower
// case. Unlike [Set] it does not care which keys an SDK would use, so it is for settings only.
func SetKeys(doc []byte, name string, pairs []Pair, owned func(key string) bool) ([]byte, error) {
	for _, p := range pairs {
		if !keyRule().MatchString(p.Key) {
			return nil, fmt.Errorf("chaim: key %q is not 1 to 64 lower-case letters, digits and _ . -", p.Key)
		}
	}
	if err := checkPairs(pairs); err != nil {
		return nil, err
	}
	s, lines, err := openSection(doc, Scan(doc), name, func(key, _ string) bool {
		return key != "" && (hasKey(pairs, key) || owned(key))
	})
	switch {
	case err != nil:
		return nil, err
	case s != nil:
		return s.rewrite(doc, lines, pairs), nil
	case len(pairs) == 0:
		return doc, nil
	}
	return appendSection(doc, name, pairs)
}

// checkPairs refuses values that need quoting, and a key that botocore would refuse the whole file for.
func checkPairs(pairs []Pair) error {
	for i, p := range pairs {
		if hasKey(pairs[:i], p.Key) {
			return errors.New("chaim: " + p.Key + " is given twice")
		}
		if err := CheckValue(p.Key, p.Value); err != nil {
			return err
		}
	}
	return nil
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
	if len(doc) > 0 {
		out.WriteString(eol) // after nothing but a byte order mark too, as that hides a header from some readers
		text := bytes.TrimPrefix(doc, utf8BOM)
		isIncomplete = len(text) > 0 && !isEnded(text)
	}
	out.WriteString("[" + name + "]" + eol)
	hasNote := !isIncomplete || name == DefaultSection // of which the header stays
	for _, p := range pairs {
		if p.Key == ScopeKey && !hasNote {
			p.Value += endedLine
			hasNote = true
		}
		out.WriteString(p.Key + " = " + p.Value + eol)
	}
	if !hasNote {
		out.WriteString(ScopeKey + " = " + endedLine + eol)
	}
	return out.Bytes(), nil
}

var (
	// oddBlankRule matches what ends a line, or is passed over, for some readers only.
	oddBlankRule = lazyregexp.New(`\r([^\n]|$)|[\x1c-\x1f\x{feff}]`)
	// plainHeaderRule matches what all readers take for a header.
	plainHeaderRule = lazyregexp.New(`^\[[^][#;]*\][ \t]*([ \t][#;][^][]*)?\r?\n?$`)
)

// openSection returns the one section of that name and its lines, or nil. It refuses a section out of which some reader
// would take other keys than what is written there.
func openSection(doc []byte, sections []Section, name string, owns func(key, value string) bool) (*Section, []Line, error) {
	s, err := findIn(doc, sections, name)
	if s == nil || err != nil {
		return nil, nil, err
	}
	header, _ := cutLine(doc[s.start:s.end])
	next, _ := cutLine(doc[s.end:])
	var why string
	switch {
	case oddBlankRule().Match(doc[s.start:s.end]):
		why = "has a carriage return without a line feed, or another character that only some SDKs pass over: remove it"
	case len(next) > 0 && !plainHeaderRule().Match(next):
		why = "stands above a header that some SDKs misread: leave nothing but the name in brackets on that line"
	case s.start > 0 && doc[s.start-1] != '\n' || !plainHeaderRule().Match(header) || !bytes.HasPrefix(header, []byte("["+name+"]")):
		why = "has a header that some SDKs misread: leave nothing but [" + name + "] on that line"
	}
	if why != "" {
		return nil, nil, s.refusal(doc, why)
	}
	var lines []Line
	for l := range s.lines(doc, owns) {
		if l.ambiguous {
			return nil, nil, s.refusal(doc, "has an indented line, which readers understand differently: move it to the left or out of the section")
		}
		lines = append(lines, l)
	}
	return s, lines, nil
}

func (s *Section) refusal(doc []byte, why string) error {
	return fmt.Errorf("chaim: section [%s] at line %d %s", s.name, lineAt(doc, s.start), why)
}

// rewrite replaces the values of keys where they stand in a section of these lines, and adds new ones after the last of
// them.
func (s *Section) rewrite(doc []byte, lines []Line, pairs []Pair) []byte {
	header, _ := cutLine(doc[s.start:s.end])
	eol := lineEnding(doc)
	missing := map[string]string{}
	for _, p := range pairs {
		missing[p.Key] = p.Value
	}
	for _, l := range lines {
		_, note := cutNote(l.Value)
		if _, isGiven := missing[ScopeKey]; l.kind == ownLine && l.Key == ScopeKey && note == endedLine && !isGiven {
			missing[ScopeKey] = ""
		}
	}
	var out, tail bytes.Buffer // tail follows the last own line
	out.Grow(len(doc) + 4<<10)
	out.Write(doc[:s.start+len(header)])
	if !isEnded(header) {
		out.WriteString(eol)
	}
	for _, l := range lines {
		value, ok := missing[l.Key]
		switch {
		case l.kind != ownLine:
			tail.Write(l.text)
		case ok:
			delete(missing, l.Key)
			if l.Key == ScopeKey {
				_, note := cutNote(l.Value)
				value += note
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
	return out.Bytes()
}

// Delete returns doc without the managed lines of the section, and without its header unless other people's
// keys stand under it. Comments and blank lines stay, but for the one that Set added above the header. [DefaultSection] has
// rules of its own.
func Delete(doc []byte, name string) ([]byte, error) {
	s, err := find(doc, name)
	if s == nil || err != nil {
		return doc, err
	}
	var kept []byte
	var notes string
	isForeign := false
	for l := range s.Lines(doc) {
		switch {
		case l.kind == ownLine && l.Key == ScopeKey:
			_, note := cutNote(l.Value)
			notes += note
		case l.kind == ownLine:
		default:
			if name == DefaultSection && l.asideKey() != "" {
				l.text = l.text[len(asidePrefix):]
			}
			kept = append(kept, l.text...)
			isForeign = isForeign || l.kind == foreignLine
		}
	}
	before, after := doc[:s.start], append(kept, doc[s.end:]...)
	if isForeign || name == DefaultSection {
		header, _ := cutLine(doc[s.start:s.end])
		return bytes.Join([][]byte{before, header, after}, nil), nil
	}
	hasEnded := strings.Contains(notes, endedLine)
	if hasEnded {
		after, hasEnded = passOnEnding(after)
	}
	return append(trimSeparator(before, after, hasEnded), after...), nil
}

// passOnEnding makes another managed section at the start of doc the one that ended the line above it. If there is none,
// the ending is still with the caller.
func passOnEnding(doc []byte) (_ []byte, isLeft bool) {
	found := Scan(doc)
	if len(found) == 0 || len(bytes.TrimSpace(doc[:found[0].start])) > 0 {
		return doc, true
	}
	s := found[0]
	if s.Managed(doc)[MarkerKey] == "" {
		return doc, true
	}
	header, _ := cutLine(doc[s.start:s.end])
	out := bytes.Clone(doc[:s.start+len(header)])
	isLeft = true
	end := len(out) // of our lines
	for l := range s.Lines(doc) {
		line := l.text
		if l.kind == ownLine && l.Key == ScopeKey {
			id := bytes.TrimRight(line, "\r\n")
			ending := line[len(id):]
			line = slices.Concat(bytes.TrimSuffix(id, []byte(endedLine)), []byte(endedLine), ending)
			isLeft = false
		}
		out = append(out, line...)
		if l.kind == ownLine {
			end = len(out)
		}
	}
	if isLeft && isEnded(out[:end]) {
		out = slices.Insert(out, end, []byte(ScopeKey+" = "+endedLine+lineEnding(doc))...)
		isLeft = false
	}
	return append(out, doc[s.end:]...), isLeft
}

// trimSeparator takes back the blank line that appendSection wrote above a header, and with hasEnded the end of an
// incomplete line, unless that would join two lines.
func trimSeparator(before, after []byte, hasEnded bool) []byte {
	rest := cutLineEnding(before)
	if len(bytes.TrimPrefix(rest, utf8BOM)) == 0 || isEnded(rest) {
		before = rest // blank
	}
	if joins := len(after) > 0 && after[0] != '\n' && after[0] != '\r'; hasEnded && !joins {
		before = cutLineEnding(before)
	}
	return bytes.Clone(before)
}

// isEnded reports whether the last line of text is complete.
func isEnded(text []byte) bool { return bytes.HasSuffix(text, []byte("\n")) }

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

// checkInherited refuses to write what botocore, which adds the keys of [DEFAULT] to every section, would read otherwise.
func checkInherited(doc []byte, sections []Section, pairs []Pair) error {
	isInherited := false
	for _, s := range sections {
		// To botocore an indented header may be more of a value.
		isInherited = string(s.name) == "DEFAULT" || isInherited && doc[s.start] != '['
		if !isInherited {
			continue
		}
		for l := range s.Lines(doc) {
			if !hasKey(pairs, l.Key) && (accessKeys[l.Key] || l.Key == AccountIDKey || isDecisive(l.Key, pairs)) {
				return fmt.Errorf("chaim: section [DEFAULT] at line %d has %s, which botocore adds to all sections: remove it", lineAt(doc, s.start), l.Key)
			}
		}
	}
	return nil
}

func hasKey(pairs []Pair, key string) bool {
	return slices.ContainsFunc(pairs, func(p Pair) bool { return p.Key == key })
}

// isDecisive is IsDecisive but for a process beside keys, which all SDKs prefer.
func isDecisive(key string, pairs []Pair) bool {
	return IsDecisive(key) && !(key == ProcessKey && hasKey(pairs, "aws_access_key_id"))
}
