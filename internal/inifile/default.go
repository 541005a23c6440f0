package inifile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// DefaultSection belongs to the user, keeps settings, and is what programs read that name no profile. Either a scope has a
// copy of its keys there, marked by [ScopeKey], or an account is set for good. It has no [MarkerKey], and fewer keys of it
// are managed than of other sections: those that give access, expires, [SectionKey], [AliasKey], [CopyKey] and [ScopeKey].
// Settings that chaim writes into its own sections, as region, are the user's here.
//
// A scope comes after whoever was there first. When [Set] first writes [ScopeKey], managed lines that stand there already
// get the prefix chaim_was_ to their keys, under which no reader knows them, and keep their place. [Delete] takes the
// prefix away and leaves a header that stood there, so that the two together change no byte. Set refuses where lines with
// that prefix would be doubled or left behind, as the section or pairs lack [ScopeKey]. Pairs without it are written in
// place as in any section; of their header there is no telling whose it is, so Delete leaves it.
const DefaultSection = "default"

// Keys that tell of the account whose keys are in [DefaultSection].
const (
	SectionKey = "section" // of a profile
	AliasKey   = "alias"
	CopyKey    = "chaim_copy" // of one that is kept: tells its keys from others
)

// DefaultName is that of the default account's section, by the keys of [DefaultSection]; empty where there is none.
func DefaultName(pairs map[string]string) string { return cmp.Or(pairs[AliasKey], pairs[SectionKey]) }

// HasAccess reports whether there is anything among the managed keys of a section that gives access.
func HasAccess(pairs map[string]string) bool {
	for key, value := range pairs {
		if value != "" && givesAccess(key, value) {
			return true
		}
	}
	return false
}

// HasOthers reports whether a section has lines of others than chaim, other than comments.
func HasOthers(doc []byte, name string) bool {
	s, err := find(doc, name)
	if s == nil || err != nil {
		return false
	}
	for l := range s.Lines(doc) {
		if l.kind == foreignLine {
			return true
		}
	}
	return false
}

// asidePrefix is that of the keys that make room for a scope.
const asidePrefix = "chaim_was_"

func isManagedInDefault(key, value string) bool {
	switch key {
	case "expires", SectionKey, AliasKey, CopyKey, ScopeKey:
		return true
	}
	return givesAccess(key, value)
}

// rewriteDefault is rewrite for [default], with room made for a scope that is new there.
func (s *Section) rewriteDefault(doc []byte, lines []Line, pairs []Pair) ([]byte, error) {
	isCopy := hasKey(pairs, ScopeKey)
	isNew := !slices.ContainsFunc(lines, func(l Line) bool { return l.kind == ownLine && l.Key == ScopeKey })
	for i := range lines {
		l := &lines[i]
		if key, isAside := strings.CutPrefix(l.Key, asidePrefix); isAside && !l.indented && (isNew || !isCopy) {
			return nil, fmt.Errorf("chaim: section [%s] has %s at line %d, which the scope that put it aside has to bring back: "+
				"let that end, or if there is none, remove the line or rename its key to %s", s.name, l.Key, lineAt(doc, s.start)+1+i, key)
		}
		if isCopy && isNew && l.kind == ownLine {
			l.kind = foreignLine
			l.text = slices.Concat([]byte(asidePrefix), l.text)
		}
	}
	if !isCopy {
		return s.rewrite(doc, lines, pairs), nil
	}
	if isNew {
		pairs = slices.Clone(pairs)
		scope := slices.IndexFunc(pairs, func(p Pair) bool { return p.Key == ScopeKey })
		pairs[scope].Value += hadHeader
	}
	// Where the header was an incomplete last line, Delete sees by the same that it was.
	return endLike(s.rewrite(doc, lines, pairs), doc), nil
}

// asideKey is the key of a line that was put aside, as it was before; empty for any other line.
func (l *Line) asideKey() string {
	key, isAside := strings.CutPrefix(l.Key, asidePrefix)
	if !isAside || l.indented || !isManagedInDefault(key, l.Value) {
		return ""
	}
	return key
}

// Release takes the lines of a scope out of [DefaultSection] after somebody has changed it: that with [ScopeKey], and those
// that are as in one of pairs. What the scope had put aside comes back, unless there are keys of somebody else.
func Release(doc []byte, pairs []Pair) ([]byte, error) {
	s, err := find(doc, DefaultSection)
	if s == nil || err != nil {
		return doc, err
	}
	header, _ := cutLine(doc[s.start:s.end])
	isScopes := func(l Line) bool {
		return l.kind == ownLine && (l.Key == ScopeKey || slices.Contains(pairs, Pair{l.Key, l.Value}))
	}
	hasKeys := false
	for l := range s.Lines(doc) {
		hasKeys = hasKeys || l.kind == ownLine && givesAccess(l.Key, l.Value) && !isScopes(l)
	}
	out := slices.Clone(doc[:s.start+len(header)])
	for l := range s.Lines(doc) {
		isAside := l.asideKey() != ""
		switch {
		case isScopes(l), isAside && hasKeys:
		case isAside:
			out = append(out, l.text[len(asidePrefix):]...)
		default:
			out = append(out, l.text...)
		}
	}
	return append(out, doc[s.end:]...), nil
}

// ReadAside returns what is put aside in [DefaultSection], with the keys that it had.
func ReadAside(doc []byte) (map[string]string, error) {
	s, err := find(doc, DefaultSection)
	if s == nil || err != nil {
		return nil, err
	}
	pairs := map[string]string{}
	for l := range s.Lines(doc) {
		if key := l.asideKey(); key != "" {
			pairs[key] = l.Value
		}
	}
	return pairs, nil
}

// SetAside returns doc with pairs in place of what is put aside in [DefaultSection].
func SetAside(doc []byte, pairs []Pair) ([]byte, error) {
	pairs = slices.Clone(pairs)
	for i := range pairs {
		pairs[i].Key = asidePrefix + pairs[i].Key
	}
	return SetKeys(doc, DefaultSection, pairs, func(key string) bool {
		l := Line{Key: key}
		return l.asideKey() != ""
	})
}
