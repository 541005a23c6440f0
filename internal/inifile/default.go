package inifile

import "cmp"

// DefaultSection belongs to the user, keeps settings, and is what programs read that name no profile. It may hold a copy
// of the keys of a kept profile. It has no [MarkerKey], and fewer keys of it are managed than of other sections: those that
// give access, [AccountIDKey], expires, [SectionKey], [AliasKey] and [CopyKey]. Settings that chaim writes into
// its own sections, as region, are the user's here. Nothing tells who wrote the header, so [Document.Delete] leaves it.
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

// Default returns the managed keys of [DefaultSection], with the [MarkerKey] of the Python module.
func (d *Document) Default() (map[string]string, error) {
	s, err := d.Section(DefaultSection)
	if s == nil || err != nil {
		return nil, err
	}
	pairs := s.Managed()
	all, err := s.All()
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

func isManagedInDefault(key, value string) bool {
	switch key {
	case AccountIDKey, "expires", SectionKey, AliasKey, CopyKey:
		return true
	}
	return givesAccess(key, value)
}
