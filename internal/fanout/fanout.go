// Package fanout works on many items, several at a time, and cleans up after each.
package fanout

import (
	"context"
	"errors"
	"sync"

	"github.com/chaim-go/chaim/internal/errtext"
)

// Config says how the items are worked on. All functions must be given.
type Config struct {
	Parallel    int                                      // items at a time
	StopOnError bool                                     // the first failure ends the context of all items
	Work        func(ctx context.Context, t *Turn) error // works on one item; ctx ends when Run is to stop
	Done        func(i int, o Outcome)                   // called when an item is done; one call at a time, which may block
	Panicked    func(i int)                              // called when the work panics, while its stack is there
}

// Turn is the work on one item.
type Turn struct {
	Index int

	close   func() error
	outcome Outcome
}

// Begin says that the work itself begins. A failure before that is one of its preparation.
func (t *Turn) Begin() { t.outcome.Began = true }

// Closes makes Run call what, which cleans up, when Work ends or panics. If what fails, it is called again after all other
// items are cleaned up: by then the process may open files again, for instance.
func (t *Turn) Closes(what func() error) { t.close = what }

// Outcome is the outcome of an item.
type Outcome struct {
	Began    bool
	Err      error // why there is no result
	CloseErr error // why it could not be cleaned up
}

// Run works on n items, and returns when all are done and cleaned up. If ctx ends, the items that have not begun are left
// out, with the cause of ctx as their error. A panic of the work ends the context of all items, and is returned.
func Run(ctx context.Context, n int, cfg Config) (outcomes []Outcome, panicked any) {
	r := &run{Config: cfg, outcomes: make([]Outcome, n)}
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	var all, open sync.WaitGroup // items that are not done; items whose first cleanup is not over
	slots := make(chan struct{}, cfg.Parallel)
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			all.Go(func() { r.leaveOut(i, errtext.Wrap(context.Cause(ctx), "not begun")) })
			break
		}
		open.Add(1)
		all.Go(func() {
			defer func() { <-slots }()
			r.work(ctx, &Turn{Index: i}, open.Done)
		})
	}
	open.Wait()
	r.closeAgain()
	all.Wait()
	r.tellOfClosed()
	return r.outcomes, r.panicked
}

type run struct {
	Config
	stop context.CancelCauseFunc

	mu       sync.Mutex // guards what follows, and is held during calls of Done
	outcomes []Outcome
	panicked any

	closing  sync.Mutex // guards what follows; apart from mu, because no cleanup may wait for Done
	unclosed []*Turn
}

var errStopped = errors.New("chaim: another account failed")

// leaveOut reports the items from first on, which have not begun.
func (r *run) leaveOut(first int, why error) {
	for i := first; i < len(r.outcomes); i++ {
		func() {
			defer r.catch(i)
			r.done(i, Outcome{Err: why})
		}()
	}
}

// work does the work on one item. It calls closed when the item is cleaned up, or could not be.
func (r *run) work(ctx context.Context, t *Turn, closed func()) {
	defer r.catch(t.Index)
	t.outcome.Err = errors.New("chaim: fn did not return")
	defer func() {
		isClosed := r.close(t) == nil
		if !isClosed {
			r.closing.Lock()
			r.unclosed = append(r.unclosed, t)
			r.closing.Unlock()
		}
		outcome := t.outcome // closeAgain may change that after closed
		closed()
		if isClosed || outcome.Err != nil {
			r.done(t.Index, outcome)
		}
	}()
	t.outcome.Err = r.Work(ctx, t)
}

// close cleans up after an item.
func (r *run) close(t *Turn) (err error) {
	if t.close == nil {
		return nil
	}
	defer r.catch(t.Index)
	err = errors.New("chaim: closing the client did not return") // replaced if it does
	return t.close()
}

// closeAgain cleans up the items whose first cleanup failed. All others are cleaned up.
func (r *run) closeAgain() {
	var wg sync.WaitGroup
	slots := make(chan struct{}, r.Parallel)
	for _, t := range r.unclosed {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			t.outcome.CloseErr = r.close(t)
		})
	}
	wg.Wait()
}

// tellOfClosed takes in the outcomes of the items that were cleaned up again. It reports those whose work succeeded: the
// others were reported when it failed.
func (r *run) tellOfClosed() {
	for _, t := range r.unclosed {
		if t.outcome.Err == nil {
			r.done(t.Index, t.outcome)
		}
		r.outcomes[t.Index] = t.outcome
	}
}

// catch keeps a panic for the caller of Run, and ends the other items.
func (r *run) catch(i int) {
	if value := recover(); value != nil {
		r.stop(errStopped)
		r.Panicked(i)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.panicked == nil {
			r.panicked = value
		}
	}
}

// done takes in and reports the outcome of an item.
func (r *run) done(i int, o Outcome) {
	if o.Err != nil && r.StopOnError {
		r.stop(errStopped)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[i] = o
	r.Done(i, o)
}
