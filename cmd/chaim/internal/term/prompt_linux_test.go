package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal returns the user's end of a terminal, and the program's.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, program, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { user.Close(); program.Close() })
	return user, program
}

// isEchoing reports whether a terminal shows what is typed.
func isEchoing(t *testing.T, f *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return state.Lflag&unix.ECHO != 0
}

// asking asks a question on a terminal, and waits until the terminal hides the answer.
func asking(t *testing.T, ctx context.Context) (user, program *os.File, answer func() (string, error)) {
	t.Helper()
	user, program = terminal(t)
	var text string
	var err error
	done := make(chan struct{})
	go func() {
		text, err = Ask(ctx, program, program, "Token", true)
		close(done)
	}()
	for isEchoing(t, program) {
		runtime.Gosched()
	}
	return user, program, func() (string, error) { <-done; return text, err }
}

func TestSecretAnswerIsNotShown(t *testing.T) {
	user, program, answer := asking(t, t.Context())
	_, err := io.WriteString(user, " CANARY-answer \n")
	require.NoError(t, err)
	text, err := answer()
	require.NoError(t, err)
	assert.True(t, text == "CANARY-answer")
	assert.True(t, isEchoing(t, program))
	_, err = io.WriteString(program, "END")
	require.NoError(t, err)
	var shown bytes.Buffer
	for one := make([]byte, 1); !bytes.HasSuffix(shown.Bytes(), []byte("END")); shown.Write(one) {
		_, err := user.Read(one)
		require.NoError(t, err)
	}
	assert.Equal(t, "Token: \r\nEND", shown.String())
}

var errStopped = errors.New("stopped")

func TestEndOfContextEndsAQuestion(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	user, program, answer := asking(t, ctx)
	cancel(errStopped)
	_, err := answer()
	require.ErrorIs(t, err, errStopped)
	assert.True(t, isEchoing(t, program), "the terminal is as it was")
	_, err = io.WriteString(user, "\n") // ends the read
	require.NoError(t, err)
}
