package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/spelling"
)

// maxSuggested is how many names are suggested for a misspelt one.
const maxSuggested = 3

// nearest returns the names that are most like text, the most alike first.
func nearest(text string, names []string) []string {
	type candidate struct {
		name  string
		edits int
	}
	var found []candidate
	meant := strings.ToLower(ProfileOf(text))
	for _, name := range Distinct(names) {
		n := spelling.Mistakes(meant, strings.ToLower(ProfileOf(name)))
		if n <= max(1, len(meant)/3) {
			found = append(found, candidate{name, n})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.edits, b.edits) })
	var alike []string
	for _, c := range found[:min(len(found), maxSuggested)] {
		alike = append(alike, c.name)
	}
	return alike
}

// DidYouMean returns the names that are most like text, for people, or nothing.
func DidYouMean(text string, names []string) string {
	alike := nearest(text, names)
	for i, name := range alike {
		alike[i] = keys.Printable(name)
	}
	return strings.Join(alike, " or ")
}

// Distinct returns each name once, in the order of names.
func Distinct(names []string) (once []string) {
	for _, name := range names {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

// outsideProfile is a run of characters that the name of a profile cannot have.
var outsideProfile = lazyregexp.New(`[^A-Za-z0-9_./%@:+-]+`)

// ProfileOf is the name of the profile for an account. Several accounts may have the same.
func ProfileOf(account string) string { return outsideProfile().ReplaceAllString(account, "-") }
