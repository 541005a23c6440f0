package term

import (
	"context"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/cmd/chaim/internal/term/termtest"
)

const patience = time.Minute // until a test fails

func TestOutletLosesWhatIsNotRead(t *testing.T) {
	r, w := termtest.FullPipe(t)
	o := NewImpatientOutlet(w)
	began := time.Now()
	for range 100 {
		_, err := io.WriteString(o, "lost\n")
		require.ErrorIs(t, err, ErrGivenUp)
	}
	assert.Less(t, time.Since(began), 2*ReaderPatience, "waited for once")

	// The first text still waits for room. Once that is there, others are written again.
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(r)
		read <- strings.Trim(string(text), "\x00")
	}()
	require.Eventually(t, func() bool {
		_, err := io.WriteString(o, "heard\n")
		return err == nil
	}, patience, time.Millisecond)
	require.NoError(t, w.Close())
	assert.Equal(t, "lost\nheard\n", <-read)
}

func TestOutletWaitsForItsReaderUntilTheEnd(t *testing.T) {
	_, w := termtest.FullPipe(t)
	ctx, end := context.WithCancelCause(t.Context())
	o := NewOutlet(ctx, w)
	done := make(chan error)
	go func() {
		_, err := io.WriteString(o, "text")
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(2 * ReaderPatience):
	}
	end(errStopped)
	assert.Equal(t, errStopped, <-done)
}

// TestOutletHolds has another program draw on the terminal.
func TestOutletHolds(t *testing.T) {
	user, program := terminal(t)
	o := NewImpatientOutlet(program)
	say := func(text string) {
		_, err := io.WriteString(o, text)
		require.NoError(t, err)
	}
	o.Hold()
	say("held\n")
	_, err := io.WriteString(program, "drawing\n")
	require.NoError(t, err)
	o.Release()
	say("said\n")
	o.Hold()
	for range maxHeld/2 + 1 {
		say("x\n")
	}
	assert.LessOrEqual(t, len(o.hold.text), maxHeld)
	o.hold.text = o.hold.text[maxHeld-6:]
	o.Release()
	require.NoError(t, program.Close())
	screen, err := io.ReadAll(user)
	assert.ErrorIs(t, err, syscall.EIO)
	assert.Equal(t, "drawing\r\nheld\r\nsaid\r\nchaim: more was said before, which --log-file keeps\r\nx\r\nx\r\n", string(screen))

	_, pipe := termtest.FullPipe(t)
	o = NewImpatientOutlet(pipe)
	o.Hold()
	_, err = io.WriteString(o, "text")
	assert.ErrorIs(t, err, ErrGivenUp, "only a terminal is held")
}
