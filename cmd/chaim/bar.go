package main

import (
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/chaim-go/chaim"
)

// color is a parameter of the escape sequence that begins it.
type color string

const (
	plain  color = ""
	bold   color = "1"
	red    color = "31"
	green  color = "32"
	yellow color = "33"
)

// cell is one of a table. Its text is printable.
type cell struct {
	text  string
	color color
}

// drawing is what can be drawn with.
type drawing struct {
	hasBlocks bool // U+2588 and U+2591
	hasColors bool
	width     int // columns that there are; zero for any number
}

const barCells = 10

// bar shows how much of a profile's time is left, and how urgent that is. A started cell counts, so that it is empty only
// at the end. Where the time that was asked for is not known there is none.
func (d drawing) bar(p chaim.Profile) (string, color) {
	if p.Duration <= 0 || p.Expires.IsZero() {
		return "-", plain
	}
	percent, isOver := p.Percent(), p.Left() == 0
	n := (percent*barCells + 99) / 100
	if !isOver {
		n = max(n, 1)
	}
	full, empty := d.blocks()
	urgency := green
	switch {
	case percent < 20:
		urgency = red
	case percent < 50:
		urgency = yellow
	}
	return strings.Repeat(full, n) + strings.Repeat(empty, barCells-n), urgency
}

// blocks are a full and an empty cell of a bar.
func (d drawing) blocks() (full, empty string) {
	if d.hasBlocks {
		return "█", "░"
	}
	return "#", "."
}

// columnWidths are those of the columns of a table.
func columnWidths(rows [][]cell) (widths []int) {
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	return widths
}

// isTooWide reports whether there is no room for a table.
func (d drawing) isTooWide(rows [][]cell) bool {
	width := -columnGap
	for _, column := range columnWidths(rows) {
		width += column + columnGap
	}
	return d.width > 0 && width > d.width
}

// columnGap is the number of spaces between two columns.
const columnGap = 2

// align returns the lines of a table.
func (d drawing) align(rows [][]cell) []string {
	widths := columnWidths(rows)
	var lines []string
	for _, row := range rows {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(d.paint(c))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+columnGap))
			}
		}
		lines = append(lines, b.String())
	}
	return lines
}

func (d drawing) paint(c cell) string {
	if !d.hasColors || c.color == plain {
		return c.text
	}
	return "\x1b[" + string(c.color) + "m" + c.text + "\x1b[0m"
}

// usualWidth is that of a terminal that does not tell its own.
const usualWidth = 80

// widthOf is how many columns a terminal has.
func widthOf(f descriptor) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return usualWidth
	}
	return width
}

// canDraw reports whether a person sees what is written there, and escape sequences move the cursor.
func canDraw(f descriptor) bool { return isTerminal(f) && takesEscapes(f) }

// hasColors reports whether what is written there may have colors: https://no-color.org.
func hasColors(f descriptor) bool { return os.Getenv("NO_COLOR") == "" && canDraw(f) }
