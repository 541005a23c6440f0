package policy

import (
	"fmt"
	"strings"
)

// pattern matches names and paths of OUs. It is folded and split at "/".
type pattern []string

func parsePattern(text string) pattern { return strings.Split(fold(text), "/") }

// checkPattern says what is wrong with a pattern, or "".
func checkPattern(text string) string {
	for _, segment := range strings.Split(text, "/") {
		if strings.Contains(segment, "**") && segment != "**" {
			return fmt.Sprintf(`pattern %q: "**" must stand alone between slashes`, text)
		}
		if segment == "" {
			return fmt.Sprintf("pattern %q has an empty segment", text)
		}
	}
	if strings.Count(text, "*") > 16 {
		return fmt.Sprintf(`pattern %q has more than 16 "*"`, text)
	}
	return ""
}

// isExact reports whether the pattern matches one name only.
func (p pattern) isExact() bool {
	for _, segment := range p {
		if strings.Contains(segment, "*") {
			return false
		}
	}
	return true
}

// matches takes the segments of a folded name.
func (p pattern) matches(segments []string) bool { return glob(p, segments, "**", matchSegment) }

func matchSegment(pattern, text string) bool {
	return glob([]byte(pattern), []byte(text), '*', func(p, t byte) bool { return p == t })
}

// glob reports whether a text fits a pattern, in which star is any number of elements. The last star that matched too little is
// the only place to which it returns, so the time is bounded by the product of the lengths.
func glob[E comparable](pattern, text []E, star E, fits func(p, t E) bool) bool {
	i, j, last, from := 0, 0, -1, 0
	for j < len(text) {
		switch {
		case i < len(pattern) && pattern[i] == star:
			last, from = i, j
			i++
		case i < len(pattern) && fits(pattern[i], text[j]):
			i, j = i+1, j+1
		case last >= 0:
			from++
			i, j = last+1, from
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == star {
		i++
	}
	return i == len(pattern)
}
