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

// maxInput is how long a secret that somebody hands in may be.
const maxInput = 64 << 10

// ask asks the user a question on the terminal that is the standard input. The answer to a secret one is not shown.
func (a *app) ask(ctx context.Context, question string, isSecret bool) (string, error) {
	fmt.Fprintf(a.err, "%s: ", question)
	fd := int(a.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", errtext.Wrap(err, "asking for the %s", question)
	}
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1) // nobody can take back a read
	go func() {
		var got answer
		if isSecret {
			text, err := term.ReadPassword(fd)
			got = answer{string(text), err}
			fmt.Fprintln(a.err)
		} else {
			got.text, got.err = readLine(a.in)
		}
		answers <- got
	}()
	select {
	case got := <-answers:
		if errors.Is(got.err, io.EOF) {
			return "", usageError{"there was no answer to " + question}
		}
		return strings.TrimSpace(got.text), got.err
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		fmt.Fprintln(a.err)
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

// readSecret reads what was handed in, which is of one line.
func readSecret(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	switch {
	case secret == "":
		return "", errors.New("chaim: it is empty")
	case len(text) > maxInput || strings.ContainsAny(secret, "\r\n"):
		return "", errors.New("chaim: it is more than one line")
	}
	return secret, nil
}
