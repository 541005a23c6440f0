package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

const (
	maxRingSize = 1 << 20 // bytes
	// reloadPause is the least time between two looks at the file for a key that the ring does not have.
	reloadPause = time.Second
)

// LoadRing reads a key ring from its file. On Unix it refuses a file that users other than its owner can read or write. No
// error quotes the file.
func LoadRing(path string) (*Ring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the key ring: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("opening the key ring: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("key ring %s is not a regular file", path)
	case sharedfile.IsOpen(info):
		return nil, fmt.Errorf("key ring %s can be read by other users of this machine (mode %s): run chmod 600 on it, and rotate "+
			"its keys if they may have read it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRingSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the key ring: %w", err)
	}
	r, err := parseRing(text)
	if err != nil {
		return nil, fmt.Errorf("key ring %s: %w", path, err)
	}
	return r, nil
}

// Save writes the ring to a new file, with mode 0600, in one step. It is durable when Save returns. A file that is there
// already is an error that wraps [fs.ErrExist]: it may have the keys of all tokens.
func (r *Ring) Save(path string) error {
	text, err := r.text()
	if err != nil {
		return errors.New("writing the key ring: it cannot be encoded")
	}
	return edit(path, func(before []byte) ([]byte, error) {
		if len(before) > 0 {
			return nil, fmt.Errorf("%s has a key ring already: %w", path, fs.ErrExist)
		}
		return text, nil
	})
}

// Update changes the ring in a file in one step, and returns what the file has then. Commands that do so at once wait for one
// another. It is durable when Update returns.
func Update(path string, change func(*Ring) (*Ring, error)) (*Ring, error) {
	if _, err := LoadRing(path); err != nil { // refuses what must not be read
		return nil, err
	}
	var changed *Ring
	err := edit(path, func(before []byte) ([]byte, error) {
		r, err := parseRing(before)
		if err == nil {
			changed, err = change(r)
		}
		if err != nil {
			return nil, err
		}
		return changed.text()
	})
	return changed, err
}

// edit replaces the text of a file under its lock. change is not asked again for a text that it made.
func edit(path string, change func([]byte) ([]byte, error)) error {
	var made []byte
	file := sharedfile.File{Path: path, IsOwn: true}
	err := file.Edit(context.Background(), func(before []byte) (after []byte, err error) {
		if made != nil && bytes.Equal(before, made) {
			return made, nil
		}
		if after, err = change(before); err == nil {
			made = bytes.Clone(after)
		}
		return after, err
	})
	if err != nil {
		return errtext.Chain("writing the key ring: "+errtext.Unprefixed(err), err)
	}
	return nil
}

// parseRing reads the text of a ring's file. It refuses what it does not know.
func parseRing(text []byte) (*Ring, error) {
	if len(text) > maxRingSize {
		return nil, fmt.Errorf("it is larger than %d bytes", maxRingSize)
	}
	var f ringFile
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if in.Decode(&f) != nil || in.Decode(new(any)) != io.EOF { // the decoder's errors may quote the text
		return nil, errors.New("it is not the JSON of a key ring: restore it from a backup")
	}
	if f.Version != 1 {
		return nil, fmt.Errorf("version %d is unknown: a newer chaim-gateway made it", f.Version)
	}
	r := &Ring{name: f.Gateway, decoy: newPepper()}
	for _, p := range f.Peppers {
		r.peppers = append(r.peppers, pepper{p.ID, p.State, p.Created, p.Secret})
	}
	for _, s := range f.Signings {
		r.signings = append(r.signings, signing{state: s.State, created: s.Created, private: s.Private, public: s.Public})
	}
	return r, r.check()
}

// check refuses a ring with which the gateway could not work, and completes its verifiers.
func (r *Ring) check() error {
	seen, active := map[string]bool{}, 0
	for _, p := range r.peppers {
		switch {
		case p.id == "" || seen[p.id]:
			return errors.New("a pepper has no id, or that of another one")
		case p.state != Active && p.state != Verify && p.state != Dead:
			return fmt.Errorf("pepper %s has an unknown state", p.id)
		case p.state != Dead && len(p.secret) != pepperSize:
			return fmt.Errorf("pepper %s does not have %d bytes", p.id, pepperSize)
		case p.state == Dead && len(p.secret) > 0:
			return fmt.Errorf("pepper %s is dead but still has its secret", p.id)
		case p.state == Active:
			active++
		}
		seen[p.id] = true
	}
	if active != 1 {
		return fmt.Errorf("it has %d active peppers, not one", active)
	}
	active = 0
	for i := range r.signings {
		if err := r.signings[i].check(r.name); err != nil {
			return err
		}
		if r.signings[i].state == Active {
			active++
		}
	}
	if active != 1 {
		return fmt.Errorf("it has %d active keys for checkpoints, not one", active)
	}
	return nil
}

// check refuses a key that cannot be used, and completes its verifier.
func (s *signing) check(name string) error {
	var err error
	if s.verifier, err = note.NewVerifier(s.public); err != nil || s.verifier.Name() != name {
		return errors.New("a public key for checkpoints is malformed, or not that of this gateway")
	}
	switch s.state {
	case Active:
		signer, err := note.NewSigner(s.private)
		if err != nil || signer.Name() != name || signer.KeyHash() != s.verifier.KeyHash() {
			return errors.New("the active key for checkpoints is malformed, or does not belong to its public key")
		}
	case Verify:
	default:
		return errors.New("a key for checkpoints has an unknown state")
	}
	return nil
}

// File is a key ring that follows its file. All methods are safe for concurrent use. Make one with [OpenFile].
type File struct {
	path string
	ring atomic.Pointer[Ring]

	mu     sync.Mutex // guards looked
	looked time.Time
}

// OpenFile reads a key ring, as [LoadRing] does.
func OpenFile(path string) (*File, error) {
	r, err := LoadRing(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path}
	f.ring.Store(r)
	return f, nil
}

// Path returns the path of the file, for [Update].
func (f *File) Path() string { return f.path }

// Ring returns the ring as the file had it last.
func (f *File) Ring() *Ring { return f.ring.Load() }

// Reload reads the file again. If that fails, the ring stays as it was.
func (f *File) Reload() error {
	r, err := LoadRing(f.path)
	if err == nil && r.name != f.Ring().name {
		err = fmt.Errorf("key ring %s is that of another gateway", f.path)
	}
	if err == nil {
		f.ring.Store(r)
	}
	return err
}

// RingFor returns the ring for a row whose MAC a pepper made. If it does not know the pepper, it first reads the file again, but
// at most once a second. An error leaves the ring as it was.
func (f *File) RingFor(pepperID string) (*Ring, error) {
	r := f.Ring()
	if r.Knows(pepperID) || !f.mayLook() {
		return r, nil
	}
	err := f.Reload()
	return f.Ring(), err
}

func (f *File) mayLook() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) < reloadPause {
		return false
	}
	f.looked = time.Now()
	return true
}
