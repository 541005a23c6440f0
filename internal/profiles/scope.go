package profiles

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Spec says what a scope may write.
type Spec struct {
	Name      string // of the profile, see [FirstName]
	Account   Holder // whose keys are asked for
	Process   bool   // the profile holds a command that prints the keys
	Terrible  bool   // it has the session token under the token's old name too
	Keep      bool   // it stays when the scope is closed
	NoReplace bool   // it never replaces a kept profile of another account that may have valid keys
	Default   bool   // it becomes the default account too
	NoRegion  bool   // it leaves the region to the AWS config file
}

// Scope is one profile that a program writes, and removes again unless it is kept. Any number of goroutines may use it.
// It must be closed.
type Scope struct {
	book *Book
	spec Spec
	name atomic.Pointer[string] // set once the profile is written
	life context.Context        // ends with Stop
	end  context.CancelCauseFunc
	turn chan struct{} // full while a call changes the profile, see takeTurn

	mu    sync.Mutex // guards state, see held
	state state
}

// state is what a scope has written, and found.
type state struct {
	place   place         // where the links led at the first write; the profile stays there
	section string        // the profile that may be in the file; empty for none
	grant   keys.Grant    // the newest keys that may be in the profile
	stored  string        // access key id of the keys that were stored last; empty for none
	lease   *lease        // nil for a profile that is kept, and before the first write
	found   found         // when keys were asked for
	watched chan struct{} // closed when the watcher has ended
}

// found is what a scope found before it wrote its profile.
type found struct {
	rival        string // what SDKs would use in place of the profile, see rivals
	defaultRival string // the same for [default]
	replaces     Holder // account of the profile that was there, see mayReplace
}

// held is a scope whose state is locked. The state is read and changed only through it, from hold until release.
type held struct{ *Scope }

func (s *Scope) hold() held {
	s.mu.Lock()
	return held{s}
}

func (h held) release() { h.mu.Unlock() }

// Lend returns a scope that has written nothing yet.
func (b *Book) Lend(spec Spec) (*Scope, error) {
	s := &Scope{book: b, spec: spec, turn: make(chan struct{}, 1), state: state{watched: make(chan struct{})}}
	if spec.Process {
		l, err := leasesBeside(b.file.Path)
		if err == nil {
			err = checkCommand(l)
		}
		if err != nil {
			return nil, err
		}
	}
	s.life, s.end = context.WithCancelCause(context.Background())
	close(s.state.watched)
	return s, nil
}

// checkCommand refuses a folder whose path cannot be part of a command.
func checkCommand(l leases) error {
	command, err := readCommand(l.path("", processExtension))
	if err == nil {
		err = inifile.CheckValue(inifile.ProcessKey, command)
	}
	if err != nil {
		return errtext.Wrap(err, "folder %s cannot be part of a command", keys.QuoteShort(l.folder))
	}
	return nil
}

// Name is the name of the profile. Before the first Write it is the name that will be tried first.
func (s *Scope) Name() string {
	if name := s.name.Load(); name != nil {
		return *name
	}
	name, _ := FirstName(s.spec.Name)
	return name
}

// IsWritten reports whether keys were stored.
func (s *Scope) IsWritten() bool { return s.name.Load() != nil }

// Has reports whether the scope may have a profile of that name in the file.
func (s *Scope) Has(name string) bool {
	h := s.hold()
	defer h.release()
	return name != "" && h.state.section == name
}

// file is the credentials file that has the profile or, before the first write, will have it.
func (h held) file() sharedfile.File {
	if h.state.section != "" {
		return h.state.place.file
	}
	return h.book.file
}

func (s *Scope) file() sharedfile.File {
	h := s.hold()
	defer h.release()
	return h.file()
}

// Path is the path of the credentials file.
func (s *Scope) Path() string { return s.file().Path }

// Check refuses a name that is taken, before keys are asked for. Write checks it again.
func (s *Scope) Check() error {
	doc, err := read(s.file())
	if err != nil {
		return err
	}
	rival, defaultRival := s.rivals()
	h := s.hold()
	defer h.release()
	if h.state.section == "" {
		h.state.found.rival, h.state.found.defaultRival = rival, defaultRival
	}
	name, _ := FirstName(h.spec.Name)
	pairs, _, _ := doc.Managed(name) // pickName reports the error
	h.state.found.replaces = HolderOf(pairs)
	if _, err := h.pickName(doc, nil); err != nil {
		return errtext.Wrap(err, "%s", h.book.file.Path)
	}
	return nil
}

// rivals tells what SDKs would use in place of the profile and of [default], whatever these hold.
func (s *Scope) rivals() (own, ofDefault string) {
	config := ReadConfig()
	name, _ := FirstName(s.spec.Name)
	own = config.rival(name)
	if s.spec.Default {
		ofDefault = config.rival(inifile.DefaultSection)
	}
	return own, ofDefault
}

// Write puts keys into the profile. The first call picks its name. It returns [keys.ErrClosed] after Stop, and [ErrEndless]
// for keys that never end if the profile is kept.
func (s *Scope) Write(ctx context.Context, g keys.Grant) error {
	if s.spec.Keep {
		if err := checkKept(g); err != nil {
			return err
		}
	}
	g.Account = cmp.Or(storable(g.Account), storable(s.spec.Account.Name), g.AccountID)
	if err := CheckMarker(cmp.Or(g.Account, s.spec.Account.Name)); err != nil {
		return err
	}
	var name string
	return s.put(ctx, func(h held, doc *inifile.Document) (err error) {
		if name, err = h.pickName(doc, &g); err != nil {
			return err
		}
		h.state.section, h.state.grant = name, g
		return h.write(doc)
	}, func(h held) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := h.writeNote(); err != nil {
			return err
		}
		h.state.stored = g.AccessKeyID
		if !s.IsWritten() {
			s.name.Store(&name)
			h.startWatching()
		}
		return nil
	})
}

