package token

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/chaim-go/chaim/gateway/internal/ids"
)

const pepperSize = 32 // bytes

// State says what a key of the ring is still good for.
type State string

// The states of keys.
const (
	Active State = "active" // makes and verifies; each ring has one pepper and one signing key in this state
	Verify State = "verify" // only verifies what it made before
	Dead   State = "dead"   // a compromised pepper, whose secret is gone: it verifies nothing
)

// pepper is a key of MACs. A dead one has no secret.
type pepper struct {
	id      string
	state   State
	created time.Time
	secret  []byte
}

// signing is an Ed25519 key that signs checkpoints. Only the active one has its private part.
type signing struct {
	state    State
	created  time.Time
	private  string // in the form of the package note
	verifier note.Verifier
	public   string // in the form of the package note
}

// Ring has the keys of a gateway that are not in its database: peppers, which make the MACs of tokens, and Ed25519 keys, which
// sign checkpoints of the audit log. A Ring is immutable: the methods that change it return another one. It prints without
// its secrets. Make one with [NewRing] or [LoadRing]; the zero value has no keys and verifies nothing.
type Ring struct {
	name     string
	peppers  []pepper
	signings []signing
	decoy    pepper // does the work for tokens of unknown keys
}

// NewRing returns a ring with new keys. Signatures will name the gateway's id, so it has neither spaces nor "+".
func NewRing(gatewayID string) (*Ring, error) {
	r := &Ring{name: gatewayID, peppers: []pepper{newPepper()}, decoy: newPepper()}
	s, err := newSigning(gatewayID)
	if err != nil {
		return nil, err
	}
	r.signings = []signing{s}
	return r, nil
}

func newPepper() pepper {
	secret := make([]byte, pepperSize)
	_, _ = rand.Read(secret) // never fails
	return pepper{id: ids.New("pep"), state: Active, created: now(), secret: secret}
}

func newSigning(name string) (signing, error) {
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return signing{}, errors.New("making a key that signs checkpoints: the gateway's id cannot be the name of a key")
	}
	s := signing{state: Active, created: now(), private: private, public: public}
	return s, s.check(name)
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// GatewayID returns the id of the gateway that the ring belongs to.
func (r *Ring) GatewayID() string { return r.name }

// PepperID returns the id of the pepper that makes the MACs of new tokens.
func (r *Ring) PepperID() string { return r.active().id }

// Knows reports whether the ring has a pepper with this id, in any state.
func (r *Ring) Knows(pepperID string) bool {
	return slices.ContainsFunc(r.peppers, func(p pepper) bool { return p.id == pepperID })
}

func (r *Ring) active() pepper {
	i := slices.IndexFunc(r.peppers, func(p pepper) bool { return p.state == Active })
	return r.peppers[i]
}

// verifying returns the pepper with an id. If it verifies nothing, the result is another key, which does the same work.
func (r *Ring) verifying(id string) (p pepper, isKnown bool) {
	p = r.decoy
	for _, one := range r.peppers {
		if one.id == id && one.state != Dead {
			p, isKnown = one, true
		}
	}
	return p, isKnown
}

// RotatePepper returns a ring with a new active pepper. The one before still verifies its tokens.
func (r *Ring) RotatePepper() *Ring {
	changed := r.clone()
	for i, p := range changed.peppers {
		changed.peppers[i].state = cmp.Or(map[State]State{Active: Verify}[p.state], p.state)
	}
	changed.peppers = append(changed.peppers, newPepper())
	return changed
}

// KillPepper returns a ring in which a compromised pepper verifies nothing any more: all its tokens end. Its secret is gone.
// If it was the active one, the ring has a new one. It is an error if the ring has no such pepper.
func (r *Ring) KillPepper(id string) (*Ring, error) {
	i := slices.IndexFunc(r.peppers, func(p pepper) bool { return p.id == id })
	if i < 0 {
		return nil, fmt.Errorf("there is no key %q for tokens: 'chaim-gateway keys list' shows them", id)
	}
	changed := r.clone()
	if changed.peppers[i].state == Active {
		changed = changed.RotatePepper()
	}
	changed.peppers[i].state, changed.peppers[i].secret = Dead, nil
	return changed, nil
}

// RotateSigning returns a ring with a new key that signs checkpoints. Signatures of the ones before still verify; their
// private parts are gone.
func (r *Ring) RotateSigning() (*Ring, error) {
	changed := r.clone()
	for i := range changed.signings {
		changed.signings[i].state, changed.signings[i].private = Verify, ""
	}
	s, err := newSigning(r.name)
	changed.signings = append(changed.signings, s)
	return changed, err
}

func (r *Ring) clone() *Ring {
	c := *r
	c.peppers, c.signings = slices.Clone(r.peppers), slices.Clone(r.signings)
	return &c
}

// Signer returns the key that signs checkpoints.
func (r *Ring) Signer() note.Signer {
	i := slices.IndexFunc(r.signings, func(s signing) bool { return s.state == Active })
	signer, err := note.NewSigner(r.signings[i].private)
	if err != nil {
		panic("a checked key of the ring cannot sign") // not reached
	}
	return signer
}

// Verifiers returns the keys that verify checkpoints: of the active signing key and of all before.
func (r *Ring) Verifiers() []note.Verifier {
	var all []note.Verifier
	for _, s := range r.signings {
		all = append(all, s.verifier)
	}
	return all
}

// PublicKeys returns the verifiers in the text form of the package note, the newest last. They are no secrets.
func (r *Ring) PublicKeys() []string {
	var all []string
	for _, s := range r.signings {
		all = append(all, s.public)
	}
	return all
}

// String describes the ring without its secrets. Like all that prints, it works for a Ring and a *Ring.
func (r Ring) String() string {
	return fmt.Sprintf("token.Ring{GatewayID:%q Peppers:%d SigningKeys:%d}", r.name, len(r.peppers), len(r.signings))
}

// Format prints what String returns, whatever the verb.
func (r Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue keeps the secrets out of structured logs.
func (r Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText keeps the secrets out of JSON and other encodings.
func (r Ring) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// ringFile is the ring as its file has it.
type ringFile struct {
	Version  int           `json:"version"`
	Gateway  string        `json:"gateway"`
	Peppers  []pepperFile  `json:"peppers"`
	Signings []signingFile `json:"checkpoint_keys"`
}

type pepperFile struct {
	ID      string    `json:"id"`
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	Secret  []byte    `json:"secret,omitempty"`
}

type signingFile struct {
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	Private string    `json:"private,omitempty"`
	Public  string    `json:"public"`
}

// text returns the text of the ring's file, secrets included.
func (r *Ring) text() ([]byte, error) {
	f := ringFile{Version: 1, Gateway: r.name}
	for _, p := range r.peppers {
		f.Peppers = append(f.Peppers, pepperFile{p.id, p.state, p.created, p.secret})
	}
	for _, s := range r.signings {
		f.Signings = append(f.Signings, signingFile{s.state, s.created, s.private, s.public})
	}
	text, err := json.MarshalIndent(f, "", "  ")
	return append(text, '\n'), err
}
