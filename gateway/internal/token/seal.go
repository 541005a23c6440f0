package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// ErrSeal says that a text was not sealed for this purpose by a key that the ring still has.
var ErrSeal = errors.New("the text was not sealed by this gateway for this purpose, or its key is gone")

// The uses of a pepper besides the MACs of tokens.
const (
	useSeal   = "chaim-gateway/seal/1/"
	useDigest = "chaim-gateway/digest/1/"
)

// derived is a key for one use and purpose.
func (p pepper) derived(use, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, p.secret, nil, use+purpose, sha256.Size)
	if err != nil {
		panic(err) // only for keys that are too long
	}
	return key
}

// Seal encrypts and authenticates a text that a stranger keeps for the gateway, as a cookie. Its letters are those of base64url,
// "_" and ".". It can be opened for the same purpose only. It says nothing about time: put that into the text.
func (r *Ring) Seal(purpose string, plain []byte) string {
	key := r.active()
	sealed := key.aead(purpose).Seal(nil, nil, plain, []byte(key.id))
	return key.id + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// Unseal returns what was sealed, or [ErrSeal]. It opens what any pepper of the ring sealed that is not dead.
func (r *Ring) Unseal(purpose, sealed string) ([]byte, error) {
	id, rest, _ := strings.Cut(sealed, ".")
	key, isKnown := r.verifying(id)
	text, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || !isKnown {
		return nil, ErrSeal
	}
	plain, err := key.aead(purpose).Open(nil, nil, text, []byte(id))
	if err != nil {
		return nil, ErrSeal
	}
	return plain, nil
}

func (p pepper) aead(purpose string) cipher.AEAD {
	block, err := aes.NewCipher(p.derived(useSeal, purpose))
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic(err) // only for keys of a wrong size
}

// Digest returns what the database knows a code by. A dump of the database does not give the code, however short it is.
func (r *Ring) Digest(purpose, code string) []byte { return r.active().digest(purpose, code) }

// Digests returns the digests of a code by all peppers that are not dead, the newest first: one may have become the active one
// since the code was made.
func (r *Ring) Digests(purpose, code string) (all [][]byte) {
	for i := len(r.peppers) - 1; i >= 0; i-- {
		if p := r.peppers[i]; p.state != Dead {
			all = append(all, p.digest(purpose, code))
		}
	}
	return all
}

func (p pepper) digest(purpose, code string) []byte {
	h := hmac.New(sha256.New, p.derived(useDigest, purpose))
	h.Write([]byte(code))
	return h.Sum(nil)
}

// NewCode returns 256 random bits as letters and digits, for codes that are used once.
func NewCode() Secret {
	var random [secretBits / 8]byte
	_, _ = rand.Read(random[:]) // never fails
	return Secret{encoding.EncodeToString(random[:])}
}
