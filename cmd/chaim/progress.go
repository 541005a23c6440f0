package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
)

const (
	barDelay  = 300 * time.Millisecond // what is over by then needs no bar
	barPeriod = 200 * time.Millisecond
)

// bar is a progress bar below the output. The methods of nil do nothing.
type bar struct {
	w       io.Writer
	bar     *progressbar.ProgressBar
	count   atomic.Int64
	isDrawn bool // guarded by the turn of the screen

	stop chan struct{}
	done sync.WaitGroup
}

// showProgress shows on a terminal how many of the accounts are done, unless all soon are.
func (s *screen) showProgress(w io.Writer, total int) {
	s.bar = &bar{w: w, stop: make(chan struct{}), bar: progressbar.NewOptions(total, progressbar.OptionSetWriter(w),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(true),
		progressbar.OptionClearOnFinish())}
	s.bar.bar.StartWithoutRender()
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
	return b.bar.Set64(b.count.Load())
}

// hide clears the line for others to write.
func (b *bar) hide() {
	if b != nil && b.isDrawn {
		b.isDrawn = false
		fmt.Fprintf(b.w, "\r%*s\r", utf8.RuneCountInString(b.bar.String()), "")
	}
}

func (b *bar) end() {
	if b != nil {
		close(b.stop)
		b.done.Wait()
	}
}
