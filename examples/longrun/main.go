// Command longrun runs a program that outlives its keys: a Python program that makes one boto3 client and uses it for three
// lifetimes of its keys. With a profile of the form Keys, AWS refuses the client when its first keys expire. With a profile
// of the form Process the client gets new keys by itself. The gateway and the STS are the command's own, and a lifetime
// takes seconds.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

//go:embed child.py
var program string

const (
	lifetimes = 3
	wantKeys  = 4
)

// errExpired stands for the program's exit code 3.
var errExpired = errors.New("the keys of the Python program expired")

func main() {
	python := flag.String("python", "python3", "Python 3 with boto3")
	lifetime := flag.Duration("lifetime", 6*time.Second, "how long each set of keys is valid")
	flag.Parse()
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *python, *lifetime); err != nil {
		log.Fatal("longrun: ", err)
	}
}

func run(ctx context.Context, out io.Writer, python string, lifetime time.Duration) (err error) {
	home, err := os.MkdirTemp("", "chaim-longrun-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	srv := chaimtest.NewServer(nil)
	defer srv.Close()
	srv.SetLifetime(lifetime)

	command := []string{python, "-", srv.STSURL(), fmt.Sprint((lifetimes * lifetime).Seconds()), fmt.Sprint(wantKeys)}
	env := append(os.Environ(), srv.Environ(home)...)
	opts := chaim.Options{Account: "sredev", Settings: srv.Settings(), Dir: home}
	fmt.Fprintf(out, "one client for %s, with keys that are valid for %s\n", lifetimes*lifetime, lifetime)
	err = lend(ctx, out, opts, command, env)
	switch {
	case err == nil:
		return errors.New("the client with a profile of the form Keys should have been refused")
	case !errors.Is(err, errExpired):
		return err
	}
	opts.Form = chaim.Process
	return lend(ctx, out, opts, command, env)
}

// lend runs the Python program with a profile.
func lend(ctx context.Context, out io.Writer, opts chaim.Options, command, env []string) error {
	return chaim.WithContext(ctx, opts, func(ctx context.Context, c *chaim.Client) error {
		fmt.Fprintf(out, "%s:\n", opts.Form)
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Env = c.ChildEnviron(env)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(program), out, os.Stderr
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &exit) && exit.ExitCode() == 3:
			return errExpired
		}
		return err
	})
}
