// Package picker lets a person choose from a list on a terminal.
//
// The libraries for this draw on the whole screen, or they work before main begins, which would slow down each command.
package picker

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	xterm "golang.org/x/term"

	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
)

// ErrLeft means that the person left the list without a choice.
var ErrLeft = errors.New("chaim: nothing was chosen")

const (
	glance = 100 * time.Millisecond // how often the size of the terminal and the context are checked
	escape = 50 * time.Millisecond  // how long the rest of an escape sequence may take
)

// Screen is a terminal to draw on.
type Screen interface {
	io.Writer
	Fd() uintptr
}

// Pick shows the rows below a question, and returns the index of the row that the person chooses. Typing filters the rows.
// At the end Pick erases the list. The error is [ErrLeft], or the cause of the end of ctx.
func Pick(ctx context.Context, in *os.File, out Screen, question string, rows []string) (chosen int, err error) {
	before, err := xterm.MakeRaw(int(in.Fd()))
	if err != nil {
		return 0, errtext.Wrap(err, "asking on the terminal")
	}
	defer func() { _ = xterm.Restore(int(in.Fd()), before) }()
	v := view{out: out, isBold: term.HasColors(out)}
	defer v.erase()
	l := newList(question, rows)
	for typed := []byte(nil); ; {
		v.draw(l)
		wait := glance
		if len(typed) > 0 {
			wait = escape
		}
		text, err := term.ReadWithin(in, wait)
		switch {
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		case err != nil:
			return 0, errtext.Wrap(err, "reading from the terminal")
		}
		var keys []key
		keys, typed = decode(append(typed, text...), len(text) == 0)
		for _, k := range keys {
			switch k {
			case keyLeave:
				return 0, ErrLeft
			case keyTake:
				if i, isChosen := l.chosen(); isChosen {
					return i, nil
				}
			default:
				l.press(k)
			}
		}
	}
}
