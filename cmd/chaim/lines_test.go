package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// prefixed is what a lineWriter makes of a text.
func prefixed(prefix, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		for piece := range slices.Chunk([]byte(line), maxLine) {
			fmt.Fprintf(&b, "%s%s\n", prefix, piece)
		}
		if line == "" {
			fmt.Fprintln(&b, prefix)
		}
	}
	return b.String()
}

// onlyLines fails where it is not written whole lines.
type onlyLines struct {
	t *testing.T
	bytes.Buffer
}

func (o *onlyLines) Write(p []byte) (int, error) {
	assert.True(o.t, bytes.HasSuffix(p, []byte("\n")))
	return o.Buffer.Write(p)
}

func TestLinesAreWholeHoweverTheyArrive(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	binary := make([]byte, 1000)
	for i := range binary {
		binary[i] = byte(random.Uint32())
	}
	for _, text := range []string{
		"", "\n", "a", "a\n", "a\nb", "\n\n\r\n", "a\r\n", "\x00\xff\n\xfe", string(binary),
		strings.Repeat("x", maxLine), strings.Repeat("x", maxLine) + "\n", strings.Repeat("x", maxLine+1) + "\n",
		strings.Repeat("x", 3*maxLine) + "\n" + strings.Repeat("ü", maxLine) + "\n\nend",
	} {
		for _, most := range []int{1, 7, 32 << 10, 1 << 20} {
			w := &onlyLines{t: t}
			l := &lineWriter{w: w, prefix: []byte("name | ")}
			for rest := []byte(text); len(rest) > 0; {
				n := 1 + random.IntN(min(most, len(rest)))
				if most == 1 && len(rest) > 4096 {
					n = 4096
				}
				written, err := l.Write(rest[:n])
				require.NoError(t, err)
				require.Equal(t, n, written)
				rest = rest[n:]
			}
			require.NoError(t, l.flush())
			require.NoError(t, l.flush())
			require.True(t, prefixed("name | ", text) == w.String(), "%d bytes, up to %d at once: %.100q", len(text), most, w.String())
		}
	}
}

func TestLongLineIsNotWaitedFor(t *testing.T) {
	var w bytes.Buffer
	l := &lineWriter{w: &w}
	_, err := l.Write(bytes.Repeat([]byte("x"), maxLine))
	require.NoError(t, err)
	require.Zero(t, w.Len())
	_, err = l.Write([]byte("x"))
	require.NoError(t, err)
	require.Equal(t, maxLine+1, w.Len())
	require.Len(t, l.rest, 1)
}

func TestLinesOfManyAreNotMixed(t *testing.T) {
	ctx, fail := context.WithCancelCause(t.Context())
	s := newScreen(ctx, fail)
	defer s.close()
	var out bytes.Buffer // the race detector sees two who write at once
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			l := &lineWriter{w: s.sink(&out), prefix: []byte{byte('a' + i), ' '}}
			for n := range 200 {
				line := bytes.Repeat([]byte{byte('a' + i)}, n)
				for piece := range slices.Chunk(append(line, '\n'), 1+n/3) {
					if _, err := l.Write(piece); err != nil {
						assert.NoError(t, err)
						return
					}
				}
			}
			assert.NoError(t, l.flush())
		})
	}
	all.Wait()
	count := 0
	for line := range strings.Lines(out.String()) {
		count++
		rest := strings.TrimSuffix(line[2:], "\n")
		require.Equal(t, strings.Repeat(line[:1], len(rest)), rest)
	}
	require.Equal(t, 16*200, count)
}

func TestReaderThatReadsNothingIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancelCause(t.Context())
		s := newScreen(ctx, end)
		r, w := io.Pipe()
		began := time.Now()
		time.AfterFunc(time.Hour, func() { end(errors.New("told to")) })
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				_, err := s.sink(w).Write([]byte("x\n"))
				assert.ErrorIs(t, err, errGivenUp)
			})
		}
		writers.Wait()
		assert.Equal(t, time.Hour+grace, time.Since(began))
		s.close()
		require.NoError(t, r.Close())
		assert.EqualError(t, context.Cause(ctx), "told to")
	})
}

func TestOutputThatCannotBeWrittenEndsItAll(t *testing.T) {
	ctx, fail := context.WithCancelCause(t.Context())
	s := newScreen(ctx, fail)
	defer s.close()
	r, w := io.Pipe()
	require.NoError(t, r.CloseWithError(errors.New("disk full")))
	_, err := s.sink(w).Write([]byte("x\n"))
	assert.EqualError(t, err, "disk full")
	assert.EqualError(t, context.Cause(ctx), "chaim: writing the output: disk full")
}
