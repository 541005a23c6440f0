// Package turn has a lock whose wait ends with a context.
package turn

import (
	"context"
	"slices"
	"sync"
)

// Lock is held by one goroutine at a time. Others wait in the order in which they came. The zero value is free.
//
// It has channels only while goroutines wait. So a global Lock can serve one bubble of testing/synctest after the other,
// which a global channel cannot.
type Lock struct {
	mu    sync.Mutex // guards queue
	queue queue
}

// queue has the goroutines that wait.
type queue struct {
	isTaken bool
	waiting []chan struct{} // each is closed when its turn comes
}

// next gives the lock to the next goroutine.
func (q *queue) next() {
	if len(q.waiting) == 0 {
		q.isTaken = false
		return
	}
	close(q.waiting[0])
	q.waiting = slices.Delete(q.waiting, 0, 1)
}

// leave removes a goroutine that no longer waits. If its turn came at the same moment, the next one has it.
func (q *queue) leave(own chan struct{}) {
	if i := slices.Index(q.waiting, own); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return
	}
	q.next()
}

// Take waits for the lock. The error is the cause of the end of ctx.
func (l *Lock) Take(ctx context.Context) error {
	l.mu.Lock()
	if !l.queue.isTaken {
		l.queue.isTaken = true
		l.mu.Unlock()
		return nil
	}
	own := make(chan struct{})
	l.queue.waiting = append(l.queue.waiting, own)
	l.mu.Unlock()
	select {
	case <-own:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue.leave(own)
	return context.Cause(ctx)
}

// Give ends the turn of the caller.
func (l *Lock) Give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue.next()
}
