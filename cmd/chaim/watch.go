package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const redrawInterval = time.Second

// canvas is a terminal to draw on.
type canvas interface {
	io.Writer
	descriptor
}

// watch draws lines on a terminal again and again, until ctx ends. Ctrl-C is how people end it, and no failure, as with
// watch(1); other signals are one. Each drawing leaves the terminal as it was, so that nothing has to be put right at
// the end, whatever that is.
func watch(ctx context.Context, out canvas, draw func() ([]string, error)) error {
	tick := time.NewTicker(redrawInterval)
	defer tick.Stop()
	drawn := 0
	for {
		lines, err := draw()
		if err != nil {
			return endOfWatch(ctx, err)
		}
		if len(lines) == 0 {
			lines = []string{"no profiles are held"}
		}
		if _, height, _ := term.GetSize(int(out.Fd())); height > 0 { // which some terminals do not tell
			lines, drawn = crop(lines, height), min(drawn, height-1)
		}
		if _, err := io.WriteString(out, redraw(lines, drawn)); err != nil {
			return fmt.Errorf("chaim: %w", err)
		}
		drawn = len(lines)
		select {
		case <-ctx.Done():
			_, _ = io.WriteString(out, "\r"+eraseLine) // what the terminal shows of Ctrl-C
			return endOfWatch(ctx, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func endOfWatch(ctx context.Context, err error) error {
	var caught signalError
	if errors.As(context.Cause(ctx), &caught) {
		if caught.signal == os.Interrupt {
			return nil
		}
		return caught
	}
	return err
}

// crop keeps as many lines as a terminal of that height has, less the one of the cursor.
func crop(lines []string, height int) []string {
	fit := max(height-1, 1)
	if len(lines) <= fit {
		return lines
	}
	rest := len(lines) - fit + 1
	return append(lines[:fit-1:fit-1], fmt.Sprintf("... and %d more", rest))
}

// Escape sequences of ECMA-48 and, with a question mark, of the VT220 and xterm.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	noWrap     = "\x1b[?7l" // a line that is too long is cut, and stays one
	wrap       = "\x1b[?7h"
	eraseLine  = "\x1b[K" // from the cursor on
	eraseBelow = "\x1b[J"
)

// redraw is what puts lines in the place of as many as were drawn before, above the cursor.
func redraw(lines []string, drawn int) string {
	var b strings.Builder
	b.WriteString(hideCursor + noWrap + "\r")
	if drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", drawn)
	}
	for _, line := range lines {
		b.WriteString(line + eraseLine + "\r\n")
	}
	b.WriteString(eraseBelow + wrap + showCursor)
	return b.String()
}
