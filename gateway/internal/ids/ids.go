// Package ids makes the ids of the gateway's rows.
package ids

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

var encoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// New returns a new id: the prefix, "_" and 26 letters and digits. Later ids of a prefix sort after earlier ones, to the
// millisecond. An id is never in the form of a UUID, which
// clients take for a secret. The bytes are those of a UUID of version 7: https://www.rfc-editor.org/rfc/rfc9562
func New(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(time.Now().UnixMilli()))
	copy(b[:6], at[2:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return prefix + "_" + encoding.EncodeToString(b[:])
}
