package sharedfile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
)

// edit is one call of Edit or TryEdit.
type edit struct {
	file   File
	ctx    context.Context
	change func([]byte) ([]byte, error)
	isTry  bool // does not wait for the lock
	start  time.Time
	lead   chan struct{} // gets a token when this edit's caller is to commit all that wait
	done   chan error    // gets the outcome
}

// queue holds the edits of one file that wait in this process. One of the callers leads: it takes the lock, commits all
// edits that wait by then, and hands the lead to a caller that came later.
type queue struct {
	queueKey
	waiting  []*edit
	advanced time.Time // when this process or another one last got the lock
}

type queueKey struct {
	target         string
	isOwn, isApart bool // see File
}

// queues are the queues that have a leader. The mutex also guards their fields.
var queues = struct {
	sync.Mutex
	of map[queueKey]*queue
}{of: map[queueKey]*queue{}}

// join adds e to its queue. The first edit of a queue gets the lead.
func join(key queueKey, e *edit) *queue {
	queues.Lock()
	defer queues.Unlock()
	q := queues.of[key]
	if q == nil {
		q = &queue{queueKey: key}
		queues.of[key] = q
		e.lead <- struct{}{}
	}
	q.waiting = append(q.waiting, e)
	return q
}

// wait returns the outcome of e. Before the commit of e begins, wait also returns when the context of e ends, or when no
// process has got the lock for lockTimeout.
func (q *queue) wait(e *edit) error {
	if e.isTry {
		return q.try(e)
	}
	for {
		select {
		case err := <-e.done:
			return err
		case <-e.lead:
			q.commit(e)
			return <-e.done
		case <-e.ctx.Done():
			if q.leave(e) {
				return errtext.Wrap(context.Cause(e.ctx), "waiting for %s", lockPath(q.target))
			}
			return <-e.done
		case <-time.After(q.patience(e)):
			if q.patience(e) > 0 {
				continue
			}
			if q.leave(e) {
				return lockedError(q.target)
			}
			return <-e.done
		}
	}
}

// try returns the outcome of e, or ErrHeld if another process or another edit comes first.
func (q *queue) try(e *edit) error {
	select {
	case <-e.lead:
		q.commit(e)
	default:
		if q.leave(e) {
			return fmt.Errorf("%w: %s", ErrHeld, lockPath(q.target))
		}
	}
	return <-e.done
}

// advance notes that another process has got the lock.
func (q *queue) advance() {
	queues.Lock()
	defer queues.Unlock()
	q.advanced = time.Now()
}

// patience is how long e still waits for the lock.
func (q *queue) patience(e *edit) time.Duration {
	if e.isTry {
		return 0
	}
	queues.Lock()
	defer queues.Unlock()
	if q.advanced.After(e.start) {
		return lockTimeout - time.Since(q.advanced)
	}
	return lockTimeout - time.Since(e.start)
}

// leave takes e out of the queue and reports whether it did. It does not once the commit of e has begun.
func (q *queue) leave(e *edit) bool {
	queues.Lock()
	i := slices.Index(q.waiting, e)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	queues.Unlock()
	select {
	case <-e.lead:
		q.passLead()
	default:
	}
	return i >= 0
}

// passLead hands the lead to the next edit. A queue without one is removed.
func (q *queue) passLead() {
	queues.Lock()
	defer queues.Unlock()
	if len(q.waiting) == 0 {
		delete(queues.of, q.queueKey)
		return
	}
	q.waiting[0].lead <- struct{}{}
}

// commit takes the lock and makes the edits that wait by then, leader among them.
func (q *queue) commit(leader *edit) {
	defer q.passLead()
	l, err := lock(leader.ctx, q.target, q.patience(leader), q.advance)
	if leader.isTry && errors.Is(err, ErrLocked) {
		err = fmt.Errorf("%w: %s", ErrHeld, lockPath(q.target))
	}
	if err != nil {
		q.leave(leader)
		leader.done <- err
		return
	}
	defer l.Close()
	queues.Lock()
	batch := q.waiting
	q.waiting, q.advanced = nil, time.Now()
	queues.Unlock()
	c := commit{target: q.target, isOwn: q.isOwn, batch: batch, record: openRecord(l), start: time.Now()}
	defer c.abandon()
	c.finish(c.run())
}
