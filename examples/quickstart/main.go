// Command quickstart gets credentials for a piece of work and removes them after it. It starts a gateway and an STS of its
// own on a loopback address and uses a scratch folder. With -real it uses your configured gateway and your own credentials
// file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func main() {
	real := flag.Bool("real", false, "use your configured gateway and the real AWS")
	account := flag.String("account", "sredev", "account for the credentials")
	role := flag.String("role", "mpu", "role in the account")
	flag.Parse()
	log.SetFlags(0)
	run := runDouble
	if *real {
		run = runReal
	}
	if err := run(*account, *role); err != nil {
		log.Fatal("quickstart: ", err)
	}
}

func runReal(account, role string) error {
	_, err := lend(account, role)
	return err
}

func runDouble(account, role string) (err error) {
	home, err := os.MkdirTemp("", "chaim-quickstart-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	srv := chaimtest.NewServer(nil)
	defer srv.Close()
	for _, variable := range srv.Environ(home) {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	say("gateway", srv.GatewayURL()+" (a test double)")
	say("home", home+" (scratch)")

	keys, err := lend(account, role)
	if err != nil {
		return err
	}
	srv.Advance(61 * time.Minute)
	_, err = whoAmI(config.WithCredentialsProvider(credentials.StaticCredentialsProvider{Value: keys}))
	var refusal smithy.APIError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("expired keys were not refused: %w", err)
	}
	say("later", "61 minutes on, AWS refuses the same keys: "+refusal.ErrorCode())
	return nil
}

// lend gets credentials, uses them inside the scope, and checks that the profile is gone after it.
func lend(account, role string) (keys aws.Credentials, err error) {
	var profile string
	err = chaim.With(account, role, 1, func(name string) error {
		profile = name
		say("inside", fmt.Sprintf("profile %q is lent for %s as %s", profile, account, role))
		arn, err := whoAmI(config.WithSharedConfigProfile(profile))
		if err != nil {
			return err
		}
		say("", arn)
		keys, err = keysOf(profile)
		return err
	})
	if err != nil {
		return keys, err
	}
	if _, err := keysOf(profile); !errors.As(err, new(config.SharedConfigProfileNotExistError)) {
		return keys, fmt.Errorf("profile %q should be gone: %w", profile, err)
	}
	say("after", fmt.Sprintf("profile %q is gone", profile))
	return keys, nil
}

// keysOf reads a profile as other programs do.
func keysOf(profile string) (aws.Credentials, error) {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(profile))
	if err != nil {
		return aws.Credentials{}, err
	}
	return cfg.Credentials.Retrieve(ctx)
}

// whoAmI asks AWS for the identity of credentials.
func whoAmI(opts ...func(*config.LoadOptions) error) (string, error) {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return "", err
	}
	id, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", err
	}
	return aws.ToString(id.Arn), nil
}

func say(what, text string) { fmt.Printf("%-9s %s\n", what, text) }
