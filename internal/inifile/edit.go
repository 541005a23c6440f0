package inifile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/lazyregexp"
)

// CheckValue refuses a value that would need quotes, as readers disagree on quotes. It accepts printable ASCII that no
// reader takes for a comment, a quote or a second line. The error does not hold the value, which may be a secret.
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

// Set makes pairs the managed keys of a section. All other lines of the section stay. A missing section is added at the end.
// After an error nothing is changed. [DefaultSection] has rules of its own.
func (d *Document) Set(name string, pairs []Pair) error {
	owns := ownerOf(name)
	for _, p := range pairs {
		if !owns(p.Key, p.Value) {
			return errors.New("chaim: " + p.Key + " is not a key that chaim writes into section [" + name + "]")
		}
	}
	if err := checkPairs(pairs); err != nil {
		return err
	}
	s, lines, err := d.open(name, owns)
	if err != nil {
		return err
	}
	if err := d.checkInherited(pairs); err != nil {
		return err
	}
	if s == nil {
		return d.add(name, pairs)
	}
	for _, l := range lines {
		if l.kind == foreignLine && !l.indented && isDecisive(l.Key, pairs) {
			return s.refusal("has " + l.Key + ", which SDKs use in place of its keys: remove it")
		}
	}
	s.rewrite(lines, pairs)
	return nil
}

// keyRule matches keys that need no quotes, and that all readers compare alike.
var keyRule = lazyregexp.New(`^[a-z0-9_.-]{1,64}$`)

// SetKeys writes pairs into a section, whatever their keys mean. It replaces a key where it is, in any case of its
// letters. It adds other keys below the last owned line, or below the header. Owned keys that are not in pairs are
// removed, and all other bytes stay. A missing section is added at the end. owned gets keys in lower case.
//
// Unlike [Document.Set], SetKeys does not check which keys an SDK would use, so it is for settings only.
func (d *Document) SetKeys(name string, pairs []Pair, owned func(key string) bool) error {
	for _, p := range pairs {
		if !keyRule().MatchString(p.Key) {
			return fmt.Errorf("chaim: key %q is not 1 to 64 lower-case letters, digits and _ . -", p.Key)
		}
	}
	if err := checkPairs(pairs); err != nil {
		return err
	}
	s, lines, err := d.open(name, func(key, _ string) bool {
		return key != "" && (hasKey(pairs, key) || owned(key))
	})
	switch {
	case err != nil:
		return err
	case s != nil:
		s.rewrite(lines, pairs)
	case len(pairs) > 0:
		return d.add(name, pairs)
	}
	return nil
}

// checkPairs refuses values that need quotes, and a key that is given twice: botocore would refuse the whole file.
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

// add writes a section at the end.
func (d *Document) add(name string, pairs []Pair) error {
	if err := d.checkEditable(); err != nil {
		return err
	}
	eol := d.lineEnding()
	var out bytes.Buffer
	isIncomplete := false
	// After a complete line this is the blank line between sections, after an incomplete line it is the ending. Delete
	// removes it in both cases.
	if len(d.text) > 0 {
		out.WriteString(eol) // also after a byte order mark alone, which would hide the header from some readers
		text := bytes.TrimPrefix(d.text, utf8BOM)
		isIncomplete = len(text) > 0 && !isEnded(text)
	}
	out.WriteString("[" + name + "]" + eol)
	hasNote := !isIncomplete || name == DefaultSection // Delete leaves its header, and so needs no note
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
	d.splice(len(d.text), len(d.text), out.Bytes())
	return nil
}

// checkEditable refuses a text that readers split into different lines, so that a section may hide in it.
func (d *Document) checkEditable() error {
	if i := bytes.IndexByte(d.text, 0); i >= 0 {
		return fmt.Errorf("chaim: line %d holds a NUL byte, so this is not an INI file in UTF-8: convert it first", d.lineAt(i))
	}
	for from := 0; ; {
		i := bytes.IndexByte(d.text[from:], '\r')
		if i < 0 {
			return nil
		}
		if from += i + 1; from == len(d.text) || d.text[from] != '\n' {
			return fmt.Errorf("chaim: line %d holds a carriage return without a line feed, which readers understand differently: convert the line endings first", d.lineAt(from-1))
		}
	}
}

var (
	// oddBlankRule matches a character that ends a line, or is a blank, for some readers only.
	oddBlankRule = lazyregexp.New(`\r([^\n]|$)|[\x1c-\x1f\x{feff}]`)
	// plainHeaderRule matches a line that all readers take for a header.
	plainHeaderRule = lazyregexp.New(`^\[[^][#;]*\][ \t]*([ \t][#;][^][]*)?\r?\n?$`)
)

// open returns the section of that name and its lines, or nil. It refuses a section from which some reader would take other
// keys than those that are written there.
func (d *Document) open(name string, owns func(key, value string) bool) (*Section, []Line, error) {
	s, err := d.Section(name)
	if s == nil || err != nil {
		return nil, nil, err
	}
	header, _ := cutLine(s.text())
	next, _ := cutLine(d.text[s.end:])
	var why string
	switch {
	case oddBlankRule().Match(s.text()):
		why = "has a carriage return without a line feed, or another character that only some SDKs pass over: remove it"
	case len(next) > 0 && !plainHeaderRule().Match(next):
		why = "stands above a header that some SDKs misread: leave nothing but the name in brackets on that line"
	case s.start > 0 && d.text[s.start-1] != '\n' || !plainHeaderRule().Match(header) || !bytes.HasPrefix(header, []byte("["+name+"]")):
		why = "has a header that some SDKs misread: leave nothing but [" + name + "] on that line"
	}
	if why != "" {
		return nil, nil, s.refusal(why)
	}
	var lines []Line
	for l := range s.lines(owns) {
		if l.ambiguous {
			return nil, nil, s.refusal("has an indented line, which readers understand differently: move it to the left or out of the section")
		}
		lines = append(lines, l)
	}
	return s, lines, nil
}

