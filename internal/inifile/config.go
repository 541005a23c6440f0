package inifile

import (
	"iter"
	"slices"
	"strings"
)

// Rival finds the line of an AWS config file that SDKs would use in place of a profile's keys. It returns the name of the
// section and the key of the line, or nothing.
func (d *Document) Rival(profile string) (section, key string) {
	for s, l := range d.configLines(profile) {
		if IsDecisive(l.Key) {
			return s.Name(), l.Key
		}
	}
	return "", ""
}

// GivesKeys reports whether a profile of an AWS config file leads to keys.
func (d *Document) GivesKeys(profile string) bool {
	for _, l := range d.configLines(profile) {
		if l.Key == "aws_access_key_id" || IsDecisive(l.Key) {
			return true
		}
	}
	return false
}

// ConfigRegion returns the region of a profile in an AWS config file, or "". As for SDKs, [profile default] comes before
// [default], and the last of two lines counts.
func (d *Document) ConfigRegion(profile string) (region string) {
	isNamed := false
	for s, l := range d.configLines(profile) {
		isProfile := s.Name() != DefaultSection
		if l.kind == quietLine || l.indented || l.Key != "region" || isNamed && !isProfile {
			continue
		}
		isNamed = isProfile
		region, _, _ = strings.Cut(l.Value, " ") // a comment may follow
		region, _, _ = strings.Cut(region, "\t")
	}
	return region
}

// HasConfig reports whether the text of an AWS config file has a section of a profile.
func (d *Document) HasConfig(profile string) bool {
	return slices.ContainsFunc(d.sections, func(s Section) bool { return s.isConfigOf(profile) })
}

// ConfigName returns what a section of an AWS config file is for, such as "profile", "sso-session" or "services", and its
// name. kind is empty for a section that no SDK knows.
func (s *Section) ConfigName() (kind, name string) {
	fields := strings.Fields(s.Name())
	switch {
	case s.Name() == DefaultSection:
		return "profile", DefaultSection
	case len(fields) < 2:
		return "", s.Name()
	}
	return fields[0], strings.Trim(strings.Join(fields[1:], " "), `"'`)
}

// Settings returns the keys of s and their values as SDKs read them: without nested lines, and without the comment after a
// value.
func (s *Section) Settings() map[string]string {
	pairs := map[string]string{}
	for l := range s.Lines() {
		if l.kind == quietLine || l.indented || l.Key == "" {
			continue
		}
		value := l.Value
		for _, comment := range []string{" #", " ;", "\t#", "\t;"} {
			value, _, _ = strings.Cut(value, comment)
		}
		pairs[l.Key] = strings.TrimSpace(value)
	}
	return pairs
}

// isConfigOf reports whether s, in the text of an AWS config file, is a section of a profile.
func (s *Section) isConfigOf(profile string) bool {
	kind, name := s.ConfigName()
	return kind == "profile" && name == profile
}

// configLines returns the lines of a profile's sections in an AWS config file.
func (d *Document) configLines(profile string) iter.Seq2[*Section, Line] {
	return func(yield func(*Section, Line) bool) {
		for i := range d.sections {
			s := &d.sections[i]
			if !s.isConfigOf(profile) {
				continue
			}
			for l := range s.Lines() {
				if !yield(s, l) {
					return
				}
			}
		}
	}
}
