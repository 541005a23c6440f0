package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shown is what stands on a terminal of that width after this was written to it. Of the escape sequences it knows the one that
// erases the rest of a line.
func shown(t *testing.T, width int, written string) (lines []string) {
	t.Helper()
	line, column := "", 0
	end := func() {
		lines, line, column = append(lines, strings.TrimRight(line, " ")), "", 0
	}
	for _, r := range strings.ReplaceAll(written, eraseLine, "\x00") {
		switch cells := []rune(line); {
		case r == '\r':
			column = 0
		case r == '\n':
			end()
		case r == 0:
			line = string(cells[:column])
		case column == width:
			end()
			line, column = string(r), 1
		default:
			require.NotEqual(t, '\x1b', r)
			line = string(append(cells[:column:column], append([]rune{r}, cells[min(column+1, len(cells)):]...)...))
			column++
		}
	}
	if line != "" {
		end()
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
		s.showProgress(&terminal, func() int { return 80 }, drawing{}, 4)
		out := s.sink(&terminal)

		<-time.After(barDelay - 1)
		synctest.Wait()
		require.Empty(t, terminal.String(), "a short run has none")

		<-time.After(1)
		synctest.Wait()
		require.Contains(t, shown(t, 80, terminal.String())[0], "(0/4)")

		_, err := out.Write([]byte("a | 1\na | 2\n"))
		require.NoError(t, err)
		require.Equal(t, []string{"a | 1", "a | 2"}, shown(t, 80, terminal.String()), "the bar is out of the way")

		s.progress(3)
		<-time.After(barPeriod)
		synctest.Wait()
		lines := shown(t, 80, terminal.String())
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
		assert.Equal(t, []string{"a | 1", "a | 2", "level=WARN msg=careful n=1", "b | 3"}, shown(t, 80, terminal.String()))
	})
}

func TestProgressBarFitsInOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, total := range []int{1, 60, 1000} {
			var terminal strings.Builder
			width := 0
			b := &bar{w: &terminal, width: func() int { return width }, drawing: drawing{hasBlocks: true}, total: total, began: time.Now()}
			<-time.After(time.Hour)
			for width = range 120 {
				for _, done := range []int{0, total / 2, total} {
					terminal.Reset()
					b.count.Store(int64(done))
					require.NoError(t, b.draw())
					require.NoError(t, b.draw())
					lines := shown(t, max(width, 1), terminal.String())
					require.LessOrEqual(t, len(lines), 1, "%d columns: %q", width, lines)
					if width > 35 {
						require.Contains(t, lines[0], fmt.Sprintf("| (%d/%d) [1h0m0s]", done, total))
						require.Equal(t, done == total, !strings.Contains(lines[0], "░"), lines)
					}
					b.hide()
					require.Empty(t, shown(t, max(width, 1), terminal.String()))
				}
			}
		}
	})
}
