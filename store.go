package chaim

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"time"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// watchInterval is how often a live profile is looked after. A program that wrote back an old copy of the file may take
// it away for that long.
const watchInterval = 500 * time.Millisecond

// maxProcessSize is that of a process file, which holds keys and an expiry.
const maxProcessSize = 1 << 20

// written is what may stand in the credentials file and beside it.
type written struct {
	section string           // empty for nothing
	file    sharedfile.File  // that it is in: where the links led at the first write, even if they lead elsewhere since
	scopes  lease.Files      // beside that
	grant   grant            // the newest there may be
	scope   string           // id; empty without a lease so far
	mark    string           // of the scope in the section
	lease   *sharedfile.Side // nil without one
	note    lease.Note       // that is in the lease
	process []byte           // text of the process file; empty if that is not known, nil without one
}

// store writes keys into the profile.
func (c *Client) store(ctx context.Context, g grant) error {
	var name string
	if !c.opts.NoProfile {
		err := c.put(ctx, func(doc []byte) (_ []byte, err error) {
			if name, err = c.claim(doc, &g); err != nil {
				return nil, err
			}
			c.written.section, c.written.grant = name, g
			return c.write(doc)
		})
		if err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return ErrClosed // what was written is removed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.latest.Store(&g)
	c.profile.Store(&name)
	c.unstored = nil
	c.startWatching()
	return nil
}

// processFile is the text of the scope's process file. The caller has c.mu.
func (c *Client) processFile() []byte {
	text, _ := sharedfile.ReadSide(c.written.scopes.Path(c.written.scope, lease.ProcessExtension), maxProcessSize)
	return text // what cannot be read is as if it were empty
}

// edit changes the credentials file, and what is written. Once ctx has ended it does neither. change must not call what
// belongs to the program, such as its logger, as other edits wait for it.
func (c *Client) edit(ctx context.Context, change func([]byte) ([]byte, error)) error {
	file, scopes, err := pin(c.file)
	if err != nil {
		return err
	}
	return file.Edit(ctx, c.guarded(ctx, scopes, change))
}

// put is edit for the client's own profile. It writes nothing any more once the client has ended.
func (c *Client) put(ctx context.Context, change func([]byte) ([]byte, error)) error {
	file, scopes, err := pin(c.own())
	if err != nil {
		return err
	}
	return file.Edit(ctx, c.guarded(ctx, scopes, func(doc []byte) ([]byte, error) {
		if c.life.Err() != nil {
			return nil, ErrClosed
		}
		if c.written.section == "" {
			c.written.file, c.written.scopes = file, scopes
		}
		return change(doc)
	}))
}

// erase is edit of a file for a change that takes keys away. On a full disk those that remove takes away are overwritten.
func (c *Client) erase(ctx context.Context, file sharedfile.File, change, remove func([]byte) ([]byte, error)) error {
	file, scopes, err := pin(file)
	if err != nil {
		return err
	}
	return file.Erase(ctx, c.guarded(ctx, scopes, change), c.guarded(ctx, scopes, inifile.Blank(remove)))
}

// pin returns the file that the links of a credentials file lead to now, and the scopes beside it.
func pin(file sharedfile.File) (sharedfile.File, lease.Files, error) {
	file, err := file.Pinned()
	if err != nil {
		return file, lease.Files{}, err
	}
	scopes, err := lease.Beside(file.Path)
	return file, scopes, err
}

// own is the file that the client's own profile is in or, until that is written, is to be in.
func (c *Client) own() sharedfile.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.written.section != "" {
		return c.written.file
	}
	return c.file
}

func (c *Client) guarded(ctx context.Context, scopes lease.Files, change func([]byte) ([]byte, error)) func([]byte) ([]byte, error) {
	return func(doc []byte) ([]byte, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c.scopes = scopes
		return change(doc)
	}
}

