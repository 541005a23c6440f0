package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/chaim-go/chaim/internal/errtext"
)

// maxInput is how long a secret that is handed in may be.
const maxInput = 64 << 10

// ask asks the user a question on the terminal that is the standard input. The answer to a secret one is not shown.
func (a *app) ask(ctx context.Context, question string, isSecret bool) (string, error) {
	if question != "" { // else it is asked already
		fmt.Fprintf(a.err, "%s: ", question)
	}
	fd := int(a.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", errtext.Wrap(err, "asking for the %s", question)
	}
	text, err := await(ctx, func() (string, error) {
		if !isSecret {
			return readLine(a.in)
		}
		text, err := term.ReadPassword(fd)
		if question != "" {
			fmt.Fprintln(a.err)
		}
		return string(text), err
	})
	switch {
	case ctx.Err() != nil:
		_ = term.Restore(fd, before)
		fmt.Fprintln(a.err)
		return "", err
	case errors.Is(err, io.EOF):
		return "", usageError{"there was no answer to " + question}
	}
	return strings.TrimSpace(text), err
}

// await waits for a read, which cannot be taken back, or for the end of ctx.
func await(ctx context.Context, read func() (string, error)) (string, error) {
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

// readLine reads no byte more than the line, which term.ReadPassword would miss.
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

// readAll reads what was handed in.
func readAll(in io.Reader) (string, error) {
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

// readSecret reads what was handed in, which is of one line.
func readSecret(in io.Reader) (string, error) {
	secret, err := readAll(in)
	if err == nil && strings.ContainsAny(secret, "\r\n") {
		return "", errors.New("chaim: it is more than one line")
	}
	return secret, err
}
