package inifile

import (
	"cmp"
	"strings"
)

// DefaultSection belongs to the user, keeps settings, and is what programs read that name no profile. It may hold a copy
// of the keys of a kept profile. It has no [MarkerKey], and fewer keys of it are managed than of other sections: those that
// give access, [AccountIDKey], expires, [SectionKey], [AliasKey], [CopyKey] and [ScopeKey]. Settings that chaim writes into
// its own sections, as region, are the user's here. Nothing tells who wrote the header, so [Delete] leaves it.
//
// Earlier versions also lent it to scopes: the copy had [ScopeKey], and lines that stood there before got the prefix
// chaim_was_ to their keys. Delete takes the prefix away again.
const DefaultSection = "default"

// Keys that tell of the account whose keys are in [DefaultSection].
const (
	SectionKey = "section" // of a profile
	AliasKey   = "alias"
	CopyKey    = "chaim_copy" // of one that is kept: tells its keys from others
)

// DefaultName is that of the default account's section, by the keys of [DefaultSection]; empty where there is none. The
// Python module may have written keys there as into any section, with a [MarkerKey].
func DefaultName(pairs map[string]string) string {
	return cmp.Or(pairs[AliasKey], pairs[SectionKey], pairs[MarkerKey])
}

// ReadDefault returns the managed keys of [DefaultSection], with the [MarkerKey] of the Python module.
func ReadDefault(doc []byte) (map[string]string, error) {
	pairs, exists, err := ReadManaged(doc, DefaultSection)
	if err != nil || !exists {
		return pairs, err
	}
	all, _, err := ReadAll(doc, DefaultSection)
	if marker := all[MarkerKey]; marker != "" {
		pairs[MarkerKey] = marker
	}
	return pairs, err
}

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

// asidePrefix is that of the keys that made room for a scope.
const asidePrefix = "chaim_was_"

func isManagedInDefault(key, value string) bool {
	switch key {
	case AccountIDKey, "expires", SectionKey, AliasKey, CopyKey, ScopeKey:
		return true
	}
	return givesAccess(key, value)
}

// asideKey is the key of a line that was put aside, as it was before; empty for any other line.
func (l *Line) asideKey() string {
	key, isAside := strings.CutPrefix(l.Key, asidePrefix)
	if !isAside || l.indented || !isManagedInDefault(key, l.Value) {
		return ""
	}
	return key
}
