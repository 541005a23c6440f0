// Package errtext builds errors whose text starts with "chaim: " once, however many layers they went through.
package errtext

import (
	"fmt"
	"io"
	"strings"
)

const prefix = "chaim: "

// chained is an error with causes whose own prefix is left out of the text.
type chained struct {
	text   string
	causes []error
}

func (e *chained) Error() string   { return e.text }
func (e *chained) Unwrap() []error { return e.causes }

// Format prints the text, whatever the verb: others would print the causes as they are.
func (e *chained) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.text) }

// Chain returns an error with that text and those causes.
func Chain(text string, causes ...error) error { return &chained{text, causes} }

// Wrap says what failed because of err, which [errors.Is] and [errors.As] still find.
func Wrap(err error, format string, args ...any) error {
	return Chain(prefix+fmt.Sprintf(format, args...)+": "+Unprefixed(err), err)
}

// Because joins a condition that callers test for with its cause.
func Because(condition, cause error) error {
	return Chain(condition.Error()+": "+Unprefixed(cause), condition, cause)
}

// Unprefixed is the text of err without the prefix.
func Unprefixed(err error) string { return strings.TrimPrefix(err.Error(), prefix) }

// IsMade reports whether err was made by this package, and so is fit to be shown.
func IsMade(err error) bool {
	_, isMade := err.(*chained)
	return isMade
}
