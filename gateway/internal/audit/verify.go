package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// Finding is something wrong with a log.
type Finding struct {
	Position          // Seq is zero if it is not about one batch
	IsBatch  bool     // it is about the whole batch
	Text     string   // what is wrong
	Accepted Position // the event with which an operator accepted it; zero means that it was not accepted
}

func (f Finding) String() string {
	switch {
	case f.Seq == 0 && f.IsBatch:
		return "log: " + f.Text
	case f.IsBatch:
		return fmt.Sprintf("batch %d: %s", f.Seq, f.Text)
	}
	return fmt.Sprintf("event %s: %s", f.Position, f.Text)
}

// Log is what Verify reads.
type Log struct {
	GatewayID   string
	Batches     iter.Seq2[Batch, error] // by their numbers
	Events      iter.Seq2[Entry, error] // by their positions
	Checkpoints []Checkpoint            // whose signatures were checked, in the order in which they were made
}

// Verify reads a whole log and calls found for each thing that is wrong with it. It returns the end of the log. The error is
// one of reading, after which nothing is known. Verify needs memory only for redacted events and for checkpoints.
func Verify(log Log, found func(Finding)) (Head, error) {
	v := &verifier{
		found: found, head: Genesis(log.GatewayID), redacted: map[Position]bool{}, points: map[int64][]Checkpoint{}, hashes: map[int64]Hash{},
	}
	for _, c := range log.Checkpoints {
		v.points[c.Seq] = append(v.points[c.Seq], c)
	}
	next, stop := iter.Pull2(log.Events)
	defer stop()
	v.events = &peeker{next: next}
	for b, err := range log.Batches {
		if err != nil {
			return Head{}, err
		}
		if err := v.batch(b); err != nil {
			return Head{}, err
		}
	}
	for v.events.fill() { // behind the last batch
		v.event(v.events.take(), "it belongs to no batch")
	}
	if v.events.err != nil {
		return Head{}, v.events.err
	}
	v.finish(log)
	return v.head, nil
}

// peeker looks at the next event without taking it.
type peeker struct {
	next   func() (Entry, error, bool)
	entry  Entry
	isFull bool
	err    error
}

// fill reports whether there is a next event.
func (p *peeker) fill() bool {
	if !p.isFull && p.err == nil {
		p.entry, p.err, p.isFull = p.next()
		p.isFull = p.isFull && p.err == nil
	}
	return p.isFull
}

func (p *peeker) take() Entry {
	p.isFull = false
	return p.entry
}

// verifier goes through a log once.
type verifier struct {
	found    func(Finding)
	head     Head // of the batches so far
	events   *peeker
	redacted map[Position]bool // that no event has named yet
	points   map[int64][]Checkpoint
	hashes   map[int64]Hash // at the checkpoints
	losses   []loss         // that operators accepted
}

func (v *verifier) event(e Entry, format string, args ...any) {
	v.found(Finding{Position: e.Position, Text: fmt.Sprintf(format, args...)})
}

// batch checks a batch with its events, and goes on from the hash that the batch claims, so that one change is one finding.
func (v *verifier) batch(b Batch) error {
	wrong := func(format string, args ...any) {
		v.found(Finding{Position: Position{Seq: b.Seq}, IsBatch: true, Text: fmt.Sprintf(format, args...)})
	}
	if missing := b.Seq - v.head.Seq - 1; missing > 0 {
		wrong("the %d batches before it are missing", missing)
	} else if missing < 0 {
		wrong("its number is lower than that of the batch before")
	}
	if !bytes.Equal(b.Prev, v.head.Hash[:]) {
		wrong("it does not follow the batch before: prev is not that batch's hash")
	}
	leaves, err := v.leaves(b)
	if err != nil {
		return err
	}
	if int64(len(leaves)) != b.N {
		wrong("it has %d events and says that it has %d", len(leaves), b.N)
	}
	prev := Head{Seq: b.Seq - 1}
	copy(prev.Hash[:], b.Prev)
	next := prev.Next(b.Header(), leaves)
	if !bytes.Equal(b.Hash, next.Hash[:]) {
		wrong("its hash is not that of its content: seq, prev, n, writer, at, auth, or an event's leaf was changed, added or removed")
	}
	v.head = Head{Seq: b.Seq}
	copy(v.head.Hash[:], b.Hash)
	if v.points[b.Seq] != nil {
		v.hashes[b.Seq] = v.head.Hash
	}
	return nil
}

