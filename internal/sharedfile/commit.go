package sharedfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/chaim-go/chaim/internal/errtext"
)

const (
	maxRestarts   = 50
	settlePoll    = 2 * time.Millisecond
	quietTime     = 100 * time.Millisecond // a file that was written longer ago has no writer half-way through
	doubtTime     = 500 * time.Millisecond // a file that lost sections has this long to get them back
	maxSettleTime = 5 * time.Second
	idleTime      = 2 * time.Second // a program that keeps the file open this long without writing counts as done
	neighbourTime = time.Second     // a program that wrote more recently may write again
)

// verifyPauses are the waits before the checks that an edit is still in the file: another program may have read the file
// before the edit, and write its old text back after.
var verifyPauses = []time.Duration{2 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond}

// errChanged means that the file has changed since the edit read it.
var errChanged = errors.New("chaim: the file has changed")

// commit makes a batch of edits while the lock is held.
type commit struct {
	target string
	isOwn  bool // see File
	batch  []*edit
	record record
	start  time.Time
}

func (c *commit) run() error {
	if err := recoverInPlace(c.target); err != nil {
		return err
	}
	for range maxRestarts {
		before, err := c.settle()
		if err != nil {
			return err
		}
		done, err := c.attempt(&before)
		before.release()
		if done || err != nil && !errors.Is(err, errChanged) {
			return err
		}
	}
	return c.busyError()
}

func (c *commit) busyError() error {
	return refusal(c.target, "another program is writing to "+c.target+" all the time: try again when it is done", syscall.EBUSY)
}

// attempt makes the new text and puts it in place. If it is not done, and there is no error, it must be called again.
func (c *commit) attempt(before *snapshot) (done bool, err error) {
	text := c.apply(before.text)
	if bytes.Equal(before.text, text) {
		return true, nil
	}
	hasNeighbour := before.info != nil && !c.record.matches(before.info) && c.age(before.info) < neighbourTime
	if err := c.replace(before, text); err != nil {
		return false, err
	}
	return !hasNeighbour || c.holds(), nil
}

// holds reports whether the edits are still in the file after other programs had time to overwrite them.
func (c *commit) holds() bool {
	for _, pause := range verifyPauses {
		<-time.After(pause)
		s, err := c.settle()
		if err != nil {
			return true // the text is in place, and no check says otherwise
		}
		s.release()
		if !bytes.Equal(c.apply(s.text), s.text) {
			return false
		}
	}
	return true
}

// apply makes the edits one after the other. It drops those that fail.
func (c *commit) apply(text []byte) []byte {
	c.keep(func(e *edit) error {
		after, err := e.change(text)
		switch {
		case err != nil:
			return errtext.Wrap(err, "%s", e.file.Path)
		case len(after) > maxFileSize && len(after) > len(text):
			return tooLarge(e.file.Path, maxFileSize)
		}
		text = after
		return nil
	})
	return text
}

// keep drops the edits for which test returns an error. Their callers get that error.
func (c *commit) keep(test func(*edit) error) {
	var kept []*edit
	for _, e := range c.batch {
		if err := test(e); err != nil {
			e.done <- err
		} else {
			kept = append(kept, e)
		}
	}
	c.batch = kept
}

// keepWanted drops the edits whose contexts have ended. So a caller that ends the context of an edit and then gets the lock
// knows that the edit does not come later.
func (c *commit) keepWanted() {
	c.keep(func(e *edit) error {
		if e.ctx.Err() == nil {
			return nil
		}
		return errtext.Wrap(context.Cause(e.ctx), "cannot write %s", c.target)
	})
}

func (c *commit) finish(err error) {
	for _, e := range c.batch {
		e.done <- err
	}
	c.batch = nil
}

// abandon answers the other callers of a batch if one of the edits panics.
func (c *commit) abandon() {
	for _, e := range c.batch {
		select {
		case e.done <- refusal(c.target, "an edit made together with this one did not return", syscall.ECANCELED):
		default: // answered before
		}
	}
}

// settle reads the file once no writer seems half-way through. Programs that rewrite the file in place, such as the AWS CLI,
// empty it first. An edit of the text of that moment would lose the rest.
func (c *commit) settle() (snapshot, error) {
	start := time.Now()
	var last snapshot
	for since := start; ; {
		s, err := holdSnapshot(c.target, c.isOwn)
		if err != nil {
			return s, err
		}
		now := time.Now()
		if !s.equal(last) {
			last, since = snapshot{info: s.info, text: s.text}, now
		}
		if !c.mayBePart(&s, now.Sub(since), now.Sub(start)) {
			return s, nil
		}
		s.release()
		if c.keepWanted(); len(c.batch) == 0 {
			return snapshot{}, nil
		}
		if now.Sub(c.start) > maxSettleTime {
			return snapshot{}, c.busyError()
		}
		<-time.After(settlePoll)
	}
}

// mayBePart reports whether s may be only a part of what another program is writing. s has not changed for as long as quiet;
// waited is how long settle has waited.
func (c *commit) mayBePart(s *snapshot, quiet, waited time.Duration) bool {
	if s.info == nil {
		return c.record.isKnown && waited < doubtTime // perhaps renamed, to be written again
	}
	isOurs := c.record.matches(s.info)
	isBusy := s.busy && knowsWriters(lockPath(c.target))
	// Sections that were there after the last edit are gone.
	hasShrunk := !isOurs && (len(s.text) == 0 || c.record.isKnown && countHeaders(s.text) < c.record.headers)
	isIdle := waited >= doubtTime && (!hasShrunk || quiet >= idleTime && len(s.text) > 0)
	quiet = max(quiet, c.age(s.info))
	switch {
	case isOurs && !isBusy:
		return false
	case isBusy && !isIdle:
		return true
	case hasShrunk && waited < doubtTime && quiet < doubtTime:
		return true
	}
	return s.held == nil && quiet < quietTime
}

// age is how long ago the file was written, by the clock of the file system, which may be that of a server. It is zero if
// that clock is unknown.
func (c *commit) age(info fs.FileInfo) time.Duration {
	if c.record.opened.IsZero() {
		return 0
	}
	return c.record.opened.Sub(info.ModTime()) + time.Since(c.start)
}
