package audit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Position is the place of an event in the log. Positions only grow: an event never appears before one that was readable.
type Position struct {
	Seq int64 // the number of the batch; 1 is the first
	Idx int64 // the place in the batch; 0 is the first
}

// IsAfter reports whether p is a later place than other.
func (p Position) IsAfter(other Position) bool {
	return p.Seq > other.Seq || p.Seq == other.Seq && p.Idx > other.Idx
}

func (p Position) String() string { return fmt.Sprintf("%d.%d", p.Seq, p.Idx) }

// ParsePosition reads what String wrote. An empty text is the place before the first event.
func ParsePosition(text string) (p Position, err error) {
	if text == "" {
		return Position{}, nil
	}
	seq, idx, _ := strings.Cut(text, ".")
	if p.Seq, err = strconv.ParseInt(seq, 10, 64); err == nil {
		p.Idx, err = strconv.ParseInt(idx, 10, 64)
	}
	if err != nil || p.Seq < 0 || p.Idx < 0 {
		return Position{}, fmt.Errorf("%q is not a position in the log: it is two numbers like 12.0", text)
	}
	return p, nil
}

// Columns are the parts of an event that the database also stores beside its body, to find events by them.
type Columns struct {
	At      int64 // microseconds since 1970
	Type    Type
	Actor   string // the actor's name
	Subject string
	Account string
	Role    string
	Issue   string
}

// Columns returns the columns of an event. They follow from its body.
func (e Event) Columns() Columns {
	return Columns{
		At: e.At.UnixMicro(), Type: Type(column(string(e.Type))), Actor: column(e.Actor.Name), Subject: column(e.Subject),
		Account: column(e.Account), Role: column(e.Role), Issue: column(e.Issue),
	}
}

// column replaces what PostgreSQL does not store as text.
func column(s string) string { return strings.ReplaceAll(valid(s), "\x00", "\ufffd") }

// Entry is an event as the database holds it. A redacted one has neither salt nor body, and empty columns.
type Entry struct {
	Position
	Columns
	Salt []byte
	Body []byte
	Leaf []byte
}

// IsRedacted reports whether the content of the event was removed.
func (e Entry) IsRedacted() bool { return e.Body == nil }

// Seal makes the entry of an event, with a new salt. Its position is that of the zero value.
func Seal(e Event) Entry {
	salt, text := NewSalt(), e.Body()
	leaf := Leaf(salt, text)
	return Entry{Columns: e.Columns(), Salt: salt[:], Body: text, Leaf: leaf[:]}
}

// Batch is the row of a batch as the database holds it.
type Batch struct {
	Seq    int64
	Prev   []byte // the hash of the batch before
	Hash   []byte
	N      int64 // how many events the batch has
	Writer string
	At     int64 // microseconds since 1970
	Auth   int64
}

// Header returns what the batch says beside its events.
func (b Batch) Header() Header {
	return Header{At: time.UnixMicro(b.At), Auth: b.Auth, Writer: b.Writer}
}

// Seal makes the batch that follows h, and gives the events their positions in it.
func (h Head) Seal(header Header, events []Entry) Batch {
	leaves := make([]Hash, len(events))
	for i := range events {
		events[i].Position = Position{Seq: h.Seq + 1, Idx: int64(i)}
		leaves[i] = Hash(events[i].Leaf)
	}
	next := h.Next(header, leaves)
	return Batch{
		Seq: next.Seq, Prev: h.Hash[:], Hash: next.Hash[:], N: int64(len(events)), Writer: header.Writer,
		At: header.At.UnixMicro(), Auth: header.Auth,
	}
}

// Redaction returns the event that says which event was redacted, and why.
func Redaction(actor Actor, at time.Time, p Position, reason string) Event {
	return Event{Type: AuditRedacted, At: at, Actor: actor, Details: map[string]string{"event": p.String(), "reason": reason}}
}
