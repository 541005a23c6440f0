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
	mu      sync.Mutex // guards what follows
	isTaken bool
	waiting []chan struct{} // each is closed when its turn comes
}

// Take waits for the lock. The error is the cause of the end of ctx.
func (l *Lock) Take(ctx context.Context) error {
	l.mu.Lock()
	if !l.isTaken {
		l.isTaken = true
		l.mu.Unlock()
		return nil
	}
	own := make(chan struct{})
	l.waiting = append(l.waiting, own)
	l.mu.Unlock()
	select {
	case <-own:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, own); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	} else { // the turn came at the same moment
		l.pass()
	}
	return context.Cause(ctx)
}

// Give ends the turn of the caller.
func (l *Lock) Give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pass()
}

// pass gives the lock to the next goroutine. The caller holds mu.
func (l *Lock) pass() {
	if len(l.waiting) == 0 {
		l.isTaken = false
		return
	}
	close(l.waiting[0])
	l.waiting = slices.Delete(l.waiting, 0, 1)
}
