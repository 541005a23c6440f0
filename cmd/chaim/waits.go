package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chaim-go/chaim"
)

// waitPatience is how long people are left without a word.
const waitPatience = 3 * time.Second

// waits knows what a command waits for, and tells people of the first wait that takes longer than patience. Its methods may
// be called by any number of goroutines.
type waits struct {
	patience time.Duration
	tell     func(what string) // nil where people do not read

	telling sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   []*string  // what is waited for, the newest last
	timer  *time.Timer
	isOver bool // there is nothing more to tell
}

// begin notes that a wait begins. end must be called when it is over.
func (w *waits) begin(what string) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := &what
	if w.open = append(w.open, one); len(w.open) == 1 && w.tell != nil && !w.isOver {
		w.timer = time.AfterFunc(w.patience, w.tellOnce)
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open = slices.DeleteFunc(w.open, func(other *string) bool { return other == one })
		if len(w.open) == 0 && w.timer != nil {
			w.timer.Stop()
		}
	}
}

// tellOnce says what is waited for, unless that has just come.
func (w *waits) tellOnce() {
	w.mu.Lock()
	if w.isOver || len(w.open) == 0 {
		w.mu.Unlock()
		return
	}
	w.isOver = true
	what := *w.open[len(w.open)-1]
	w.telling.Add(1)
	w.mu.Unlock()
	defer w.telling.Done()
	w.tell(what) // not under the lock, as a terminal may be stopped and the work must go on
}

// close ends the telling, as where a program gets the terminal. It may be called more than once.
func (w *waits) close() {
	w.mu.Lock()
	w.isOver = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.telling.Wait()
}

// now is what is waited for.
func (w *waits) now() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) == 0 {
		return "the files of this machine"
	}
	return *w.open[len(w.open)-1]
}

// within runs fn in a context that ends after limit. Its cause then says what was waited for.
func (w *waits) within(ctx context.Context, limit time.Duration, fn func(context.Context) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	ended := make(chan struct{})
	timer := time.AfterFunc(limit, func() {
		defer close(ended)
		end(fmt.Errorf("%w: gave up after %s of waiting for %s", chaim.ErrUnreachable, limit, w.now()))
	})
	defer func() {
		if !timer.Stop() {
			<-ended
		}
	}()
	return fn(ctx)
}
