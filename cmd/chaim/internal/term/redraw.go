package term

import (
	"fmt"
	"strings"
)

// Escape sequences of ECMA-48 and, with a question mark, of the VT220 and xterm.
const (
	EraseLine  = "\x1b[K" // from the cursor on
	EraseBelow = "\x1b[J" // the same, with all lines below
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	noWrap     = "\x1b[?7l" // cuts a line that is too long
	wrap       = "\x1b[?7h"
)

// Redraw returns the text that draws lines over the last drawing, which had drawn lines. It leaves the terminal's modes as
// they were, so that nothing has to be put right at the end.
func Redraw(lines []string, drawn int) string {
	var b strings.Builder
	b.WriteString(hideCursor + noWrap + "\r")
	if drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", drawn)
	}
	for _, line := range lines {
		b.WriteString(line + EraseLine + "\r\n")
	}
	b.WriteString(EraseBelow + wrap + showCursor)
	return b.String()
}

// Crop keeps as many lines as a terminal of that height can show above the cursor.
func Crop(lines []string, height int) []string {
	fit := max(height-1, 1)
	if len(lines) <= fit {
		return lines
	}
	rest := len(lines) - fit + 1
	return append(lines[:fit-1:fit-1], fmt.Sprintf("... and %d more", rest))
}

// DrawBelow returns the text that draws lines over those on the screen, from the line of the cursor on. The cursor stays in
// that line, and moves to the column. It leaves the terminal's modes as Redraw does.
func DrawBelow(lines []string, column int) string {
	var b strings.Builder
	b.WriteString(hideCursor + noWrap + "\r")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + EraseLine)
	}
	b.WriteString(EraseBelow + "\r")
	if below := len(lines) - 1; below > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", below)
	}
	if column > 0 {
		fmt.Fprintf(&b, "\x1b[%dC", column)
	}
	b.WriteString(wrap + showCursor)
	return b.String()
}
