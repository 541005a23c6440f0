package picker

import (
	"fmt"
	"strings"

	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

// view is the drawing on the terminal. The cursor stands in its first line.
type view struct {
	out    Screen
	isBold bool
	drawn  string
}

// draw draws the list over the last drawing, if that has changed.
func (v *view) draw(l *list) {
	height := term.HeightOf(v.out)
	if height == 0 {
		height = maxBelow + 1
	}
	lines, column := l.lines(term.WidthOf(v.out), height)
	for i, line := range lines {
		if v.isBold && i > 0 && strings.HasPrefix(line, marked) {
			lines[i] = "\x1b[1m" + line + "\x1b[0m"
		}
	}
	if text := term.DrawBelow(lines, column); text != v.drawn {
		v.drawn = text
		_, _ = fmt.Fprint(v.out, text) // a terminal that takes nothing shows nothing
	}
}

// erase erases the drawing.
func (v *view) erase() { _, _ = fmt.Fprint(v.out, "\r"+term.EraseBelow) }
