package term

import (
	"strings"
	"unicode/utf8"
)

// Color is the parameter of the escape sequence that switches it on. Plain switches nothing on.
type Color string

// The colors of tables.
const (
	Plain  Color = ""
	Bold   Color = "1"
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
)

// Cell is one cell of a table. Its Text must be printable.
type Cell struct {
	Text  string
	Color Color
}

// Row is a row of plain cells.
func Row(texts ...string) []Cell {
	var row []Cell
	for _, text := range texts {
		row = append(row, Cell{Text: text})
	}
	return row
}

// Drawing says how tables and bars are drawn. The zero value draws plain ASCII of any width.
type Drawing struct {
	HasBlocks bool // bars are made of U+2588 and U+2591
	HasColors bool
	Width     int // columns of the terminal; zero means any number
}

// columnGap is the number of spaces between two columns.
const columnGap = 2

// Align returns the lines of a table.
func (d Drawing) Align(rows [][]Cell) []string {
	widths := columnWidths(rows)
	var lines []string
	for _, row := range rows {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(d.paint(c))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.Text)+columnGap))
			}
		}
		lines = append(lines, b.String())
	}
	return lines
}

// IsTooWide reports whether a table is wider than the terminal.
func (d Drawing) IsTooWide(rows [][]Cell) bool {
	width := -columnGap
	for _, column := range columnWidths(rows) {
		width += column + columnGap
	}
	return d.Width > 0 && width > d.Width
}

func columnWidths(rows [][]Cell) (widths []int) {
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	return widths
}

func (d Drawing) paint(c Cell) string {
	if !d.HasColors || c.Color == Plain {
		return c.Text
	}
	return "\x1b[" + string(c.Color) + "m" + c.Text + "\x1b[0m"
}

// Bar returns a bar of some cells, of which the first are full.
func (d Drawing) Bar(full, cells int) string {
	if d.HasBlocks {
		return strings.Repeat("█", full) + strings.Repeat("░", cells-full)
	}
	return strings.Repeat("#", full) + strings.Repeat(".", cells-full)
}
