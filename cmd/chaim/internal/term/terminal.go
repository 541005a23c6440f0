// Package term reads from terminals and writes to them: tables, bars, prompts, and output that must not block.
package term

import (
	"os"

	xterm "golang.org/x/term"
)

// Descriptor is an open file.
type Descriptor interface{ Fd() uintptr }

// Own is the terminal of this process. On Unix both files are the same.
type Own struct{ In, Out *os.File }

// Close closes the files.
func (o Own) Close() {
	_ = o.In.Close()
	if o.Out != o.In {
		_ = o.Out.Close()
	}
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f Descriptor) bool { return xterm.IsTerminal(int(f.Fd())) }

// CanDraw reports whether f is a terminal that obeys escape sequences.
func CanDraw(f Descriptor) bool { return IsTerminal(f) && takesEscapes(f) }

// HasColors reports whether output to f may have colors: https://no-color.org.
func HasColors(f Descriptor) bool { return os.Getenv("NO_COLOR") == "" && CanDraw(f) }

// usualWidth is the width of a terminal that does not report its own.
const usualWidth = 80

// WidthOf returns the number of columns of a terminal.
func WidthOf(f Descriptor) int {
	width, _, err := xterm.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return usualWidth
	}
	return width
}

// HeightOf returns the number of lines of a terminal, or 0 if it does not report one.
func HeightOf(f Descriptor) int {
	_, height, _ := xterm.GetSize(int(f.Fd()))
	return height
}
