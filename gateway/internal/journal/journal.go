// Package journal lets changes that arrive at the same time share a transaction, and so the disk's time for one commit.
package journal

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/store"
)

const (
	maxEvents  = 256  // of a batch
	maxWaiting = 1000 // changes
)

// Database is what a journal writes to, a [store.DB].
type Database interface {
	Append(ctx context.Context, writer string, changes ...store.Change) ([]error, error)
}

// Options says how a journal writes.
type Options struct {
	Writer string // names this process in the log
	// Observe is told of each transaction, in the journal's goroutine: how many events it had, how long it took, and the error
	// of the database. Nil means that nothing is told.
	Observe func(events int, took time.Duration, err error)
}

// Journal appends changes to the log of a database. It may be used by several goroutines at once. One goroutine of its own
// writes; [Journal.Close] ends it.
type Journal struct {
	db      Database
	options Options
	waiting chan *entry
	done    chan struct{} // closed when the goroutine has ended

	mu       sync.RWMutex
	isClosed bool // and nothing is sent to waiting any more
}

// entry is a change that waits.
type entry struct {
	change  store.Change
	claimed atomic.Bool // by the writer, or by a caller who no longer waits
	result  chan error
}

// New starts a journal. The database must outlive it.
func New(db Database, o Options) *Journal {
	j := &Journal{db: db, options: o, waiting: make(chan *entry, maxWaiting), done: make(chan struct{})}
	go j.write()
	return j
}

// Append stores a change and returns when it is durable, or with an error of [store.DB.Append]. If 1,000 changes wait, or the
// journal is closed, the error is [store.ErrBusy] at once. If ctx ends before the change is in a transaction, nothing is
// stored, and the error is that of ctx; after that it is [store.ErrUnknown].
func (j *Journal) Append(ctx context.Context, c store.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := &entry{change: c.Sealed(), result: make(chan error, 1)}
	if err := j.enqueue(e); err != nil {
		return err
	}
	select {
	case err := <-e.result:
		return err
	case <-ctx.Done():
	}
	if e.claimed.CompareAndSwap(false, true) {
		return ctx.Err()
	}
	select {
	case err := <-e.result:
		return err
	default:
		return fmt.Errorf("%w: %w", store.ErrUnknown, ctx.Err())
	}
}

func (j *Journal) enqueue(e *entry) error {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.isClosed {
		return fmt.Errorf("%w: the gateway is stopping", store.ErrBusy)
	}
	select {
	case j.waiting <- e:
		return nil
	default:
		return store.ErrBusy
	}
}

// Close ends the journal after it has stored, or answered, what was accepted. Later changes are refused.
func (j *Journal) Close() error {
	j.mu.Lock()
	if !j.isClosed {
		j.isClosed = true
		close(j.waiting)
	}
	j.mu.Unlock()
	<-j.done
	return nil
}

// write is the goroutine that owns the journal's transactions.
func (j *Journal) write() {
	defer close(j.done)
	for first := range j.waiting {
		j.store(j.gather(first))
	}
}

// gather returns the changes that wait, until they fill a batch. It does not wait for more.
func (j *Journal) gather(first *entry) []*entry {
	var batch []*entry
	events := 0
	add := func(e *entry) {
		if e.claimed.CompareAndSwap(false, true) {
			batch, events = append(batch, e), events+len(e.change.Events)
		}
	}
	for add(first); events < maxEvents; {
		select {
		case e, ok := <-j.waiting:
			if !ok {
				return batch
			}
			add(e)
		default:
			return batch
		}
	}
	return batch
}

// store stores a batch and answers those who wait.
func (j *Journal) store(batch []*entry) {
	if len(batch) == 0 {
		return
	}
	changes, events := make([]store.Change, len(batch)), 0
	for i, e := range batch {
		changes[i], events = e.change, events+len(e.change.Events)
	}
	begun := time.Now()
	results, err := j.db.Append(context.Background(), j.options.Writer, changes...) // the database bounds each transaction
	for i, e := range batch {
		e.result <- results[i]
	}
	if j.options.Observe != nil {
		j.options.Observe(events, time.Since(begun), err)
	}
}
