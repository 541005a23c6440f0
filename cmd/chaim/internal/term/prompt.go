package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	xterm "golang.org/x/term"

	"github.com/chaim-go/chaim/internal/errtext"
)

// maxInput is how many bytes an answer, a token file or the standard input may have.
const maxInput = 64 << 10

// ErrNoAnswer means that the terminal was closed in place of an answer.
var ErrNoAnswer = errors.New("chaim: there was no answer")

// Ask asks a question on the terminal in, and writes the prompt to out. It does not show the answer to a secret question.
// An empty question reads on without a prompt.
func Ask(ctx context.Context, in *os.File, out io.Writer, question string, isSecret bool) (string, error) {
	if question != "" {
		fmt.Fprintf(out, "%s: ", question)
	}
	fd := int(in.Fd())
	before, err := xterm.GetState(fd)
	if err != nil {
		return "", errtext.Wrap(err, "asking for the %s", question)
	}
	text, err := Await(ctx, func() (string, error) {
		if !isSecret {
			return readLine(in)
		}
		text, err := xterm.ReadPassword(fd)
		if question != "" {
			fmt.Fprintln(out)
		}
		return string(text), err
	})
	switch {
	case ctx.Err() != nil:
		_ = xterm.Restore(fd, before)
		fmt.Fprintln(out)
		return "", err
	case errors.Is(err, io.EOF):
		return "", errtext.Chain(fmt.Sprintf("chaim: there was no answer to %s", question), ErrNoAnswer)
	}
	return strings.TrimSpace(text), err
}

// Await calls read, and returns at the end of ctx even if read has not returned: a read from a terminal cannot be stopped.
func Await(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := read()
		answers <- answer{text, err}
	}()
	select {
	case got := <-answers:
		return got.text, got.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// readLine reads one line byte by byte: the next question must find the rest of the input in the terminal.
func readLine(in *os.File) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxInput {
		n, err := in.Read(one)
		switch {
		case n == 1 && one[0] == '\n':
			return string(line), nil
		case n == 1:
			line = append(line, one[0])
		case err != nil && len(line) == 0:
			return "", err
		case err != nil:
			return string(line), nil
		}
	}
	return "", errors.New("chaim: the answer is too long")
}

// readOnce reads once from a terminal that has input.
func readOnce(terminal *os.File) ([]byte, error) {
	text := make([]byte, 256)
	n, err := terminal.Read(text)
	return text[:n], err
}

// ReadAll reads a text of at most 64 KiB, without the space around it.
func ReadAll(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	switch {
	case secret == "":
		return "", errors.New("chaim: it is empty")
	case len(text) > maxInput:
		return "", fmt.Errorf("chaim: it is longer than %d bytes", maxInput)
	}
	return secret, nil
}

// ReadSecret is ReadAll for a text of one line.
func ReadSecret(in io.Reader) (string, error) {
	secret, err := ReadAll(in)
	if err == nil && strings.ContainsAny(secret, "\r\n") {
		return "", errors.New("chaim: it is more than one line")
	}
	return secret, err
}
