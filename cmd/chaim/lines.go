package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"time"
)

// maxLine is how much of a line is waited for.
const maxLine = 64 << 10

// lineWriter writes whole lines, each after a prefix, and those of one Write at once. A longer line than maxLine is
// written in pieces, each a line. It is not safe for concurrent use.
type lineWriter struct {
	w      io.Writer
	prefix []byte
	rest   []byte // a line that has no end yet
}

func (l *lineWriter) Write(p []byte) (int, error) {
	var lines []byte
	for rest := p; len(rest) > 0; {
		room := maxLine - len(l.rest)
		end := bytes.IndexByte(rest[:min(room+1, len(rest))], '\n')
		switch {
		case end >= 0:
			lines = l.appendLine(lines, rest[:end])
			rest = rest[end+1:]
		case len(rest) > room:
			lines = l.appendLine(lines, rest[:room])
			rest = rest[room:]
		default:
			l.rest = append(l.rest, rest...)
			rest = nil
		}
	}
	if len(lines) == 0 {
		return len(p), nil
	}
	if _, err := l.w.Write(lines); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush writes what has no end yet, as a line.
func (l *lineWriter) flush() error {
	if len(l.rest) == 0 {
		return nil
	}
	_, err := l.w.Write(l.appendLine(nil, nil))
	return err
}

// appendLine appends the line that ends with this to others.
func (l *lineWriter) appendLine(lines, end []byte) []byte {
	lines = append(append(append(append(lines, l.prefix...), l.rest...), end...), '\n')
	l.rest = l.rest[:0]
	return lines
}

// outputError is why output could not be written.
type outputError struct{ err error }

func (e outputError) Error() string { return "chaim: writing the output: " + e.err.Error() }
func (e outputError) Unwrap() error { return e.err }

// screen is what all accounts write to, one at a time.
type screen struct {
	turn chan struct{}   // held by who writes
	over context.Context // ends when a reader that reads nothing is no longer waited for
	fail context.CancelCauseFunc
	bar  *bar // nil if there is none; its text is guarded by turn

	giveUp context.CancelFunc
}

// newScreen makes one for programs that end with run. A write that fails ends it by fail.
func newScreen(run context.Context, fail context.CancelCauseFunc) *screen {
	s := &screen{turn: make(chan struct{}, 1), fail: fail}
	s.over, s.giveUp = context.WithCancel(context.Background())
	context.AfterFunc(run, func() { time.AfterFunc(grace, s.giveUp) })
	return s
}

// do calls write, one at a time, with the progress bar out of the way. It does not wait for it for ever.
func (s *screen) do(write func() error) error {
	select {
	case s.turn <- struct{}{}:
	case <-s.over.Done():
		return errGivenUp
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-s.turn }()
		s.bar.hide()
		done <- write()
	}()
	select {
	case err := <-done:
		return err
	case <-s.over.Done():
		return errGivenUp
	}
}

// sink is a file as others may write to it. What is written must not change afterwards.
func (s *screen) sink(w io.Writer) io.Writer { return sink{s, w} }

type sink struct {
	s *screen
	w io.Writer
}

func (k sink) Write(text []byte) (n int, err error) {
	err = k.s.do(func() error {
		_, err := k.w.Write(text)
		return err
	})
	if err != nil {
		k.s.fail(outputError{err})
		return 0, err
	}
	return len(text), nil
}

// close takes the progress bar away.
func (s *screen) close() {
	s.bar.end()
	_ = s.do(func() error { return nil })
	s.giveUp()
}

// logHandler keeps a log on the terminal and the progress bar apart.
func (s *screen) logHandler(h slog.Handler) slog.Handler {
	if s.bar == nil {
		return h
	}
	return apart{h, s}
}

type apart struct {
	slog.Handler
	s *screen
}

func (h apart) Handle(ctx context.Context, r slog.Record) error {
	return h.s.do(func() error { return h.Handler.Handle(ctx, r) })
}

func (h apart) WithAttrs(attrs []slog.Attr) slog.Handler {
	return apart{h.Handler.WithAttrs(attrs), h.s}
}

func (h apart) WithGroup(name string) slog.Handler { return apart{h.Handler.WithGroup(name), h.s} }
