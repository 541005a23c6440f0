package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

const (
	// patience bounds the work on one transaction. A commit that has begun by then may still be stored.
	patience = 2 * time.Second
	// firstAuth is the authorization counter before the first batch. It is not zero, because a zero IfAuth means any counter.
	firstAuth = 1
)

// session is a transaction that holds the lock of the log. It belongs to one goroutine.
type session interface {
	// begin starts the transaction and takes the lock. It returns the last batch, and the batch number seen if there is one.
	// To save a round trip it may also run the first effects, as run does: then the counts are not nil.
	begin(ctx context.Context, seen int64, first []Effect) (ends []end, counts []int64, err error)
	// run runs the effects and returns how many rows each of them changed. A *rejected error is the fault of an effect.
	run(ctx context.Context, effects []Effect) ([]int64, error)
	// commit stores a batch and commits. An error that wraps ErrUnknown leaves it open whether the transaction is stored.
	commit(ctx context.Context, b audit.Batch, events []audit.Entry) error
	// end rolls back what is not committed and gives the connection back.
	end()
}

// end is what a transaction must know of a batch.
type end struct {
	head audit.Head
	auth int64
}

// rejected is the error of an effect that the database refuses for what it holds, and would refuse again.
type rejected struct {
	isConflict bool // a constraint
	cause      error
}

func (r *rejected) Error() string { return r.cause.Error() }

func (r *rejected) Unwrap() []error {
	if r.isConflict {
		return []error{ErrConflict, r.cause}
	}
	return []error{r.cause}
}

// memory is the newest batch that this process has seen. The log must always hold it.
type memory struct {
	mu       sync.Mutex
	last     end
	isForked bool
}

// seen returns the batch that the log must hold.
func (m *memory) seen() (end, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isForked {
		return end{}, ErrForked
	}
	return m.last, nil
}

// check looks for a batch, that was seen before, among what was read of the log.
func (m *memory) check(seen audit.Head, ends []end) error {
	if seen.Seq == 0 || slices.ContainsFunc(ends, func(e end) bool { return e.head == seen }) {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.isForked = true
	return fmt.Errorf("%w: batch %d is missing or changed; stop this process and run chaim-gateway audit verify", ErrForked, seen.Seq)
}

// keep remembers a batch, unless a later one is remembered.
func (m *memory) keep(e end) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.head.Seq > m.last.head.Seq || m.last.auth == 0 {
		m.last = e
	}
}

// goesAlone reports whether a change needs a transaction of its own. That of a change with several effects can be rolled back
// as a whole, so that nothing stays of a change that is refused halfway. With at most one effect nothing has happened then.
func (c Change) goesAlone() bool {
	return c.Raises || len(c.Effects) > 1 || len(c.Effects) == 1 && c.Effects[0].also != nil
}

// Append stores changes in order and returns one error for each. It returns when they are durable. Changes that raise the
// counter or have several effects go into transactions of their own, the others share one. The errors wrap [ErrStale],
// [ErrConflict], [ErrUnknown] or [ErrForked]; any other error says that the change was not stored. The second result is the
// first error that is the database's and not that of a change. A transaction takes at most two seconds.
func (db *DB) Append(ctx context.Context, writer string, changes ...Change) ([]error, error) {
	results := make([]error, 0, len(changes))
	var failure error
	for len(changes) > 0 {
		n := 1
		for !changes[0].goesAlone() && n < len(changes) && !changes[n].goesAlone() {
			n++
		}
		part, err := db.together(ctx, writer, changes[:n])
		results, changes = append(results, part...), changes[n:]
		if failure == nil {
			failure = err
		}
	}
	return results, failure
}

// together stores changes in one transaction. If the database rejects one of them, each gets a transaction of its own.
func (db *DB) together(ctx context.Context, writer string, changes []Change) ([]error, error) {
	t := newTransaction(writer, changes)
	err := db.commit(ctx, t)
	if errors.Is(err, errGuess) {
		t.mayGuess = false
		err = db.commit(ctx, t)
	}
	var fault *rejected
	switch {
	case err == nil:
		return t.results, nil
	case errors.As(err, &fault) && len(changes) == 1:
		return []error{err}, nil
	case errors.As(err, &fault):
		var failure error
		for i, c := range changes {
			part, err := db.together(ctx, writer, []Change{c})
			t.results[i] = part[0]
			if failure == nil {
				failure = err
			}
		}
		return t.results, failure
	}
	for i := range t.results {
		t.results[i] = err
	}
	return t.results, err
}

// Sealed returns the change with its events in the form in which they are stored and hashed. Append does that for changes
// that are not sealed; a caller who does it first keeps that work out of the time for which others wait. The events must not
// be changed after that.
func (c Change) Sealed() Change {
	if c.entries == nil {
		for _, e := range c.Events {
			c.entries = append(c.entries, audit.Seal(e))
		}
	}
	return c
}

