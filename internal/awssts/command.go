package awssts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/chaim-go/chaim/internal/awsenv"
)

// commandTimeout is how long a command has to print a code: a person may have to touch a key.
const commandTimeout = time.Minute

// maxOutput is how many bytes of a command's output are read.
const maxOutput = 4 << 10

// output runs a command with the shell and returns its output. The command has the stderr of this process, because it may
// ask a person to touch a key. Errors do not quote the command, which may hold a secret.
func output(ctx context.Context, command string, variables ...string) (string, error) {
	ctx, stop := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("the command ran longer than %s", commandTimeout))
	defer stop()
	cmd := shell(ctx, command)
	cmd.Env = append(awsenv.WithoutToken(os.Environ()), variables...)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second
	text := &limited{}
	cmd.Stdout = text
	switch err := cmd.Run(); {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", err
	}
	return string(text.held), text.err
}

// limited holds a short text.
type limited struct {
	held []byte
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	if len(l.held)+len(p) > maxOutput {
		l.err = errors.New("the command printed too much")
		return 0, l.err
	}
	l.held = append(l.held, p...)
	return len(p), nil
}
