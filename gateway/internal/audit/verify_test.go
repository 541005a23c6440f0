package audit_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

const gatewayID = "gw_0001"

var now = time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC)

// log is a log in memory.
type log struct {
	batches []audit.Batch
	events  []audit.Entry
	head    audit.Head
	points  []audit.Checkpoint
}

func newLog() *log { return &log{head: audit.Genesis(gatewayID)} }

func (l *log) append(events ...audit.Event) {
	var entries []audit.Entry
	for _, e := range events {
		entries = append(entries, audit.Seal(e))
	}
	b := l.head.Seal(audit.Header{At: now, Auth: int64(len(l.batches)/2 + 1), Writer: "replica-1"}, entries)
	l.batches, l.events = append(l.batches, b), append(l.events, entries...)
	l.head = audit.Head{Seq: b.Seq, Hash: audit.Hash(b.Hash)}
}

func (l *log) checkpoint() {
	l.points = append(l.points, audit.Checkpoint{GatewayID: gatewayID, Head: l.head, At: now})
}

func (l *log) redact(p audit.Position) {
	for i, e := range l.events {
		if e.Position == p {
			l.events[i] = audit.Entry{Position: p, Leaf: e.Leaf}
		}
	}
}

// clone copies the rows, so that a test can change them.
func (l *log) clone() *log {
	c := &log{head: l.head, points: slices.Clone(l.points)}
	for _, b := range l.batches {
		b.Prev, b.Hash = slices.Clone(b.Prev), slices.Clone(b.Hash)
		c.batches = append(c.batches, b)
	}
	for _, e := range l.events {
		e.Salt, e.Body, e.Leaf = slices.Clone(e.Salt), slices.Clone(e.Body), slices.Clone(e.Leaf)
		c.events = append(c.events, e)
	}
	return c
}

