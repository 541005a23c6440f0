package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/spelling"
)

// maxSuggested is how many names are suggested in place of one that is not there.
const maxSuggested = 3

// nearest returns those of names that were probably meant by one that is none of them, the most alike first.
func nearest(text string, names []string) []string {
	type candidate struct {
		name  string
		edits int
	}
	var found []candidate
	meant := strings.ToLower(profileOf(text))
	for _, name := range distinct(names) {
		n := spelling.Mistakes(meant, strings.ToLower(profileOf(name)))
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

// suggestProfile adds to the error of a profile that is not there those of names that were probably meant.
func suggestProfile(err error, name string, names func() []string) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var shown []string
	for _, alike := range nearest(name, names()) {
		shown = append(shown, keys.Printable(alike))
	}
	if len(shown) == 0 {
		return err
	}
	return errtext.Chain(fmt.Sprintf("%v; did you mean the profile %s?", err, strings.Join(shown, " or ")), err)
}
