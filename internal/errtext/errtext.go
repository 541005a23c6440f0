// Package errtext builds errors whose text has the prefix "chaim: " only once, however often they are wrapped.
package errtext

import (
	"fmt"
	"io"
	"strings"
)

const prefix = "chaim: "

// chained is an error with a text of its own and any number of causes.
type chained struct {
	text   string
	causes []error
}

func (e *chained) Error() string   { return e.text }
func (e *chained) Unwrap() []error { return e.causes }

// Format prints the text, whatever the verb: with some verbs fmt would print the causes as they are.
func (e *chained) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.text) }

// Chain returns an error with that text and those causes.
func Chain(text string, causes ...error) error { return &chained{text, causes} }

// Wrap returns an error that says what failed because of err. [errors.Is] and [errors.As] still find err.
func Wrap(err error, format string, args ...any) error {
	return Chain(prefix+fmt.Sprintf(format, args...)+": "+Unprefixed(err), err)
}

// Because joins a condition, for which callers test, with its cause.
func Because(condition, cause error) error {
	return Chain(condition.Error()+": "+Unprefixed(cause), condition, cause)
}

// Unprefixed is the text of err without the prefix.
func Unprefixed(err error) string { return strings.TrimPrefix(err.Error(), prefix) }

// IsMade reports whether this package made err, so that it may be shown to the user.
func IsMade(err error) bool {
	_, isMade := err.(*chained)
	return isMade
}
