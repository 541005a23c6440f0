// Package token makes and checks the tokens of users, and keeps the key ring: the keys of a gateway that are not in its
// database.
//
// The text of a token is chm1_ID_SECRET. The database has the id and a MAC that only the key ring can make, over the secret and
// all that the row says about whose token it is and when it ends. So a dump of the database gives no token, and a writer of
// the database can neither make a token nor point one at another user.
package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/ids"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

const (
	prefix   = "chm1_" // what scanners for leaked secrets look for
	idPrefix = "tok"   // of the ids of tokens

	idSize     = 26 // letters and digits of an id, after its prefix
	secretSize = 52 // letters and digits of a secret
	secretBits = 256

	// macTag keeps the MACs of tokens apart from all else that is ever made with a pepper.
	macTag = "chaim-gateway/token/1"
	// macTagOfKind is macTag for the kinds that came later. Programs that do not know kinds take such tokens for false.
	macTagOfKind = "chaim-gateway/token/2"
)

const letters = "0123456789abcdefghijklmnopqrstuv"

var encoding = base32.NewEncoding(letters).WithPadding(base32.NoPadding)

// ErrForm says that a text is not in the form of a token.
var ErrForm = errors.New("the text is not in the form of a token: it must be chm1_ID_SECRET")

// Parse splits the text of a token into the id of its row and its secret. It accepts only what [Ring.New] makes, byte for
// byte, so a token has one text. The only error is [ErrForm].
func Parse(text string) (id string, secret Secret, err error) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != idSize+1+secretSize || rest[idSize] != '_' {
		return "", Secret{}, ErrForm
	}
	id, plain := rest[:idSize], rest[idSize+1:]
	if !isLetters(id) || !isLetters(plain) {
		return "", Secret{}, ErrForm
	}
	return idPrefix + "_" + id, Secret{plain}, nil
}

func isLetters(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'v') {
			return false
		}
	}
	return true
}

// New makes a token of a user, and its row, whose kind cannot be changed. The row's expiry is expires, to the microsecond. Only text has the secret: it
// cannot be had again. A user may have any number of tokens. The label is for people.
func (r *Ring) New(kind store.Kind, user, label string, expires time.Time) (text Secret, row store.Token) {
	var random [secretBits / 8]byte
	_, _ = rand.Read(random[:]) // never fails
	secret := encoding.EncodeToString(random[:])
	id := ids.New(idPrefix)
	key := r.active()
	row = store.Token{
		ID: id, User: user, Kind: kind, Seal: store.Seal{KeyID: key.id}, Label: label,
		Created: time.Now().UTC().Truncate(time.Microsecond), Expires: expires.UTC().Truncate(time.Microsecond),
	}
	row.Seal.MAC = key.mac(row, secret)
	return Secret{prefix + strings.TrimPrefix(id, idPrefix+"_") + "_" + secret}, row
}

// Verify reports whether a secret belongs to a row of the table of tokens, and the row is as [Ring.New] made it. It says
// nothing about expiry and revocation. It does the same work for a row that does not exist, which is the zero value, and
// compares in constant time.
func (r *Ring) Verify(row store.Token, secret Secret) bool {
	key, isKnown := r.verifying(row.Seal.KeyID)
	want := key.mac(row, secret.text)
	got := row.Seal.MAC
	if len(got) != len(want) {
		got, isKnown = make([]byte, len(want)), false
	}
	return hmac.Equal(got, want) && isKnown
}

// mac authenticates a secret with all that its row says about whose it is and when it ends. Each part is written with its
// length, so no two rows have the same input.
func (p pepper) mac(row store.Token, secret string) []byte {
	h := hmac.New(sha256.New, p.secret)
	parts := []string{macTag, row.ID, row.User, secret}
	if row.Kind != store.UserToken {
		parts = append([]string{macTagOfKind, string(row.Kind)}, parts[1:]...)
	}
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(row.Expires.UnixMicro())))
	return h.Sum(nil)
}
