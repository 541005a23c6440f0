// Command with runs a program with credentials of the account "sredev", and removes them when it ends or on Ctrl-C:
//
//	go run ./examples/with aws s3 ls
package main

import (
	"context"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/chaim-go/chaim"
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: with PROGRAM [ARGUMENT...]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	opts := chaim.Options{Account: "sredev", Role: "rro"}
	err := chaim.WithContext(ctx, opts, func(ctx context.Context, c *chaim.Client) error {
		cmd := exec.CommandContext(ctx, os.Args[1], os.Args[2:]...)
		cmd.Env = c.ChildEnviron(os.Environ())
		cmd.Stdin = os.Stdin
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	})
	if err != nil {
		log.Fatal(err)
	}
}
