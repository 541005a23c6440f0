package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in the text of a document. Lines and columns begin with 1. The zero Position is unknown.
type Position struct{ Line, Column int }

// Severity says whether a document with a problem can be used.
type Severity int

// The severities. A document with an error is refused; one with warnings works, but may not do what its author wants.
const (
	Error Severity = iota
	Warning
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	Position
	Path     string // the part of the document, such as "grants[3].on.ids[0]"; empty for the whole
	Severity Severity
	Message  string
}

// String returns the problem with its place in one line.
func (p Problem) String() string {
	text := p.Message
	if p.Severity == Warning {
		text = "warning: " + text
	}
	switch {
	case p.Line > 0:
		return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, text)
	case p.Path != "":
		return p.Path + ": " + text
	}
	return text
}

// Problems are all problems of a document, sorted by their place. As an error they print one a line.
type Problems []Problem

// maxPrinted is the number of problems that one error prints.
const maxPrinted = 50

// Error prints the problems, 50 at most.
func (p Problems) Error() string {
	lines := make([]string, 0, min(len(p), maxPrinted)+1)
	for _, problem := range p[:min(len(p), maxPrinted)] {
		lines = append(lines, problem.String())
	}
	if more := len(p) - maxPrinted; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Errors returns those that are no warnings.
func (p Problems) Errors() Problems { return p.with(Error) }

// Warnings returns those that are warnings.
func (p Problems) Warnings() Problems { return p.with(Warning) }

func (p Problems) with(severity Severity) (some Problems) {
	for _, problem := range p {
		if problem.Severity == severity {
			some = append(some, problem)
		}
	}
	return some
}

// AsError returns the errors among the problems as an error, or nil if there are none.
func (p Problems) AsError() error {
	if errs := p.Errors(); len(errs) > 0 {
		return errs
	}
	return nil
}

// Sort puts the problems into the order of the text and removes repeated ones.
func (p Problems) Sort() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(p)
}

// Position returns where a part of the document stands. Of a part without a place of its own, such as a key that is missing,
// that is the place of what holds it.
func (d *Document) Position(path string) Position {
	for path != "" {
		if at, isKnown := d.Positions[path]; isKnown {
			return at
		}
		path = Parent(path)
	}
	return d.Positions[""]
}

// Parent returns the path of what holds the part with this path. The parent of a whole section is "".
func Parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }
