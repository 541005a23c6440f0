package chaim

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// watchInterval is how often a live profile is looked after. A program that wrote back an old copy of the file may take
// it away for that long.
const watchInterval = 500 * time.Millisecond

// written is what may stand in the credentials file and beside it.
type written struct {
	section string
	grant   grant        // the newest there may be
	lease   *flock.Flock // nil without one
	process string       // access key id in the process file
}

// store writes keys into the profile.
func (c *Client) store(ctx context.Context, g grant) error {
	var name string
	hasTried := false
	wasStored := c.stored.Swap(true) // before the lock, for remove to wait for that
	err := c.edit(ctx, func(doc []byte) (_ []byte, err error) {
		if name, err = c.claim(doc); err != nil {
			return nil, err
		}
		hasTried, c.written.section, c.written.grant = true, name, g
		return c.write(doc)
	})
	if err != nil {
		if !hasTried {
			c.stored.Store(wasStored)
		}
		return err
	}
	c.latest.Store(&g)
	c.profile.Store(&name)
	return nil
}

// edit changes the credentials file, and what is written. Once ctx has ended it does neither.
func (c *Client) edit(ctx context.Context, change func([]byte) ([]byte, error)) error {
	return c.file.Edit(ctx, func(doc []byte) ([]byte, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return change(doc)
	})
}

// write makes doc, and what must be there before it, show what is written.
func (c *Client) write(doc []byte) ([]byte, error) {
	w := &c.written
	if c.scope != "" && w.lease == nil {
		var err error
		if w.lease, err = takeLease(c.folder, c.scope); err != nil {
			return nil, err
		}
	}
	process := ""
	if c.opts.Form == Process {
		process = readCommand(c.processPath())
		if id := w.grant.creds.AccessKeyID; w.process != id {
			text, err := w.grant.creds.ProcessJSON()
			if err != nil {
				return nil, err
			}
			if err := sharedfile.WriteFile(c.processPath(), text); err != nil {
				return nil, err
			}
			w.process = id
		}
	}
	return inifile.Set(doc, w.section, sectionPairs(w.grant, &c.opts, c.scope, process))
}

func (c *Client) processPath() string { return filepath.Join(c.folder, c.scope+processExtension) }

// watch writes the profile again when another program has overwritten it.
func (c *Client) watch(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var seen fs.FileInfo
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		info, err := os.Stat(c.file.Path)
		isSame := err == nil && seen != nil && os.SameFile(info, seen) && info.ModTime().Equal(seen.ModTime()) && info.Size() == seen.Size()
		if isSame && c.hasLease() {
			continue
		}
		if err := c.restore(ctx); err != nil {
			if ctx.Err() == nil {
				c.opts.Logger.Warn("chaim: cannot look after profile", "profile", c.Profile(), "error", err)
			}
			continue
		}
		seen = info
	}
}

// hasLease reports whether the lease is where others look for it.
func (c *Client) hasLease() bool {
	_, err := os.Stat(filepath.Join(c.folder, c.scope+leaseExtension))
	return !errors.Is(err, fs.ErrNotExist)
}

func (c *Client) restore(ctx context.Context) error {
	doc, err := c.file.Read()
	if err != nil {
		return err
	}
	if _, exists, err := inifile.ReadManaged(doc, c.Profile()); err != nil || exists && c.hasLease() {
		return err
	}
	return c.edit(ctx, func(doc []byte) ([]byte, error) {
		w := &c.written
		pairs, exists, err := inifile.ReadManaged(doc, w.section)
		switch {
		case err != nil || w.grant.creds.Expired(0) || exists && (c.hasLease() || !c.owns(pairs)):
			return doc, err
		case !c.hasLease() && w.lease != nil:
			_ = w.lease.Close() // of no use any more
			w.lease, w.process = nil, ""
		}
		c.opts.Logger.Warn("chaim: profile was overwritten and is written again", "profile", w.section, "path", c.file.Path)
		return c.write(doc)
	})
}

// startWatching has a scope's profile looked after. The caller has the turn.
func (c *Client) startWatching() {
	if c.scope == "" || c.watcher != nil {
		return
	}
	ctx, cancel := context.WithCancel(c.life)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.watch(ctx)
	}()
	c.watcher = func() { cancel(); <-done }
}

// stopRenewing waits until nothing writes the profile any more. The caller has the turn.
func (c *Client) stopRenewing() {
	if c.watcher != nil {
		c.watcher()
		c.watcher = nil
	}
	if m := c.monitor.Swap(nil); m != nil {
		_ = m.Close() // always nil
	}
}

// remove takes the profile out of the file, if it is still the one this client wrote, and then what is beside it. The
// caller has the turn and has stopped the renewals.
func (c *Client) remove(ctx context.Context) (isOurs bool, err error) {
	if !c.stored.Load() {
		return true, nil
	}
	err = c.edit(ctx, func(doc []byte) ([]byte, error) {
		section := c.written.section
		if section == "" {
			isOurs = true
			return doc, nil // it did not get there
		}
		pairs, exists, err := inifile.ReadManaged(doc, section)
		isOurs = !exists || c.owns(pairs)
		if err != nil || !exists {
			return doc, err
		}
		if !isOurs {
			c.opts.Logger.Warn("chaim: profile was changed by somebody else and stays", "profile", section, "path", c.file.Path)
			return doc, nil
		}
		return inifile.Delete(doc, section)
	})
	// Also after an error: a sweep may then remove the profile.
	err = errors.Join(err, c.dropLease())
	if err != nil {
		return isOurs, errtext.Wrap(err, "removing profile %q", c.Profile())
	}
	c.stored.Store(false)
	c.latest.Store(nil)
	return isOurs, nil
}

func (c *Client) dropLease() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	if c.opts.Form == Process {
		errs = append(errs, removeIfThere(c.processPath()))
		c.written.process = ""
	}
	if c.written.lease != nil {
		errs = append(errs, c.written.lease.Close(), removeIfThere(c.written.lease.Path()))
		c.written.lease = nil
	}
	return errors.Join(errs...)
}
