package inifile

import "cmp"

// DefaultSection is the section of the user's settings. Programs that name no profile read it. It may hold a copy of the
// keys of a kept profile. It has no [MarkerKey], and fewer of its keys are managed than in other sections: those that
// give access, [AccountIDKey], expires, [SectionKey], [AliasKey] and [CopyKey]. Settings that chaim writes into its own
// sections, such as region, are the user's here. [Document.Delete] leaves its header, which may be the user's.
const DefaultSection = "default"

// Keys of [DefaultSection] that name the account whose keys it holds.
const (
	SectionKey = "section"    // the account
	AliasKey   = "alias"      // the profile
	CopyKey    = "chaim_copy" // a hash of the keys that chaim copied there
)

// DefaultName is the name of the default account's profile, by the keys of [DefaultSection]. It is empty if there is
// none. The Python module may have written its keys there as into any section, with a [MarkerKey].
func DefaultName(pairs map[string]string) string {
	return cmp.Or(pairs[AliasKey], pairs[SectionKey], pairs[MarkerKey])
}

// Default returns the managed keys of [DefaultSection], and the [MarkerKey] that the Python module may have written.
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

// HasAccess reports whether any of the managed keys of a section gives access.
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
