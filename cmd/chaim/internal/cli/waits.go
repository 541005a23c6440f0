package cli

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chaim-go/chaim"
)

// waitPatience is how long people see nothing before they are told what chaim waits for.
const waitPatience = 3 * time.Second

// Waits knows what a command waits for, and tells people of the first long wait. Any number of goroutines may use it.
type Waits struct {
	patience time.Duration
	tell     func(what string) // nil if no person reads

	telling sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   []*string  // the waits under way, the newest last
	timer  *time.Timer
	isOver bool // no wait is told of any more
}

// NewWaits returns Waits that tell of a wait which takes longer than 3 seconds. A nil tell tells nothing.
func NewWaits(tell func(what string)) *Waits { return &Waits{patience: waitPatience, tell: tell} }

// Again returns Waits that tell of one more wait. Those of a command tell of the first only.
func (w *Waits) Again() *Waits { return &Waits{patience: w.patience, tell: w.tell} }

// Begin notes that a wait begins. end must be called when it is over.
func (w *Waits) Begin(what string) (end func()) {
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

// tellOnce tells of the newest wait, if one is under way.
func (w *Waits) tellOnce() {
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
	w.tell(what) // not under the lock: a stopped terminal must not stop the work
}

// Close ends the telling, such as when a program gets the terminal. It may be called more than once.
func (w *Waits) Close() {
	w.mu.Lock()
	w.isOver = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.telling.Wait()
}

// now is the newest wait.
func (w *Waits) now() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) == 0 {
		return "the files of this machine"
	}
	return *w.open[len(w.open)-1]
}

// Within calls fn with a context that ends after limit. The cause then names the wait.
func (w *Waits) Within(ctx context.Context, limit time.Duration, fn func(context.Context) error) error {
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
