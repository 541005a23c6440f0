package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
)

// runProgram runs a program with the streams and the signals of this process. Its exit code becomes that of this process.
func runProgram(ctx context.Context, a *cli.App, words, env []string) error {
	cmd, err := command(words, env)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.Out, a.Err
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	started := make(chan *os.Process, 1) // a signal that comes meanwhile waits for the program
	release := a.Signals.Take(func(s os.Signal) bool {
		p := <-started
		started <- p
		if p != nil && !cli.IsTyped(s) { // the keyboard has sent it to the program too
			_ = p.Signal(s) // it may have ended
		}
		return true
	})
	defer release()
	if err := cmd.Start(); err != nil {
		started <- nil
		return cannotRun(words[0], err)
	}
	started <- cmd.Process
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &cli.Exit{Code: exitCode(exit)}
	}
	return err
}

// command makes the command of a program, which is looked for in the PATH of its own environment.
func command(words, env []string) (*exec.Cmd, error) {
	was, isSet := os.LookupEnv("PATH")
	for _, variable := range env {
		if path, isPath := cutVariable(variable, "PATH"); isPath {
			if err := os.Setenv("PATH", path); err != nil {
				return nil, err
			}
		}
	}
	path, err := exec.LookPath(words[0])
	if isSet {
		err = errors.Join(err, os.Setenv("PATH", was))
	}
	if err != nil {
		return nil, cannotRun(words[0], err)
	}
	cmd := exec.Command(path, words[1:]...)
	cmd.Args[0], cmd.Env = words[0], env
	return cmd, nil
}

func cannotRun(name string, err error) error {
	code := cli.ExitCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = cli.ExitNotFound
	}
	return &cli.Exit{Code: code, Text: fmt.Sprintf("cannot run %q: %v", name, err)}
}
