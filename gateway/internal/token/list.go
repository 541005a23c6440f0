package token

import "time"

// Key describes a key of a ring, without its secret.
type Key struct {
	ID      string // of a pepper; empty for a key that signs
	Use     string // "tokens" or "checkpoints"
	State   State
	Created time.Time
	Public  string // of a key that signs, in the form of the package note
}

// Keys describes all keys of the ring, the newest of each use last.
func (r *Ring) Keys() []Key {
	var all []Key
	for _, p := range r.peppers {
		all = append(all, Key{ID: p.id, Use: "tokens", State: p.state, Created: p.created})
	}
	for _, s := range r.signings {
		all = append(all, Key{Use: "checkpoints", State: s.state, Created: s.created, Public: s.public})
	}
	return all
}
