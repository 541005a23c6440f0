// Command sso gives the credentials of an SSO login to a program that reads only the credentials file. The login is a profile
// of ~/.aws/config with an sso_session, as "aws configure sso" makes it. The credentials are removed when the program ends
// or on Ctrl-C:
//
//	go run ./examples/sso -profile work -- terraform plan
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/chaim-go/chaim"
)

func main() {
	login := flag.String("profile", "", "profile of the SSO login")
	flag.Parse()
	log.SetFlags(0)
	if *login == "" || flag.NArg() == 0 {
		log.Fatal("usage: sso -profile NAME -- PROGRAM [ARGUMENT...]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *login, flag.Args()); err != nil {
		log.Fatal("sso: ", err)
	}
}

func run(ctx context.Context, login string, command []string) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(login))
	if err != nil {
		return err
	}
	opts := chaim.Options{Region: cfg.Region, Source: cfg.Credentials}
	for _, source := range cfg.ConfigSources {
		if profile, ok := source.(config.SharedConfig); ok {
			opts.Account, opts.Role = profile.SSOAccountID, profile.SSORoleName
		}
	}
	if opts.Role == "" {
		return fmt.Errorf("profile %q has no SSO login", login)
	}
	return chaim.WithContext(ctx, opts, func(ctx context.Context, c *chaim.Client) error {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Env = c.ChildEnviron(os.Environ())
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err := cmd.Run(); ctx.Err() == nil {
			return err
		}
		return fmt.Errorf("%s was stopped: %w", command[0], context.Cause(ctx))
	})
}
