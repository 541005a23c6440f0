// Package lazyregexp compiles regular expressions when they are first needed: all of chaim's together take longer than
// the start of a Go program.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns a function that gives the compiled pattern, the same one at each call. It may be called by several
// goroutines at once, and panics if pattern is not a regular expression. Give lengths in the hundreds as a comparison
// beside it: a repetition is compiled as so many copies.
func New(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
