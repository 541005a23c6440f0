package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"
)

// readerPatience is how long chaim waits for a reader of its output when it has something better to do.
const readerPatience = time.Second

// errGivenUp is why output could not be written that was not read.
var errGivenUp = errors.New("chaim: the output is not read")

// outlet is stdout or stderr as chaim itself writes to it. A pipe that is full or a terminal that is stopped blocks a write
// for good, but must keep chaim neither from removing keys nor from ending. So once over has ended, a Write waits for
// readerPatience, and what is written from then on until the file takes something again is lost. An outlet may be used by
// any number of goroutines.
type outlet struct {
	file *os.File
	over context.Context

	turn sync.Mutex // held while the file is written to

	mu      sync.Mutex // guards what follows
	isStuck bool
	lost    error // why a text was not written, the first time
	isHeld  bool
	held    []byte // until release
	isCut   bool   // the beginning of held is lost
}

// newOutlet makes one that never waits longer than readerPatience.
func newOutlet(file *os.File) *outlet {
	over, end := context.WithCancelCause(context.Background())
	end(errGivenUp)
	return &outlet{file: file, over: over}
}

// Fd is the file descriptor.
func (o *outlet) Fd() uintptr { return o.file.Fd() }

// maxHeld is how much text is kept for the end of a program.
const maxHeld = 64 << 10

// hold keeps what is written from a terminal, which another program has, until release.
func (o *outlet) hold() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.isHeld = isTerminal(o)
}

// release writes what hold has kept.
func (o *outlet) release() {
	o.mu.Lock()
	text, isCut := o.held, o.isCut
	o.isHeld, o.held, o.isCut = false, nil, false
	o.mu.Unlock()
	if isCut {
		_, text, _ = bytes.Cut(text, []byte("\n"))
		text = append([]byte("chaim: more was said before, which --log-file keeps\n"), text...)
	}
	if len(text) > 0 {
		_, _ = o.Write(text)
	}
}

// keep keeps text while there is a hold, the last of it if it is too much.
func (o *outlet) keep(text []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.isHeld {
		return false
	}
	o.held = append(o.held, text...)
	if excess := len(o.held) - maxHeld; excess > 0 {
		o.held, o.isCut = slices.Delete(o.held, 0, excess), true
	}
	return true
}

// Write writes text, or returns why over has ended.
func (o *outlet) Write(text []byte) (int, error) {
	n, err := o.tryWrite(text)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.lost = cmp.Or(o.lost, err)
	}
	return n, err
}

// failure is why a text was not written, also one of cobra, which ignores that.
func (o *outlet) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

func (o *outlet) tryWrite(text []byte) (int, error) {
	if o.keep(text) {
		return len(text), nil
	}
	if o.hasGivenUp() {
		return 0, context.Cause(o.over)
	}
	written := make(chan error, 1)
	go o.write(bytes.Clone(text), written)
	select {
	case err := <-written:
		return count(text, err)
	case <-o.over.Done():
	}
	select {
	case err := <-written:
		return count(text, err)
	case <-time.After(readerPatience):
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case err := <-written:
		return count(text, err)
	default:
		o.isStuck = true
		return 0, context.Cause(o.over)
	}
}

func (o *outlet) hasGivenUp() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.isStuck
}

// write ends with the process at the latest.
func (o *outlet) write(text []byte, written chan<- error) {
	o.turn.Lock()
	defer o.turn.Unlock()
	_, err := o.file.Write(text)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.isStuck = false
	written <- err
}

// count is what Write returns for a text that was written, or for an error.
func count(text []byte, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return len(text), nil
}
