package inifile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
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
	sections := Scan(doc)
	s, err := findIn(doc, sections, name)
	if err != nil {
		return nil, err
	}
	if err := checkInherited(doc, sections, pairs); err != nil {
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
	if len(doc) > 0 {
		out.WriteString(eol) // after nothing but a byte order mark too, as that hides a header from some readers
		text := bytes.TrimPrefix(doc, utf8BOM)
		isIncomplete = len(text) > 0 && text[len(text)-1] != '\n'
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

var (
	// oddBlankRule matches what ends a line, or is passed over, for some readers only.
	oddBlankRule = regexp.MustCompile(`\r([^\n]|$)|[\x1c-\x1f\x{feff}]`)
	// plainHeaderRule matches what all readers take for a header.
	plainHeaderRule = regexp.MustCompile(`^\[[^][#;]*\][ \t]*([ \t][#;][^][]*)?\r?\n?$`)
)

// rewriteSection replaces the values of keys where they stand, and adds new ones after the last of them. It refuses a
// section out of which some reader would take other keys than these.
func rewriteSection(doc []byte, s *Section, pairs []Pair) ([]byte, error) {
	header, _ := cutLine(doc[s.start:s.end])
	refuse := func(why string) ([]byte, error) {
		return nil, fmt.Errorf("chaim: section [%s] at line %d %s", s.name, lineAt(doc, s.start), why)
	}
	next, _ := cutLine(doc[s.end:])
	switch {
	case oddBlankRule.Match(doc[s.start:s.end]):
		return refuse("has a carriage return without a line feed, or another character that only some SDKs pass over: remove it")
	case len(next) > 0 && !plainHeaderRule.Match(next):
		return refuse("stands above a header that some SDKs misread: leave nothing but the name in brackets on that line")
	case s.start > 0 && doc[s.start-1] != '\n' || !plainHeaderRule.Match(header) || !bytes.HasPrefix(header, []byte("["+s.Name()+"]")):
		return refuse("has a header that some SDKs misread: leave nothing but [" + s.Name() + "] on that line")
	}
	eol := lineEnding(doc)
	missing := map[string]string{}
	for _, p := range pairs {
		missing[p.Key] = p.Value
	}
	var out, tail bytes.Buffer // tail follows the last managed line
	out.Grow(len(doc) + 4<<10)
	out.Write(doc[:s.start])
	out.Write(bytes.TrimRight(header, "\r\n"))
	out.WriteString(eol)
	for l := range s.Lines(doc) {
		value, ok := missing[l.Key]
		switch {
		case l.ambiguous:
			return refuse("has an indented line, which readers understand differently: move it to the left or out of the section")
		case l.kind == foreignLine && !l.indented && isDecisive(l.Key, pairs):
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
	if pairs := s.Managed(doc); pairs[MarkerKey] == "" || pairs[ScopeKey] == "" {
		return doc, true
	}
	header, _ := cutLine(doc[s.start:s.end])
	out := bytes.Clone(doc[:s.start+len(header)])
	isLeft = true
	for l := range s.Lines(doc) {
		line := l.text
		if l.kind == ownLine && l.Key == ScopeKey {
			id := bytes.TrimRight(line, "\r\n")
			ending := line[len(id):]
			line = slices.Concat(bytes.TrimSuffix(id, []byte(endedLine)), []byte(endedLine), ending)
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
			if !hasKey(pairs, l.Key) && (accessKeys[l.Key] || isDecisive(l.Key, pairs)) {
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