// write makes doc, and what must be there before it, show what is written.
func (c *Client) write(doc []byte) ([]byte, error) {
	w := c.written
	if !c.opts.Keep && w.lease == nil {
		id := cmp.Or(w.scope, rand.Text())
		l, err := w.scopes.Take(id)
		if err != nil {
			return nil, err
		}
		w.scope, w.lease, w.note = id, l, lease.Note{}
	}
	if note := (lease.Note{Section: w.section, Account: w.grant.account}); w.lease != nil && w.note != note {
		if err := w.lease.Write(note.Text()); err != nil {
			return nil, err
		}
		w.note = note
	}
	access := map[string]string{"aws_access_key_id": w.grant.creds.AccessKeyID}
	if c.opts.Form == Process {
		path := w.scopes.Path(w.scope, lease.ProcessExtension)
		command, err := readCommand(path)
		if err != nil {
			return nil, err
		}
		access = map[string]string{inifile.ProcessKey: command}
		text, err := w.grant.creds.ProcessJSON()
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(w.process, text) {
			w.process = []byte{} // there may be a file
			if err := sharedfile.WriteFile(path, text); err != nil {
				return nil, err
			}
			w.process = text
		}
	}
	if !c.opts.Keep {
		w.mark = lease.New(w.scope, w.scopes.Folder, access).String()
	}
	pairs := sectionPairs(w.grant, c.profileOptions(), access[inifile.ProcessKey], w.mark)
	isFirst := c.latest.Load() == nil
	before, _, err := inifile.ReadManaged(doc, w.section)
	if err != nil {
		return nil, err
	}
	switch {
	case c.opts.Default && isFirst:
		if doc, err = c.setDefault(doc, w.section, pairs); err != nil {
			return nil, err
		}
	case c.opts.Keep: // another account may have become the default since, or [default] be the user's
		if after, err := c.followDefault(doc, w.section, before, pairs); err == nil {
			doc = after
		}
	}
	return inifile.Set(doc, w.section, pairs)
}

// hasLease reports whether the lease is where others look for it.
func (c *Client) hasLease() bool {
	return c.written.lease != nil && c.written.lease.IsThere()
}

// hasFiles reports whether what stands beside the credentials file is as it was written. The caller has c.mu.
func (c *Client) hasFiles() bool {
	return c.hasLease() && (c.opts.Form != Process || bytes.Equal(c.processFile(), c.written.process))
}

// isAsWritten reports whether the profile still holds our keys. The caller has c.mu.
func (c *Client) isAsWritten(doc []byte) (bool, error) {
	w := c.written
	pairs, _, err := inifile.ReadManaged(doc, w.section)
	_, isIntact := lease.Of(pairs)
	isSame := pairs[inifile.ScopeKey] == w.mark && isIntact && (c.opts.Form == Process ||
		pairs["aws_secret_access_key"] == w.grant.creds.SecretAccessKey && pairs["aws_session_token"] == w.grant.creds.SessionToken)
	return isSame && err == nil, err
}

// watch writes the profile again when another program has overwritten it.
func (c *Client) watch(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	path := c.own().Path
	var seen fs.FileInfo
	var trouble string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		info, err := os.Stat(path)
		isSame := err == nil && seen != nil && sharedfile.SameVersion(info, seen)
		isRestored, err := c.restore(ctx, isSame)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if err.Error() != trouble {
				trouble = err.Error()
				c.opts.Logger.Warn("chaim: cannot look after profile", "profile", c.Profile(), "error", err)
			}
			continue
		case isRestored:
			c.opts.Logger.Warn("chaim: profile was changed or removed, and is written again", "profile", c.Profile(), "path", path)
		}
		seen, trouble = info, ""
	}
}

// restore writes what is not as it was written any more, unless the section is another program's by now. It does not read a
// credentials file that is the same as before.
func (c *Client) restore(ctx context.Context, isSame bool) (isRestored bool, err error) {
	w := c.written
	c.mu.Lock()
	hasFiles := c.hasFiles()
	c.mu.Unlock()
	if hasFiles {
		if isSame {
			return false, nil
		}
		doc, err := c.own().Read()
		if err != nil {
			return false, err
		}
		c.mu.Lock()
		isAsWritten, err := c.isAsWritten(doc)
		c.mu.Unlock()
		if isAsWritten || err != nil {
			return false, err
		}
	}
	err = c.put(ctx, func(doc []byte) ([]byte, error) {
		pairs, exists, err := inifile.ReadManaged(doc, w.section)
		if err != nil || exists && !c.owns(pairs) || w.grant.creds.Expired(0) {
			return doc, err
		}
		if w.lease != nil && !c.hasLease() {
			_ = w.lease.Close() // of no use any more
			w.lease = nil
		}
		if !c.hasFiles() {
			w.process, isRestored = w.process[:0], true
		}
		after, err := c.write(doc)
		isRestored = isRestored || !bytes.Equal(doc, after)
		return after, err
	})
	return isRestored && err == nil, err
}

// startWatching has a scope's profile looked after. The caller has c.mu.
func (c *Client) startWatching() {
	if c.opts.Keep || c.opts.NoProfile || c.watched != nil {
		return
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(c.life)
	}()
	c.watched = watched
}