// storable returns the name of an account, or "" if that cannot stand in the file.
func storable(account string) string {
	if CheckMarker(account) != nil {
		return ""
	}
	return account
}

// takeTurn waits until no other call changes the profile. That call may end the scope.
func (s *Scope) takeTurn(ctx context.Context) (end func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-s.life.Done():
		return nil, keys.ErrClosed
	case <-ctx.Done():
		return nil, errtext.Wrap(context.Cause(ctx), "waiting for another change of profile %q", s.Name())
	}
}

// put changes the credentials file for the scope's own profile, and calls done once the change is on disk. If the scope ends
// before the edit, put does neither. If it ends during the edit, put does not call done, and Close removes the profile.
func (s *Scope) put(ctx context.Context, change func(held, *inifile.Document) error, done func(held) error) error {
	endTurn, err := s.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer endTurn()
	p, err := pin(s.file())
	if err != nil {
		return err
	}
	err = edit(ctx, p.file, func(doc *inifile.Document) error {
		h := s.hold()
		defer h.release()
		if s.life.Err() != nil {
			return keys.ErrClosed
		}
		if h.state.section == "" {
			h.state.place = p
		}
		return change(h, doc)
	})
	if err != nil {
		return err
	}
	h := s.hold()
	defer h.release()
	if s.life.Err() != nil {
		return keys.ErrClosed // Close removes the profile
	}
	return done(h)
}

// write makes the files that must be there before the profile, and then writes the profile into doc, as the state says.
func (h held) write(doc *inifile.Document) error {
	f := form{terrible: h.spec.Terrible, noRegion: h.spec.NoRegion, isConfig: h.spec.Account.FromConfig}
	if !h.spec.Keep {
		if h.state.lease == nil {
			h.state.lease = newLease(h.state.place.leases)
		}
		var err error
		if f.process, f.mark, err = h.state.lease.write(h.state.grant, h.spec.Process, len(doc.Bytes())); err != nil {
			return err
		}
	}
	lines := linesOf(h.state.grant, f)
	before, _, err := doc.Managed(h.state.section)
	if err != nil {
		return err
	}
	switch {
	case h.spec.Default && h.state.stored == "":
		if err := setDefault(doc, h.state.section, lines); err != nil {
			return err
		}
	case h.spec.Keep: // errors do not matter: [default] may be another account's or the user's by now
		_ = doc.Try(func(doc *inifile.Document) error { return followDefault(doc, h.state.section, before, lines) })
	}
	return doc.Set(h.state.section, lines)
}

// writeNote notes the section in the lease, after it is written.
func (h held) writeNote() error {
	if h.state.lease == nil {
		return nil
	}
	return h.state.lease.writeNote(note{h.state.section, h.state.grant.Account})
}

// Stop ends the scope: no later Write succeeds. It waits for a change that is being prepared, but not for its edit. It
// may be called again.
func (s *Scope) Stop() {
	h := s.hold() // so that a write under way either has ended or notices the end
	defer h.release()
	s.end(keys.ErrClosed)
}

// Close removes the profile, unless it is kept, and the files beside it. Call Stop first. A profile that another program has
// changed stays. After an error Close may be called again; once it has succeeded it does nothing more.
func (s *Scope) Close(ctx context.Context) error {
	if s.spec.Keep {
		return nil
	}
	h := s.hold()
	section, file := h.state.section, h.file()
	h.release()
	isOurs, err := true, error(nil)
	if section != "" {
		isOurs, err = s.remove(ctx, file)
	}
	h = s.hold()
	if err != nil {
		h.state.lease.takeBack()
	}
	if h.state.lease != nil {
		err = errors.Join(err, h.state.lease.close(err == nil))
	}
	if err == nil {
		h.state.section, h.state.lease = "", nil
	}
	h.release()
	switch {
	case err != nil:
		return errtext.Wrap(err, "removing profile %q", s.Name())
	case !isOurs && !s.IsWritten(): // the profile never was ours
	case !isOurs:
		s.book.log.Warn("chaim: profile was changed by another program and stays", "profile", section, "path", file.Path)
	case section != "":
		s.book.log.Info("chaim: profile removed", "profile", section)
	}
	return nil
}

// remove removes the profile from the file, if it is still the scope's.
func (s *Scope) remove(ctx context.Context, file sharedfile.File) (isOurs bool, err error) {
	p, err := pin(file)
	if err != nil {
		return false, err
	}
	err = whereFull(func(isFull bool) error {
		p.file.IsApart = isFull
		return edit(ctx, p.file, func(doc *inifile.Document) error {
			h := s.hold()
			defer h.release()
			isOurs = true
			if h.state.section == "" { // removed by another call meanwhile
				return nil
			}
			pairs, exists, err := doc.Managed(h.state.section)
			if err != nil {
				return err
			}
			if isOurs = !exists || h.owns(pairs); !isOurs {
				return nil
			}
			if isFull {
				h.state.lease.giveBack()
			}
			return doc.Delete(h.state.section)
		})
	})
	return isOurs, err
}

// whereFull makes an edit. If the disk is full, it makes the edit again with isFull. That edit frees the space that is set
// aside, and is made apart from others, which could take the space.
func whereFull(edit func(isFull bool) error) error {
	err := edit(false)
	if sharedfile.IsFull(err) {
		err = edit(true)
	}
	return err
}

// Wait returns once the watcher has ended. Stop makes it end.
func (s *Scope) Wait() {
	h := s.hold()
	watched := h.state.watched
	h.release()
	<-watched
}