// transaction is the work of one transaction.
type transaction struct {
	writer   string
	changes  []Change
	mayGuess bool    // that the counter is still the one that was seen last
	results  []error // of each change
}

// newTransaction does all that can be done before the lock is taken.
func newTransaction(writer string, changes []Change) *transaction {
	t := &transaction{writer: writer, changes: make([]Change, len(changes)), mayGuess: true, results: make([]error, len(changes))}
	for i, c := range changes {
		t.changes[i] = c.Sealed()
	}
	return t
}

// errGuess says that effects were run by a guess of the counter, and that it was wrong.
var errGuess = errors.New("the authorization counter was guessed wrongly")

// commit runs a transaction in a session of its own.
func (db *DB) commit(ctx context.Context, t *transaction) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := db.engine.session(ctx)
	if err != nil {
		return fmt.Errorf("write to the database: %w", err)
	}
	defer s.end()
	last, err := db.run(ctx, s, t)
	if err != nil {
		return err
	}
	events, auth := t.accepted(last.auth)
	if len(events) == 0 {
		return nil
	}
	header := audit.Header{At: time.Now(), Auth: auth, Writer: text(t.writer)}
	batch := last.head.Seal(header, events)
	if err := s.commit(ctx, batch, events); err != nil {
		return fmt.Errorf("write to the audit log: %w", err)
	}
	db.memory.keep(end{audit.Head{Seq: batch.Seq, Hash: audit.Hash(batch.Hash)}, auth})
	return nil
}

// run begins a transaction and runs its effects. It returns the end of the log before it.
func (db *DB) run(ctx context.Context, s session, t *transaction) (end, error) {
	var guess int64
	var effects []placed
	var counts []int64
	var rejection error
	last, err := db.lastOf(func(seen end) (ends []end, err error) {
		if guess = seen.auth; t.mayGuess {
			effects = t.effects(guess)
		}
		ends, counts, err = s.begin(ctx, seen.head.Seq, bare(effects))
		var fault *rejected
		if errors.As(err, &fault) { // the guess must have been right for this to count
			rejection, err = err, nil
		}
		return ends, err
	})
	hasRun := counts != nil || rejection != nil
	switch {
	case err != nil:
		return end{}, err
	case hasRun && last.auth != guess:
		return end{}, errGuess
	case rejection != nil:
		return end{}, fmt.Errorf("change rows: %w", rejection)
	}
	if !hasRun {
		if effects = t.effects(last.auth); len(effects) > 0 {
			if counts, err = s.run(ctx, bare(effects)); err != nil {
				return end{}, fmt.Errorf("change rows: %w", err)
			}
		}
	}
	return last, t.judge(effects, counts)
}

// lastOf reads the end of the log and compares it with the memory.
func (db *DB) lastOf(read func(seen end) ([]end, error)) (end, error) {
	seen, err := db.memory.seen()
	if err != nil {
		return end{}, err
	}
	ends, err := read(seen)
	if err != nil {
		return end{}, fmt.Errorf("read the end of the audit log: %w", err)
	}
	if err := db.memory.check(seen.head, ends); err != nil {
		return end{}, err
	}
	last := end{audit.Genesis(db.id), firstAuth}
	if len(ends) > 0 {
		last = ends[0]
	}
	db.memory.keep(last)
	return last, nil
}

// placed is an effect with the number of its change.
type placed struct {
	Effect
	change int
}

func bare(effects []placed) (all []Effect) {
	for _, e := range effects {
		all = append(all, e.Effect)
	}
	return all
}

// effects refuses the changes that have no event or were decided by another counter, and returns the effects of
// the rest.
func (t *transaction) effects(auth int64) (effects []placed) {
	for i, c := range t.changes {
		t.results[i] = nil
		switch {
		case len(c.Events) == 0:
			t.results[i] = errors.New("a change without an event is never stored")
		case c.IfAuth != 0 && c.IfAuth != auth:
			t.results[i] = ErrStale
		default:
			for _, first := range c.Effects {
				for e := &first; e != nil; e = e.also {
					effects = append(effects, placed{*e, i})
				}
			}
		}
	}
	return effects
}

// judge refuses the changes whose effects did not find the rows that they expect.
func (t *transaction) judge(effects []placed, counts []int64) error {
	for i, n := range counts {
		e := effects[i]
		switch {
		case e.rows == anyRows || n == e.rows:
		case n == 0 && !t.changes[e.change].goesAlone():
			t.results[e.change] = ErrConflict
		default: // something was changed: the whole transaction must go
			return &rejected{true, fmt.Errorf("%w: %d changed instead of %d", ErrConflict, n, e.rows)}
		}
	}
	return nil
}

// accepted returns the events of the changes that are not refused, and the counter after them.
func (t *transaction) accepted(auth int64) ([]audit.Entry, int64) {
	var events []audit.Entry
	for i, c := range t.changes {
		if t.results[i] != nil {
			continue
		}
		events = append(events, c.entries...)
		if c.Raises {
			auth++
		}
	}
	return events, auth
}
