package term

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/term/termtest"
)

// screenFile is a file as a terminal, which is read again.
func screenFile(t *testing.T) (o *Outlet, written func() string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "screen"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	return NewOutlet(context.Background(), file), func() string {
		text, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		return string(text)
	}
}

func TestProgressBar(t *testing.T) {
	terminal, written := screenFile(t)
	synctest.Test(t, func(t *testing.T) {
		var turn sync.Mutex
		p := newProgress(terminal, Drawing{}, 4)
		p.running.Go(func() { p.run(&turn) })
		write := func(text string) {
			turn.Lock()
			defer turn.Unlock()
			p.Hide()
			_, err := terminal.File().WriteString(text)
			require.NoError(t, err)
		}

		<-time.After(progressDelay - 1)
		synctest.Wait()
		require.Empty(t, written(), "a short run has none")

		<-time.After(1)
		synctest.Wait()
		require.Contains(t, termtest.Shown(t, 80, written())[0], "(0/4)")

		write("a | 1\na | 2\n")
		require.Equal(t, []string{"a | 1", "a | 2"}, termtest.Shown(t, 80, written()), "the bar is out of the way")

		p.Set(3)
		<-time.After(progressPeriod)
		synctest.Wait()
		lines := termtest.Shown(t, 80, written())
		require.Len(t, lines, 3)
		require.Contains(t, lines[2], "75%")
		require.Contains(t, lines[2], "(3/4)")

		_, err := terminal.Write([]byte("chaim: careful\n"))
		require.NoError(t, err)
		p.Set(4)
		<-time.After(progressPeriod)
		synctest.Wait()
		require.Contains(t, termtest.Shown(t, 80, written())[3], "(4/4)")

		turn.Lock()
		before := written()
		<-time.After(time.Hour)
		synctest.Wait()
		require.Equal(t, before, written(), "another has the turn")
		turn.Unlock()

		write("b | 3\n")
		p.End()
		assert.Equal(t, []string{"a | 1", "a | 2", "chaim: careful", "b | 3"}, termtest.Shown(t, 80, written()))
		before = written()
		p.Hide()
		require.Equal(t, before, written(), "there is nothing to erase")
	})
}

func TestProgressBarFitsInOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, total := range []int{1, 60, 1000} {
			p := newProgress(nil, Drawing{HasBlocks: true}, total)
			<-time.After(time.Hour)
			for width := range 120 {
				for _, done := range []int{0, total / 2, total} {
					p.Set(done)
					line := p.line(width)
					lines := termtest.Shown(t, max(width, 1), line+"\r"+line)
					require.LessOrEqual(t, len(lines), 1, "%d columns: %q", width, lines)
					if width > 35 {
						require.Contains(t, lines[0], fmt.Sprintf("| (%d/%d) [1h0m0s]", done, total))
						require.Equal(t, done == total, !strings.Contains(lines[0], "░"), lines)
					}
				}
			}
		}
	})
}