func (s *Section) refusal(why string) error {
	return fmt.Errorf("chaim: section [%s] at line %d %s", s.name, s.doc.lineAt(s.start), why)
}

// rewrite replaces the values of pairs where their keys are in the section, and adds the others below. It removes all
// other own lines.
func (s *Section) rewrite(lines []Line, pairs []Pair) {
	header, _ := cutLine(s.text())
	eol := s.doc.lineEnding()
	missing := map[string]string{}
	for _, p := range pairs {
		missing[p.Key] = p.Value
	}
	for _, l := range lines { // the note stays even without a scope
		_, note := cutNote(l.Value)
		if _, isGiven := missing[ScopeKey]; l.kind == ownLine && l.Key == ScopeKey && note == endedLine && !isGiven {
			missing[ScopeKey] = ""
		}
	}
	var out, tail bytes.Buffer // tail follows the last own line
	out.Write(header)
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
	s.doc.splice(s.start, s.end, out.Bytes())
}

// Delete removes the managed lines of a section, and its header unless the user's lines are below it. Comments and blank
// lines stay, except the blank line that Set added above the header. [DefaultSection] has rules of its own.
func (d *Document) Delete(name string) error {
	s, err := d.Section(name)
	if s == nil || err != nil {
		return err
	}
	header, _ := cutLine(s.text())
	var kept []byte
	var notes string
	isForeign := false
	for l := range s.Lines() {
		if l.kind == ownLine {
			if l.Key == ScopeKey {
				_, note := cutNote(l.Value)
				notes += note
			}
			continue
		}
		kept = append(kept, l.text...)
		isForeign = isForeign || l.kind == foreignLine
	}
	if isForeign || name == DefaultSection {
		d.splice(s.start, s.end, slices.Concat(header, kept))
		return nil
	}
	from, to := s.start, s.end
	hasEnded := strings.Contains(notes, endedLine)
	if next := s.next(); hasEnded && next != nil && len(bytes.TrimSpace(kept)) == 0 {
		if text := next.withEnding(); text != nil {
			kept, to, hasEnded = append(kept, text...), next.end, false
		}
	}
	after := slices.Concat(kept, d.text[to:min(len(d.text), to+1)])
	d.splice(len(trimSeparator(d.text[:from], after, hasEnded)), to, kept)
	return nil
}

// next is the section below, or nil.
func (s *Section) next() *Section {
	for i := range s.doc.sections {
		if next := &s.doc.sections[i]; next.start > s.start {
			return next
		}
	}
	return nil
}

// withEnding returns the text of a managed section with the note that the line above it was ended. It returns nil if
// there is no place for the note.
func (s *Section) withEnding() []byte {
	if s.Managed()[MarkerKey] == "" {
		return nil
	}
	header, _ := cutLine(s.text())
	eol := header[len(cutLineEnding(header)):]
	out := bytes.Clone(header)
	end := len(out) // of the managed lines
	hasNote := false
	for l := range s.Lines() {
		line := l.text
		if l.kind == ownLine && l.Key == ScopeKey {
			id := bytes.TrimRight(line, "\r\n")
			ending := line[len(id):]
			line = slices.Concat(bytes.TrimSuffix(id, []byte(endedLine)), []byte(endedLine), ending)
			hasNote = true
		}
		out = append(out, line...)
		if l.kind == ownLine {
			end = len(out)
		}
	}
	switch {
	case hasNote:
		return out
	case isEnded(out[:end]):
		return slices.Insert(out, end, slices.Concat([]byte(ScopeKey+" = "+endedLine), eol)...)
	}
	return nil
}

// trimSeparator removes from the end of before the blank line that add wrote above a header. With hasEnded it also removes
// the ending of the line above that, unless two lines would become one.
func trimSeparator(before, after []byte, hasEnded bool) []byte {
	rest := cutLineEnding(before)
	if len(bytes.TrimPrefix(rest, utf8BOM)) == 0 || isEnded(rest) {
		before = rest // blank
	}
	if joins := len(after) > 0 && after[0] != '\n' && after[0] != '\r'; hasEnded && !joins {
		before = cutLineEnding(before)
	}
	return before
}

// checkInherited refuses pairs if [DEFAULT] has keys that change their meaning: botocore adds those to every section.
func (d *Document) checkInherited(pairs []Pair) error {
	isInherited := false
	for i := range d.sections {
		s := &d.sections[i]
		// To botocore an indented header may be more of a value.
		isInherited = string(s.name) == "DEFAULT" || isInherited && d.text[s.start] != '['
		if !isInherited {
			continue
		}
		for l := range s.Lines() {
			if !hasKey(pairs, l.Key) && (accessKeys[l.Key] || l.Key == AccountIDKey || isDecisive(l.Key, pairs)) {
				return fmt.Errorf("chaim: section [DEFAULT] at line %d has %s, which botocore adds to all sections: remove it", d.lineAt(s.start), l.Key)
			}
		}
	}
	return nil
}

func hasKey(pairs []Pair, key string) bool {
	return slices.ContainsFunc(pairs, func(p Pair) bool { return p.Key == key })
}

// isDecisive is IsDecisive, but false for a process beside keys: all SDKs prefer the keys.
func isDecisive(key string, pairs []Pair) bool {
	return IsDecisive(key) && !(key == ProcessKey && hasKey(pairs, "aws_access_key_id"))
}
