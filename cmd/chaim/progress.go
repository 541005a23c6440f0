package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	barDelay  = 300 * time.Millisecond // what is over by then needs no bar
	barPeriod = 200 * time.Millisecond

	maxProgressCells = 40
)

// bar is a progress bar below the output. The methods of nil do nothing.
type bar struct {
	w       io.Writer
	width   func() int // columns of the terminal
	drawing drawing
	total   int
	began   time.Time
	count   atomic.Int64
	isDrawn bool // guarded by the turn of the screen

	stop chan struct{}
	done sync.WaitGroup
}

// showProgress shows on a terminal how many of the accounts are done, unless all soon are.
func (s *screen) showProgress(w io.Writer, width func() int, d drawing, total int) {
	s.bar = &bar{w: w, width: width, drawing: d, total: total, began: time.Now(), stop: make(chan struct{})}
	s.bar.done.Go(func() {
		for wait := barDelay; ; wait = barPeriod {
			select {
			case <-time.After(wait):
				_ = s.do(s.bar.draw)
			case <-s.bar.stop:
				return
			}
		}
	})
}

// progress says how many accounts are done.
func (s *screen) progress(count int) {
	if s.bar != nil {
		s.bar.count.Store(int64(count))
	}
}

func (b *bar) draw() error {
	b.isDrawn = true
	_, err := io.WriteString(b.w, "\r"+b.line(b.width())+eraseLine)
	return err
}

// line is one that does not fill a terminal of that width, which would make it two.
func (b *bar) line(width int) string {
	done := int(b.count.Load())
	before := fmt.Sprintf("%3d%%", done*100/b.total)
	after := fmt.Sprintf("(%d/%d) [%v]", done, b.total, time.Since(b.began).Truncate(time.Second))
	cells := min(width-1-len(before)-len(after)-len(" || "), maxProgressCells)
	if cells < 1 {
		line := before + " " + after
		return line[:max(min(len(line), width-1), 0)]
	}
	full, empty := b.drawing.blocks()
	n := cells * done / b.total
	return before + " |" + strings.Repeat(full, n) + strings.Repeat(empty, cells-n) + "| " + after
}

// hide clears the line for others to write.
func (b *bar) hide() {
	if b != nil && b.isDrawn {
		b.isDrawn = false
		_, _ = io.WriteString(b.w, "\r"+eraseLine)
	}
}

func (b *bar) end() {
	if b != nil {
		close(b.stop)
		b.done.Wait()
	}
}
