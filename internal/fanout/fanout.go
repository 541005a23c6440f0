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
	StopOnError bool                                     // the first failure ends the context of all
	Work        func(ctx context.Context, t *Turn) error // works on one item; ctx ends with that of Run, and where all are ended
	Done        func(i int, o Outcome)                   // tells of an item that is done; one call at a time, which may block
	Panicked    func(i int)                              // called where the work panics, while the stack can be had
}

// Turn is the work on one item.
type Turn struct {
	Index int

	close   func() error
	outcome Outcome
}

// Begin says that the work proper begins: what fails from here on, fails in it.
func (t *Turn) Begin() { t.outcome.Began = true }

// Closes has Run call what cleans up, when Work ends or panics. If that fails it is called again after all others have been
// cleaned up: what was missing, such as files that can be opened, may be there then.
func (t *Turn) Closes(what func() error) { t.close = what }

// Outcome is what came of an item.
type Outcome struct {
	Began    bool
	Err      error // why there is no result
	CloseErr error // why it could not be cleaned up
}

// Run works on n items, and returns when all are done and cleaned up. Items whose turn has not come when ctx ends are left out,
// with its cause as their error. A panic of the work ends the context of all others, and is returned.
func Run(ctx context.Context, n int, cfg Config) (outcomes []Outcome, panicked any) {
	r := &run{Config: cfg, outcomes: make([]Outcome, n)}
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	var all, open sync.WaitGroup // items that are not done, and those that are still to be cleaned up for the first time
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

	closing  sync.Mutex // guards what follows, as nothing that is to be cleaned up waits for Done
	unclosed []*Turn
}

var errStopped = errors.New("chaim: another account failed")

// leaveOut tells of the items from first on, which are not begun.
func (r *run) leaveOut(first int, why error) {
	for i := first; i < len(r.outcomes); i++ {
		func() {
			defer r.catch(i)
			r.done(i, Outcome{Err: why})
		}()
	}
}

// work has one item worked on. It calls closed when that is cleaned up, or could not be.
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
		outcome := t.outcome // before it is cleaned up again
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
	err = errors.New("chaim: closing the client did not return") // unless it does
	return t.close()
}

// closeAgain cleans up where that failed. The others are cleaned up.
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

// tellOfClosed takes in what came of the items that were cleaned up again. All others are done, and so are those of them that
// had failed anyhow.
func (r *run) tellOfClosed() {
	for _, t := range r.unclosed {
		if t.outcome.Err == nil {
			r.done(t.Index, t.outcome)
		}
		r.outcomes[t.Index] = t.outcome
	}
}

// catch keeps a panic for the caller of Run, and ends the others.
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

// done takes in what came of an item.
func (r *run) done(i int, o Outcome) {
	if o.Err != nil && r.StopOnError {
		r.stop(errStopped)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[i] = o
	r.Done(i, o)
}
