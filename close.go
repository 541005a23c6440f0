package chaim

import (
	"context"
	"errors"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Close stops renewing, cancels what is under way, and removes the profile unless [Options].Keep is set. Only then it waits
// for what still runs: for the Logger, and for a second for a Source that does not heed its context. After an error, such as
// [ErrLocked], the profile may still be there, on
// a full disk with keys that have been made useless: Close may be called again, and tries again. Once it has succeeded it
// does nothing more.
func (c *Client) Close() error {
	if c == nil || c.opts == nil {
		return errZeroClient
	}
	s := c.stop()
	defer s.wait()
	if c.opts.Keep {
		return s.drop(true) // there is nothing beside the profile
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	hasWritten, path := c.hasWritten(), c.own().Path
	isOurs, err := s.remove(ctx)
	switch {
	case err != nil:
	case isOurs && hasWritten:
		c.opts.Logger.Info("chaim: profile removed", "profile", c.Profile())
	case !isOurs:
		c.opts.Logger.Warn("chaim: profile was changed by another program and stays", "profile", c.Profile(), "path", path)
	}
	return err
}

var errZeroClient = errors.New("chaim: this Client is a zero value: make one with chaim.New")

// checkOpen returns why the client can do nothing: it was closed, or not made by New.
func (c *Client) checkOpen() error {
	switch {
	case c == nil || c.opts == nil:
		return errZeroClient
	case c.life.Err() != nil:
		return ErrClosed
	}
	return nil
}

// bound ends ctx with the client.
func (c *Client) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if c == nil || c.opts == nil {
		cancel(errZeroClient)
		return ctx, func() {}
	}
	stop := context.AfterFunc(c.life, func() { cancel(ErrClosed) })
	if c.life.Err() != nil {
		cancel(ErrClosed) // AfterFunc would, but only in a while
	}
	return ctx, func() { stop(); cancel(nil) }
}

// stopped is a client whose monitor and watcher may still run, but cannot write the profile any more: put refuses it. So the
// profile is removed first, by this alone, and wait comes last, as a Logger or a Source may block for ever.
type stopped struct{ *Client }

// stop ends the client, without waiting. It may be called again.
func (c *Client) stop() stopped {
	c.mu.Lock()
	c.end(ErrClosed)
	c.unstored = nil
	c.mu.Unlock()
	if m := c.monitor.Load(); m != nil {
		m.keeper.Stop()
	}
	return stopped{c}
}

// wait returns when the client's goroutines have ended.
func (s stopped) wait() {
	if s.ownsGateway {
		s.gateway.close()
	}
	if m := s.monitor.Load(); m != nil {
		_ = m.Close() // always nil
	}
	s.mu.Lock()
	watched := s.watched
	s.mu.Unlock()
	if watched != nil {
		<-watched
	}
}

// remove takes the profile out of the file, if it is still the one this client wrote, and then what is beside it.
func (s stopped) remove(ctx context.Context) (isOurs bool, err error) {
	c := s.Client
	if !c.hasWritten() {
		return true, nil
	}
	remove := func(doc []byte) ([]byte, error) {
		if c.written.section == "" { // removed by another call meanwhile
			isOurs = true
			return doc, nil
		}
		pairs, exists, err := inifile.ReadManaged(doc, c.written.section)
		isOurs = !exists || c.owns(pairs)
		if err != nil || !isOurs {
			return doc, err
		}
		return inifile.Delete(doc, c.written.section)
	}
	err = c.erase(ctx, c.own(), remove, remove)
	if err = errors.Join(err, s.drop(err == nil)); err != nil {
		return isOurs, errtext.Wrap(err, "removing profile %q", c.Profile())
	}
	return isOurs, nil
}

// drop ends the lease and removes what is beside the credentials file. While the profile is still there the lease stays
// too, without its lock, so that a sweep removes first the one and then the other.
func (s stopped) drop(isRemoved bool) error {
	c := s.Client
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest.Store(nil)
	w := c.written
	var err error
	if w.process != nil {
		err = sharedfile.Remove(w.scopes.Path(w.scope, lease.ProcessExtension))
	}
	if w.lease != nil {
		err = errors.Join(err, w.lease.Close())
		w.lease = nil
	}
	if w.scope != "" && isRemoved {
		err = errors.Join(err, sharedfile.Remove(w.scopes.Path(w.scope, lease.Extension)))
	}
	if isRemoved && err == nil {
		*w = written{}
	}
	return err
}

// hasWritten reports whether something of this client may stand in the file.
func (c *Client) hasWritten() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written.section != ""
}
