package audit_test

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

func TestPositionsAreReadBack(t *testing.T) {
	for _, p := range []audit.Position{{}, {Seq: 12}, {Seq: 3, Idx: 255}} {
		got, err := audit.ParsePosition(p.String())
		require.NoError(t, err)
		assert.Equal(t, p, got)
	}
	got, err := audit.ParsePosition("")
	require.NoError(t, err)
	assert.Zero(t, got)
	for _, text := range []string{"x", "1", "1.x", "-1.0", "1.-1", "1.2.3"} {
		_, err := audit.ParsePosition(text)
		assert.ErrorContains(t, err, "is not a position in the log", text)
	}
}

func TestFollowSkipsNothingAndRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sample()
		ctx, cancel := context.WithCancel(t.Context())
		read := func(_ context.Context, after audit.Position) iter.Seq2[audit.Entry, error] {
			for i, e := range l.events {
				if e.IsAfter(after) {
					return sequence(l.events[i:])
				}
			}
			return sequence[audit.Entry](nil)
		}
		var seen []audit.Position
		looks := 0
		err := audit.Follow(ctx, audit.Position{Seq: 2}, time.Second, read, func(events iter.Seq2[audit.Entry, error]) error {
			for e, err := range events {
				require.NoError(t, err)
				seen = append(seen, e.Position)
			}
			switch looks++; looks {
			case 2:
				l.append(audit.Event{Type: audit.UserAdded, At: now})
			case 4:
				cancel()
			}
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, []audit.Position{{Seq: 2, Idx: 1}, {Seq: 2, Idx: 2}, {Seq: 3}, {Seq: 4}, {Seq: 5}, {Seq: 6}}, seen)
	})
}

func TestACheckpointIsWrittenOnlyWithNews(t *testing.T) {
	signer, verifiers := keyPair(t)
	f := audit.CheckpointFile{Path: filepath.Join(t.TempDir(), "checkpoints")}
	synctest.Test(t, func(t *testing.T) {
		var seq atomic.Int64
		var fails atomic.Bool
		seq.Store(3)
		broken := errors.New("broken")
		c := &audit.Checkpointer{
			GatewayID: gatewayID, Signer: signer, File: f,
			Head: func(context.Context) (audit.Head, error) {
				if fails.Load() {
					return audit.Head{}, broken
				}
				return audit.Head{Seq: seq.Load()}, nil
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		var reports []error
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx, time.Minute, func(err error) { reports = append(reports, err) })
		}()
		time.Sleep(90 * time.Second) // of synctest's clock: two looks, one with news
		fails.Store(true)
		time.Sleep(time.Minute)
		fails.Store(false)
		seq.Store(5)
		time.Sleep(time.Minute)
		seq.Store(8)
		cancel()
		<-done
		assert.Equal(t, []error{nil, broken, nil, nil}, reports)
	})
	points, wrong, err := f.Read(verifiers)
	require.NoError(t, err)
	assert.Empty(t, wrong)
	var seqs []int64
	for _, p := range points {
		seqs = append(seqs, p.Seq)
	}
	assert.Equal(t, []int64{3, 5, 8}, seqs)
}

func TestTheLastCheckpointMustBeInTheLog(t *testing.T) {
	l := sample()
	require.NoError(t, audit.CompareLast(t.Context(), nil, l.head, l.hashes()))
	require.NoError(t, audit.CompareLast(t.Context(), l.points, l.head, l.hashes()))
	other := newLog()
	for range 5 {
		other.append(audit.Event{Type: audit.UserAdded, At: now})
	}
	err := audit.CompareLast(t.Context(), l.points, other.head, other.hashes())
	require.ErrorContains(t, err, "batch 4 of the audit log is not the one of the checkpoint of 2026-05-04T03:02:01Z")
	var fork *audit.ForkError
	require.ErrorAs(t, err, &fork)
	assert.Equal(t, int64(1), fork.From)
}
