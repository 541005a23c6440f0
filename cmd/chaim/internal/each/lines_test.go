package each

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
)

// prefixed is what writeLines makes of a text.
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
			output, program := io.Pipe()
			go func() {
				for rest := []byte(text); len(rest) > 0; {
					n := 1 + random.IntN(min(most, len(rest)))
					if most == 1 && len(rest) > 4096 {
						n = 4096
					}
					_, _ = program.Write(rest[:n])
					rest = rest[n:]
				}
				_ = program.Close()
			}()
			writeLines(w, "name | ", output)
			require.True(t, prefixed("name | ", text) == w.String(),
				"%d bytes, up to %d at once: %.100q", len(text), most, w.String())
		}
	}
}

func TestLongLineIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		output, program := io.Pipe()
		go writeLines(&w, "", output)
		_, err := program.Write(bytes.Repeat([]byte("x"), maxLine))
		require.NoError(t, err)
		synctest.Wait()
		require.Zero(t, w.Len())
		_, err = program.Write([]byte("x"))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, maxLine+1, w.Len())
		require.NoError(t, program.Close())
		synctest.Wait()
		require.Equal(t, maxLine+3, w.Len())
	})
}

func TestLineIsNotWaitedForByTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		output, program := io.Pipe()
		go writeLines(&w, "", output)
		_, err := program.Write([]byte("a\nb\nc"))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, "a\nb\n", w.String())
		require.NoError(t, program.Close())
		synctest.Wait()
		require.Equal(t, "a\nb\nc\n", w.String())
	})
}

// newTestScreen returns a screen whose stdout and stderr are both a file.
func newTestScreen(run context.Context, fail context.CancelCauseFunc, file *os.File) *screen {
	return newScreen(run, fail, time.Second, term.NewOutlet(run, file), term.NewOutlet(run, file))
}

func TestLinesOfManyAreNotMixed(t *testing.T) {
	ctx, fail := context.WithCancelCause(t.Context())
	defer fail(nil)
	r, w, err := os.Pipe() // a write of more than 4 KiB can be torn
	require.NoError(t, err)
	s := newTestScreen(ctx, fail, w)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			output, program := io.Pipe()
			go func() {
				for n := range 200 {
					line := bytes.Repeat([]byte{byte('a' + i)}, n*n/4)
					for piece := range slices.Chunk(append(line, '\n'), 1+n*n/12) {
						_, _ = program.Write(piece)
					}
				}
				_ = program.Close()
			}()
			writeLines([]sink{s.out, s.err}[i%2], string([]byte{byte('a' + i), ' '}), output)
		})
	}
	go func() {
		all.Wait()
		_ = w.Close()
	}()
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, context.Cause(ctx))
	count := 0
	for line := range strings.Lines(string(text)) {
		count++
		rest := strings.TrimSuffix(line[2:], "\n")
		require.Equal(t, strings.Repeat(line[:1], len(rest)), rest)
	}
	require.Equal(t, 16*200, count)
}

// TestReaderThatReadsNothingIsNotWaitedFor has three who write to a pipe that is full.
func TestReaderThatReadsNothingIsNotWaitedFor(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	ctx, end := context.WithCancelCause(t.Context())
	s := newTestScreen(ctx, end, w)
	var writers sync.WaitGroup
	for _, to := range []sink{s.out, s.out, s.err} {
		writers.Go(func() {
			_, err := to.Write(bytes.Repeat([]byte("x"), 1<<20)) // more than there is room for
			assert.ErrorIs(t, err, term.ErrGivenUp)
		})
	}
	began := time.Now()
	end(errors.New("told to"))
	writers.Wait()
	assert.GreaterOrEqual(t, time.Since(began), time.Second)
	assert.Less(t, time.Since(began), 10*time.Second)
	assert.EqualError(t, context.Cause(ctx), "told to")
}

func TestOutputThatCannotBeWrittenEndsItAll(t *testing.T) {
	ctx, fail := context.WithCancelCause(t.Context())
	file, err := os.Open(os.DevNull) // not for writing
	require.NoError(t, err)
	defer file.Close()
	_, err = newTestScreen(ctx, fail, file).out.Write([]byte("x\n"))
	assert.ErrorIs(t, err, syscall.EBADF)
	assert.EqualError(t, context.Cause(ctx), "chaim: writing the output: write /dev/null: bad file descriptor")
}
