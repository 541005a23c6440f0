package chaim

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/remote"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// watchInterval is how often a live profile is looked after. A program that wrote back an old copy of the file may take
// it away for that long.
const watchInterval = 500 * time.Millisecond

// written is what may stand in the credentials file and beside it.
type written struct {
	section string       // empty for nothing
	grant   grant        // the newest there may be
	scope   string       // id; empty without a lease so far
	mark    string       // of the scope in the section
	lease   *flock.Flock // nil without one
	process []byte       // text of the process file; empty if that is not known, nil without one
}

// store writes keys into the profile.
func (c *Client) store(ctx context.Context, g grant) error {
	var name string
	err := c.edit(ctx, func(doc []byte) (_ []byte, err error) {
		if name, err = c.claim(doc); err != nil {
			return nil, err
		}
		c.written.section, c.written.grant = name, g
		return c.write(doc)
	})
	if err != nil {
		return err
	}
	c.latest.Store(&g)
	c.profile.Store(&name)
	return nil
}

// adopt returns the keys that somebody else, such as another process told to renew the profile, has put into it since, if
// they are worth having.
func (c *Client) adopt() (grant, bool) {
	ours := c.latest.Load()
	if ours == nil {
		return grant{}, false
	}
	doc, err := c.file.Read()
	if err != nil {
		return grant{}, false // storing will tell
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pairs, _, err := inifile.ReadManaged(doc, c.written.section)
	if err != nil {
		return grant{}, false
	}
	return c.newer(pairs, ours)
}

// newer returns the keys of a section, or of its process file, if they are not ours, for the same role, and have more
// than half of the time left that ours had. The caller has c.mu.
func (c *Client) newer(pairs map[string]string, ours *grant) (grant, bool) {
	theirs := AwsCreds{
		Region:          c.opts.Region,
		AccessKeyID:     pairs["aws_access_key_id"],
		SecretAccessKey: pairs["aws_secret_access_key"],
		SessionToken:    pairs["aws_session_token"],
	}
	unix, _ := remote.UnixSeconds(pairs["expires"])
	theirs.Expires = time.Unix(unix, 0)
	if c.opts.Form == Process {
		text, err := sharedfile.File{Path: c.scopes.Path(c.written.scope, lease.ProcessExtension)}.Read()
		if err != nil || theirs.parseProcess(text) != nil {
			return grant{}, false
		}
	}
	now := time.Now()
	isBetter := theirs.Expires.Sub(now.Round(0)) > ours.creds.Expires.Sub(ours.received.Round(0))/2
	if !c.owns(pairs) || pairs[inifile.MarkerKey] != ours.account || pairs["role"] != c.opts.Role ||
		theirs.AccessKeyID == ours.creds.AccessKeyID || theirs.malformed() != "" ||
		!theirs.Expires.After(ours.creds.Expires) || !isBetter {
		return grant{}, false
	}
	return grant{creds: theirs, account: ours.account, expiresStr: pairs["expstr"], received: now}, true
}

// edit changes the credentials file, and what is written. Once ctx has ended it does neither. change must not call what
// belongs to the program, such as its logger, as other edits wait for it.
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
	if !c.opts.Keep && w.lease == nil {
		id := cmp.Or(w.scope, rand.Text())
		l, err := c.scopes.Take(id)
		if err != nil {
			return nil, err
		}
		w.scope, w.lease = id, l
	}
	access := map[string]string{"aws_access_key_id": w.grant.creds.AccessKeyID}
	if c.opts.Form == Process {
		path := c.scopes.Path(w.scope, lease.ProcessExtension)
		access = map[string]string{inifile.ProcessKey: readCommand(path)}
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
		w.mark = lease.New(w.scope, c.scopes.Folder, access).String()
	}
	return inifile.Set(doc, w.section, sectionPairs(w.grant, &c.opts, access[inifile.ProcessKey], w.mark))
}

// hasFiles reports whether what stands beside the credentials file is where others look for it.
func (c *Client) hasFiles() bool {
	extensions := []string{lease.Extension}
	if c.opts.Form == Process {
		extensions = append(extensions, lease.ProcessExtension)
	}
	for _, extension := range extensions {
		if _, err := os.Stat(c.scopes.Path(c.written.scope, extension)); errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// watch writes the profile again when another program has overwritten it.
func (c *Client) watch(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var seen fs.FileInfo
	var trouble string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		info, err := os.Stat(c.file.Path)
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
			c.opts.Logger.Warn("chaim: profile was overwritten by another program and is written again", "profile", c.Profile(), "path", c.file.Path)
		}
		seen, trouble = info, ""
	}
}

// restore writes what is not as it was written any more, unless the section is somebody else's by now. Keys that somebody
// else has renewed are taken over. It does not read a credentials file that is the same as before.
func (c *Client) restore(ctx context.Context, isSame bool) (isRestored bool, err error) {
	w := &c.written
	isNewer := false
	c.mu.Lock()
	section, mark, hasFiles := w.section, w.mark, c.hasFiles()
	c.mu.Unlock()
	if hasFiles {
		if isSame {
			return false, nil
		}
		doc, err := c.file.Read()
		if err != nil {
			return false, err
		}
		if pairs, _, err := inifile.ReadManaged(doc, section); err != nil || pairs[inifile.ScopeKey] == mark {
			return false, err
		}
	}
	err = c.edit(ctx, func(doc []byte) ([]byte, error) {
		pairs, exists, err := inifile.ReadManaged(doc, w.section)
		if err != nil || exists && !c.owns(pairs) || w.grant.creds.Expired(0) {
			return doc, err
		}
		if _, isNewer = c.newer(pairs, &w.grant); isNewer {
			return doc, nil
		}
		if w.lease != nil && !c.hasFiles() {
			_ = w.lease.Close() // of no use any more
			w.lease, w.process = nil, w.process[:0]
		}
		after, err := c.write(doc)
		isRestored = isRestored || !bytes.Equal(doc, after)
		return after, err
	})
	if m := c.monitor.Load(); m != nil && isNewer && err == nil {
		err = m.renew(ctx)
	}
	return isRestored && err == nil, err
}

// startWatching has a scope's profile looked after. The caller has the turn.
func (c *Client) startWatching() {
	if c.opts.Keep || c.watcher != nil {
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
	if !c.hasWritten() {
		return true, nil
	}
	c.latest.Store(nil)
	err = c.edit(ctx, func(doc []byte) ([]byte, error) {
		section := c.written.section
		pairs, exists, err := inifile.ReadManaged(doc, section)
		isOurs = !exists || c.owns(pairs)
		if err != nil || !exists || !isOurs {
			return doc, err
		}
		return inifile.Delete(doc, section)
	})
	if err = errors.Join(err, c.drop(err == nil)); err != nil {
		return isOurs, errtext.Wrap(err, "removing profile %q", c.Profile())
	}
	return isOurs, nil
}

// drop ends the lease and removes what is beside the credentials file. While the profile is still there the lease stays
// too, without its lock, so that a sweep removes first the one and then the other.
func (c *Client) drop(isRemoved bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.written
	var err error
	if w.process != nil {
		err = sharedfile.Remove(c.scopes.Path(w.scope, lease.ProcessExtension))
	}
	if w.lease != nil {
		err = errors.Join(err, w.lease.Close())
		w.lease = nil
	}
	if w.scope != "" && isRemoved {
		err = errors.Join(err, sharedfile.Remove(c.scopes.Path(w.scope, lease.Extension)))
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
