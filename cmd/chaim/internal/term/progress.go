package term

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	progressDelay  = 300 * time.Millisecond // a shorter run has no bar
	progressPeriod = 200 * time.Millisecond
	maxProgress    = 40 // cells
)

// Progress is a bar below the output on a terminal. The methods of nil do nothing.
type Progress struct {
	to      *Outlet
	drawing Drawing
	total   int
	began   time.Time
	count   atomic.Int64
	over    chan struct{}
	running sync.WaitGroup
}

// ShowProgress shows how many of total things are done, until End. It returns nil if to is no terminal for that. The bar is
// only drawn when turn is free. Those who hold it to write elsewhere call Hide first.
func ShowProgress(to *Outlet, turn *sync.Mutex, total int) *Progress {
	if !CanDraw(to) {
		return nil
	}
	p := newProgress(to, Drawing{HasBlocks: SpeaksUTF8()}, total)
	p.running.Go(func() { p.run(turn) })
	return p
}

func newProgress(to *Outlet, d Drawing, total int) *Progress {
	return &Progress{to: to, drawing: d, total: total, began: time.Now(), over: make(chan struct{})}
}

func (p *Progress) run(turn *sync.Mutex) {
	for wait := progressDelay; ; wait = progressPeriod {
		select {
		case <-p.over:
			return
		case <-time.After(wait):
		}
		if turn.TryLock() { // a writer may wait for its reader for good
			p.to.Draw(p.line(WidthOf(p.to)))
			turn.Unlock()
		}
	}
}

// Set says how many things are done.
func (p *Progress) Set(count int) {
	if p != nil {
		p.count.Store(int64(count))
	}
}

// Hide erases the bar, until it is drawn again.
func (p *Progress) Hide() {
	if p != nil {
		p.to.Draw("")
	}
}

// End erases the bar for good.
func (p *Progress) End() {
	if p != nil {
		close(p.over)
		p.running.Wait()
		p.Hide()
	}
}

// line is shorter than the terminal is wide. A full line could become two.
func (p *Progress) line(width int) string {
	count := int(p.count.Load())
	before := fmt.Sprintf("%3d%% |", count*100/p.total)
	after := fmt.Sprintf("| (%d/%d) [%v]", count, p.total, time.Since(p.began).Truncate(time.Second))
	cells := min(width-1-len(before)-len(after), maxProgress)
	if cells < 1 {
		return (before + after)[:max(min(len(before+after), width-1), 0)]
	}
	return before + p.drawing.Bar(cells*count/p.total, cells) + after
}
