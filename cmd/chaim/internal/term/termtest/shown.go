// Package termtest stands in for terminals and for pipes that nothing reads, in tests.
package termtest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const eraseLine = "\x1b[K" // from the cursor on

// Shown is what stands on a terminal of that width after this was written to it. Of the escape sequences it knows the one that
// erases the rest of a line.
func Shown(t *testing.T, width int, written string) (lines []string) {
	t.Helper()
	line, column := "", 0
	end := func() {
		lines, line, column = append(lines, strings.TrimRight(line, " ")), "", 0
	}
	for _, r := range strings.ReplaceAll(written, eraseLine, "\x00") {
		switch cells := []rune(line); {
		case r == '\r':
			column = 0
		case r == '\n':
			end()
		case r == 0:
			line = string(cells[:column])
		case column == width:
			end()
			line, column = string(r), 1
		default:
			require.NotEqual(t, '\x1b', r)
			line = string(append(cells[:column:column], append([]rune{r}, cells[min(column+1, len(cells)):]...)...))
			column++
		}
	}
	if line != "" {
		end()
	}
	return lines
}
