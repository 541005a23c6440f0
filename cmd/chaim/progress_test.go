package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shown is what stands on a terminal after this was written to it. It knows no escape sequences.
func shown(t *testing.T, written string) []string {
	t.Helper()
	require.NotContains(t, written, "\x1b")
	var lines []string
	for line := range strings.Lines(written) {
		var cells []rune
		column := 0
		for _, r := range strings.TrimSuffix(line, "\n") {
			switch {
			case r == '\r':
				column = 0
				continue
			case column == len(cells):
				cells = append(cells, r)
			}
			cells[column] = r
			column++
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return lines
}

// screenText is a Writer that can be read meanwhile.
type screenText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screenText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screenText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestProgressBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancelCause(t.Context())
		defer end(nil)
		s := newScreen(ctx, end)
		var terminal screenText
		s.showProgress(&terminal, 4)
		out := s.sink(&terminal)

		<-time.After(barDelay - 1)
		synctest.Wait()
		require.Empty(t, terminal.String(), "a short run has none")

		<-time.After(1)
		synctest.Wait()
		require.Contains(t, shown(t, terminal.String())[0], "(0/4)")

		_, err := out.Write([]byte("a | 1\na | 2\n"))
		require.NoError(t, err)
		require.Equal(t, []string{"a | 1", "a | 2"}, shown(t, terminal.String()), "the bar is out of the way")

		s.progress(3)
		<-time.After(barPeriod)
		synctest.Wait()
		lines := shown(t, terminal.String())
		require.Len(t, lines, 3)
		require.Contains(t, lines[2], "75%")
		require.Contains(t, lines[2], "(3/4)")

		log := slog.New(s.logHandler(slog.NewTextHandler(&terminal, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
				if attr.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return attr
			},
		})))
		log.With("n", 1).WithGroup("g").Warn("careful")
		s.progress(4)
		<-time.After(barPeriod)
		synctest.Wait()
		_, err = out.Write([]byte("b | 3\n"))
		require.NoError(t, err)
		s.close()
		assert.Equal(t, []string{"a | 1", "a | 2", "level=WARN msg=careful n=1", "b | 3"}, shown(t, terminal.String()))
	})
}
