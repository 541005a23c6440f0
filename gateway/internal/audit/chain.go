package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Hash is a SHA-256.
type Hash = [sha256.Size]byte

// Salt keeps the content of a redacted event from being guessed from its leaf.
type Salt = [16]byte

// NewSalt returns a random salt.
func NewSalt() (s Salt) {
	_, _ = rand.Read(s[:]) // never fails
	return s
}

// Leaf returns the hash of one event. It stays when the event is redacted: only salt and body go.
func Leaf(salt Salt, body []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(salt[:])
	h.Write(body)
	return Hash(h.Sum(nil))
}

// Head is the end of the chain: the number and the hash of its last batch.
type Head struct {
	Seq  int64
	Hash Hash
}

// Genesis returns the head of the empty chain of a gateway.
func Genesis(gatewayID string) Head {
	return Head{Hash: sha256.Sum256([]byte("chaim gateway " + gatewayID))}
}

// Header is what a batch says beside its events.
type Header struct {
	At     time.Time // to the microsecond
	Auth   int64     // the authorization counter after the batch, see the package store
	Writer string    // the replica or command that wrote it
}

// Next returns the head after a batch with these leaves.
func (h Head) Next(header Header, leaves []Hash) Head {
	content := sha256.New()
	content.Write(canonical(struct {
		At     int64  `json:"at"`
		Auth   int64  `json:"auth"`
		N      int    `json:"n"`
		Writer string `json:"writer"`
	}{header.At.UnixMicro(), header.Auth, len(leaves), valid(header.Writer)}))
	content.Write([]byte("\n"))
	for _, leaf := range leaves {
		content.Write(leaf[:])
	}
	next := sha256.New()
	next.Write([]byte{1})
	next.Write(binary.BigEndian.AppendUint64(nil, uint64(h.Seq+1)))
	next.Write(h.Hash[:])
	next.Write(content.Sum(nil))
	return Head{Seq: h.Seq + 1, Hash: Hash(next.Sum(nil))}
}