func sequence[T any](rows []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (l *log) verify(t *testing.T) (found []audit.Finding) {
	_, err := audit.Verify(audit.Log{
		GatewayID: gatewayID, Batches: sequence(l.batches), Events: sequence(l.events), Checkpoints: l.points,
	}, func(f audit.Finding) { found = append(found, f) })
	require.NoError(t, err)
	return found
}

// sample is a log with events of all columns, a redacted one among them, and a checkpoint.
func sample() *log {
	full := audit.Event{
		Type: audit.IssueIssued, At: now, Actor: audit.Actor{Kind: "user", Name: "ann", Token: "tok_1", IP: "10.0.0.1", Agent: "cca <1> \u2028 \x00"},
		Subject: "bob", Account: "123456789012", Role: "rro", Issue: "iss_1", Details: map[string]string{"key_id": "ASIA1", "none": ""},
	}
	l := newLog()
	l.append(audit.Event{Type: audit.GatewayCreated, At: now})
	l.append(full, full, audit.Event{Type: audit.UserAdded, At: now, Subject: "bad \xff\xfe name"})
	l.append(full)
	l.append(audit.Redaction(audit.Actor{Kind: "os", Name: "root@host"}, now, audit.Position{Seq: 2, Idx: 1}, "a name"))
	l.checkpoint()
	l.append(full)
	l.redact(audit.Position{Seq: 2, Idx: 1})
	return l
}

func TestAWholeLogHasNoFindings(t *testing.T) {
	assert.Empty(t, sample().verify(t))
	assert.Empty(t, newLog().verify(t))
}

// variants are all values that differ from v in one byte, and some that differ more.
func variants(v reflect.Value) (all []any) {
	switch x := v.Interface().(type) {
	case int64:
		return []any{x + 1, x - 1, -x - 1, x ^ 1<<40}
	case []byte:
		for i := range x {
			other := slices.Clone(x)
			other[i] ^= 1
			all = append(all, other)
		}
		if x != nil {
			all = append(all, []byte(nil), x[:len(x)-1])
		}
		return append(all, append(slices.Clone(x), 0))
	}
	s := v.String()
	for i := range len(s) {
		all = append(all, s[:i]+string(s[i]^1)+s[i+1:])
	}
	if s != "" {
		all = append(all, "")
	}
	return append(all, s+"x")
}

// columns are the fields of a row, those of embedded structs too.
func columns(v reflect.Value) map[string]reflect.Value {
	found := map[string]reflect.Value{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		if !f.Anonymous {
			found[f.Name] = v.FieldByIndex(f.Index)
		}
	}
	return found
}

func TestAByteChangedInAnyColumnIsNamed(t *testing.T) {
	whole := sample()
	try := func(what string, seq int64, rowOf func(*log) reflect.Value) {
		for name, column := range columns(rowOf(whole.clone())) {
			for _, value := range variants(column) {
				l := whole.clone()
				field := columns(rowOf(l))[name]
				field.Set(reflect.ValueOf(value).Convert(field.Type()))
				slices.SortStableFunc(l.events, func(a, b audit.Entry) int { // as the database gives them
					return map[bool]int{true: 1, false: -1}[a.Position.IsAfter(b.Position)]
				})
				slices.SortStableFunc(l.batches, func(a, b audit.Batch) int { return int(min(1, max(-1, a.Seq-b.Seq))) })
				found := l.verify(t)
				isNamed := slices.ContainsFunc(found, func(f audit.Finding) bool { return f.Seq == seq })
				assert.True(t, isNamed, "%s: column %s = %v: %v", what, name, value, found)
			}
		}
	}
	for i, b := range whole.batches {
		try(fmt.Sprintf("batch %d", b.Seq), b.Seq, func(l *log) reflect.Value { return reflect.ValueOf(&l.batches[i]).Elem() })
	}
	for i, e := range whole.events {
		try("event "+e.Position.String(), e.Seq, func(l *log) reflect.Value { return reflect.ValueOf(&l.events[i]).Elem() })
	}
}

func TestARemovedRowIsNamed(t *testing.T) {
	whole := sample()
	for i, e := range whole.events {
		l := whole.clone()
		l.events = slices.Delete(l.events, i, i+1)
		assert.True(t, slices.ContainsFunc(l.verify(t), func(f audit.Finding) bool { return f.Seq == e.Seq }), e.Position)
	}
	for i, b := range whole.batches[:len(whole.batches)-1] {
		l := whole.clone()
		l.batches = slices.Delete(l.batches, i, i+1)
		assert.Contains(t, texts(l.verify(t)), fmt.Sprintf("batch %d: the 1 batches before it are missing", b.Seq+1))
	}
}

func texts(found []audit.Finding) (all []string) {
	for _, f := range found {
		all = append(all, f.String())
	}
	return all
}

func TestACutEndIsNamedByTheCheckpoint(t *testing.T) {
	l := sample()
	l.batches, l.events = l.batches[:3], l.events[:5]
	assert.Equal(t, []string{
		"event 2.1: its body is missing, and no event says that it was redacted",
		"batch 4: the log had this batch at the checkpoint of 2026-05-04T03:02:01Z, and now ends at batch 3: its end was cut off",
	}, texts(l.verify(t)))
}

func TestALogWrittenAnewIsNamedByTheCheckpoint(t *testing.T) {
	l := newLog()
	for range 5 {
		l.append(audit.Event{Type: audit.UserAdded, At: now})
	}
	l.points = sample().points
	assert.Equal(t, []string{"batch 4: its hash is not that of the checkpoint of 2026-05-04T03:02:01Z: the log was written anew"}, texts(l.verify(t)))
}

func TestRedaction(t *testing.T) {
	victim := audit.Position{Seq: 1, Idx: 0}
	event := audit.Event{Type: audit.UserAdded, At: now, Subject: "ann"}
	redaction := func(p audit.Position) audit.Event { return audit.Redaction(audit.Actor{Kind: "os"}, now, p, "why") }
	for name, tc := range map[string]struct {
		build func(l *log)
		want  []string
	}{
		"rightly":          {func(l *log) { l.append(redaction(victim)); l.redact(victim) }, nil},
		"without an event": {func(l *log) { l.redact(victim) }, []string{"event 1.0: its body is missing, and no event says that it was redacted"}},
		"another event": {func(l *log) { l.append(redaction(audit.Position{Seq: 1, Idx: 1})); l.redact(victim) }, []string{
			"event 2.0: it says that event 1.1 was redacted, which is still there",
			"event 1.0: its body is missing, and no event says that it was redacted",
		}},
		"columns are left": {func(l *log) { l.append(redaction(victim)); l.redact(victim); l.events[0].Subject = "ann" }, []string{
			"event 1.0: its body is missing, but not all of its other columns are empty",
		}},
		"the salt is left": {func(l *log) {
			l.append(redaction(victim))
			salt := l.events[0].Salt
			l.redact(victim)
			l.events[0].Salt = salt
		}, []string{"event 1.0: its body is missing, but not all of its other columns are empty"}},
		"nothing was removed": {func(l *log) { l.append(redaction(victim)) }, []string{"event 2.0: it says that event 1.0 was redacted, which is still there"}},
		"a later event":       {func(l *log) { l.append(redaction(audit.Position{Seq: 9})) }, []string{"event 2.0: it does not say which earlier event was redacted"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog()
			l.append(event, event)
			tc.build(l)
			assert.Equal(t, tc.want, texts(l.verify(t)))
		})
	}
}

func TestAnAcceptedForkIsToldFromOthers(t *testing.T) {
	l := newLog()
	event := audit.Event{Type: audit.UserAdded, At: now}
	l.append(event)
	l.checkpoint()
	lost := l.clone()
	lost.append(event)
	lost.checkpoint()
	lost.append(event)
	lost.checkpoint()
	l.points = lost.points

	err := audit.CompareLast(t.Context(), l.points, l.head, l.hashes())
	var fork *audit.ForkError
	require.ErrorAs(t, err, &fork)
	assert.ErrorContains(t, err, "the audit log ends at batch 1, but it had batch 3 at the checkpoint of")
	l.append(audit.Event{Type: audit.GatewayRestored, At: now, Details: fork.Lost()})
	l.checkpoint()
	require.NoError(t, audit.CompareLast(t.Context(), l.points, l.head, l.hashes()))

	found := l.verify(t)
	require.Len(t, found, 2, texts(found))
	for _, f := range found {
		assert.Equal(t, audit.Position{Seq: 2}, f.Accepted)
	}
	l.points = append(l.points, audit.Checkpoint{GatewayID: gatewayID, Head: audit.Head{Seq: 2}, At: now})
	found = l.verify(t)
	require.Len(t, found, 3)
	assert.Zero(t, found[2].Accepted, "it was made after the fork")
}

// hashes finds the hashes of a log's batches.
func (l *log) hashes() func(context.Context, int64) (audit.Hash, error) {
	return func(_ context.Context, seq int64) (audit.Hash, error) {
		if seq > int64(len(l.batches)) {
			return audit.Hash{}, errors.New("no such batch")
		}
		return audit.Hash(l.batches[seq-1].Hash), nil
	}
}

func TestVerifyReturnsErrorsOfReading(t *testing.T) {
	broken := errors.New("broken")
	fails := func(yield func(audit.Entry, error) bool) { yield(audit.Entry{}, broken) }
	for _, l := range []audit.Log{
		{Batches: sequence(sample().batches), Events: fails},
		{Batches: func(yield func(audit.Batch, error) bool) { yield(audit.Batch{}, broken) }, Events: sequence(sample().events)},
	} {
		_, err := audit.Verify(l, func(audit.Finding) {})
		require.ErrorIs(t, err, broken)
	}
}

func keyPair(t *testing.T) (note.Signer, note.Verifiers) {
	private, public, err := note.GenerateKey(rand.Reader, "gateway")
	require.NoError(t, err)
	signer, err := note.NewSigner(private)
	require.NoError(t, err)
	verifier, err := note.NewVerifier(public)
	require.NoError(t, err)
	return signer, note.VerifierList(verifier)
}

func TestCheckpointsAreReadBack(t *testing.T) {
	signer, verifiers := keyPair(t)
	f := audit.CheckpointFile{Path: filepath.Join(t.TempDir(), "checkpoints")}
	none, wrong, err := f.Read(verifiers)
	require.NoError(t, err)
	assert.Empty(t, none)
	assert.Empty(t, wrong)
	var want []audit.Checkpoint
	for seq := range int64(20) { // more than the part of the file that is read for its end
		c := audit.Checkpoint{GatewayID: gatewayID, Head: audit.Head{Seq: seq, Hash: audit.Hash{byte(seq)}}, At: now.Truncate(time.Second)}
		signed, err := c.Sign(signer)
		require.NoError(t, err)
		require.NoError(t, f.Append(signed))
		want = append(want, c)
	}
	got, wrong, err := f.Read(verifiers)
	require.NoError(t, err)
	assert.Empty(t, wrong)
	assert.Equal(t, want, got)
}

func TestALastCheckpointThatSaysNothingIsRefused(t *testing.T) {
	signer, verifiers := keyPair(t)
	stranger, _ := keyPair(t)
	f := audit.CheckpointFile{Path: filepath.Join(t.TempDir(), "checkpoints")}
	require.NoError(t, f.CheckLast(verifiers))
	for i, tc := range []struct {
		by     note.Signer
		isGood bool
	}{{signer, true}, {stranger, false}, {signer, true}} {
		signed, err := audit.Checkpoint{GatewayID: gatewayID, Head: audit.Head{Seq: int64(i)}, At: now}.Sign(tc.by)
		require.NoError(t, err)
		require.NoError(t, f.Append(signed))
		if tc.isGood {
			require.NoError(t, f.CheckLast(verifiers))
		} else {
			require.ErrorContains(t, f.CheckLast(verifiers), "is no checkpoint of this gateway")
		}
	}
}

func TestALineOfACrashIsRemovedAndOthersAreNamed(t *testing.T) {
	signer, verifiers := keyPair(t)
	stranger, _ := keyPair(t)
	f := audit.CheckpointFile{Path: filepath.Join(t.TempDir(), "checkpoints")}
	sign := func(s note.Signer) []byte {
		signed, err := audit.Checkpoint{GatewayID: gatewayID, At: now}.Sign(s)
		require.NoError(t, err)
		return signed
	}
	require.NoError(t, f.Append(sign(signer)))
	appendText(t, f.Path, `{"note":"half`)
	got, wrong, err := f.Read(verifiers)
	require.NoError(t, err)
	assert.Len(t, got, 1)
	assert.Empty(t, wrong)
	require.NoError(t, f.Append(sign(stranger)))
	appendText(t, f.Path, "rubbish\n")
	require.NoError(t, f.Append(sign(signer)))
	got, wrong, err = f.Read(verifiers)
	require.NoError(t, err)
	assert.Len(t, got, 2)
	require.Len(t, wrong, 2)
	assert.Contains(t, wrong[0].Text, "line 2 of the checkpoints")
	assert.Contains(t, wrong[1].Text, "line 3 of the checkpoints")
}

func TestExports(t *testing.T) {
	l := sample()
	var jsonl, csv strings.Builder
	require.NoError(t, audit.WriteJSONL(&jsonl, sequence(l.events)))
	lines := strings.Split(jsonl.String(), "\n")
	assert.Equal(t, `{"seq":1,"idx":0,"event":{"at":1777863721123456,"type":"gateway.created"}}`, lines[0])
	assert.Equal(t, `{"seq":2,"idx":1,"redacted":true}`, lines[2])
	assert.Len(t, lines, len(l.events)+1)

	l = newLog()
	l.append(audit.Event{Type: audit.AuthFailed, At: now, Actor: audit.Actor{Agent: `=cmd("x")`, IP: "::1"}, Details: map[string]string{"n": "2"}})
	l.append(audit.Event{Type: audit.UserAdded, At: now})
	l.redact(audit.Position{Seq: 2})
	require.NoError(t, audit.WriteCSV(&csv, sequence(l.events)))
	assert.Equal(t, strings.Join([]string{
		"seq,idx,at,type,actor,kind,token,ip,agent,subject,account,role,issue,details,redacted",
		`1,0,2026-05-04T03:02:01.123456Z,auth.failed,,,,::1,"'=cmd(""x"")",,,,,"{""n"":""2""}",`,
		"2,0,,,,,,,,,,,,,redacted", "",
	}, "\n"), csv.String())
}

func appendText(t *testing.T, path, text string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func FuzzBodyHasOneForm(f *testing.F) {
	for _, e := range sample().events {
		f.Add(e.Body)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := audit.ParseBody(text)
		if err != nil {
			return
		}
		assert.Equal(t, string(text), string(e.Body()))
	})
}
