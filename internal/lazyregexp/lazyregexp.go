// Package lazyregexp compiles regular expressions when they are first needed. Compiling all of chaim's takes longer than the
// start of a Go program.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns a function that returns the compiled pattern, which is the same at each call. Any number of goroutines may
// call it. It panics if pattern is not a regular expression. Check lengths in the hundreds without a pattern: a
// repetition is compiled as so many copies.
func New(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