// leaves checks the events of a batch, and returns the leaves that they claim.
func (v *verifier) leaves(b Batch) (leaves []Hash, err error) {
	for v.events.fill() && v.events.entry.Seq < b.Seq {
		v.event(v.events.take(), "it belongs to no batch")
	}
	for v.events.fill() && v.events.entry.Seq == b.Seq {
		e := v.events.take()
		if want := int64(len(leaves)); e.Idx != want {
			v.event(e, "it stands where event %d.%d should be", b.Seq, want)
		}
		v.content(e)
		var leaf Hash
		if copy(leaf[:], e.Leaf) != len(e.Leaf) || len(e.Leaf) != len(leaf) {
			v.event(e, "its leaf has %d bytes", len(e.Leaf))
		}
		leaves = append(leaves, leaf)
	}
	return leaves, v.events.err
}

// content checks what an event holds against its leaf, and its columns against its body.
func (v *verifier) content(e Entry) {
	if e.IsRedacted() {
		if e.Columns != (Columns{}) || e.Salt != nil {
			v.event(e, "its body is missing, but not all of its other columns are empty")
		}
		v.redacted[e.Position] = true
		return
	}
	if len(e.Salt) != len(Salt{}) {
		v.event(e, "its salt has %d bytes", len(e.Salt))
		return
	}
	leaf := Leaf(Salt(e.Salt), e.Body)
	if !bytes.Equal(leaf[:], e.Leaf) {
		v.event(e, "its leaf is not the hash of salt and body: one of them was changed")
	}
	event, err := ParseBody(e.Body)
	if err != nil {
		v.event(e, "%v", err)
		return
	}
	for _, name := range e.Columns.different(event.Columns()) {
		v.event(e, "column %s is not what the body says", name)
	}
	v.explains(e, event)
}

// different names the columns in which c and other differ.
func (c Columns) different(other Columns) (names []string) {
	for name, differs := range map[string]bool{
		"at": c.At != other.At, "type": c.Type != other.Type, "actor": c.Actor != other.Actor, "subject": c.Subject != other.Subject,
		"account": c.Account != other.Account, "role": c.Role != other.Role, "issue": c.Issue != other.Issue,
	} {
		if differs {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// explains notes what an event says about missing parts of the log.
func (v *verifier) explains(e Entry, event Event) {
	switch event.Type {
	case AuditRedacted:
		p, err := ParsePosition(event.Details["event"])
		if err != nil || !e.Position.IsAfter(p) {
			v.event(e, "it does not say which earlier event was redacted")
			return
		}
		if !v.redacted[p] {
			v.event(e, "it says that event %s was redacted, which is still there", p)
		}
		delete(v.redacted, p)
	case GatewayRestored:
		if l, ok := parseLoss(event.Details); ok {
			l.said = e.Position
			v.losses = append(v.losses, l)
		}
	}
}

// finish reports what can be known only at the end.
func (v *verifier) finish(log Log) {
	unexplained := make([]Position, 0, len(v.redacted))
	for p := range v.redacted {
		unexplained = append(unexplained, p)
	}
	slices.SortFunc(unexplained, func(a, b Position) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Idx, b.Idx)) })
	for _, p := range unexplained {
		v.found(Finding{Position: p, Text: "its body is missing, and no event says that it was redacted"})
	}
	for i, c := range log.Checkpoints {
		text := v.against(log.GatewayID, c)
		if text == "" {
			continue
		}
		f := Finding{Position: Position{Seq: c.Seq}, IsBatch: true, Text: text}
		for _, l := range v.losses {
			if l.covers(log.Checkpoints, i) {
				f.Accepted = l.said
			}
		}
		v.found(f)
	}
}

// against compares a checkpoint with the log.
func (v *verifier) against(gatewayID string, c Checkpoint) string {
	hash, isThere := v.hashes[c.Seq]
	switch {
	case c.GatewayID != gatewayID:
		return fmt.Sprintf("the checkpoint of %s is of another gateway, %s", c.when(), c.GatewayID)
	case c.Seq > v.head.Seq:
		return fmt.Sprintf("the log had this batch at the checkpoint of %s, and now ends at batch %d: its end was cut off", c.when(), v.head.Seq)
	case !isThere:
		return fmt.Sprintf("the log had this batch at the checkpoint of %s, and it is missing", c.when())
	case hash != c.Hash:
		return fmt.Sprintf("its hash is not that of the checkpoint of %s: the log was written anew", c.when())
	}
	return ""
}
