// Command sts gets keys of a role from AWS STS, without a gateway. With -renew it also renews them once. The STS is its own,
// on a loopback address. With -real it is that of AWS, and the AWS SDK finds the keys that sign the request, for instance in
// the environment.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func main() {
	source := &chaim.STS{}
	flag.StringVar(&source.RoleARN, "role", "arn:aws:iam::111111111111:role/CrossAccountReadOnly", "ARN of the role")
	flag.StringVar(&source.Region, "region", "eu-west-1", "region whose STS is asked")
	isReal := flag.Bool("real", false, "ask AWS, with the keys that the AWS SDK finds")
	isKept := flag.Bool("renew", false, "keep the keys valid until they have been renewed once")
	flag.Parse()
	log.SetFlags(0)
	if err := run(source, *isReal, *isKept); err != nil {
		log.Fatal("sts: ", err)
	}
}

func run(source *chaim.STS, isReal, isKept bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !isReal {
		srv := chaimtest.NewServer(nil)
		defer srv.Close()
		if isKept {
			srv.SetLifetime(10 * time.Second) // AWS allows 15 minutes at least
		}
		source.Endpoint = srv.STSURL()
		source.Keys = credentials.StaticCredentialsProvider{Value: srv.AddKeys("sredev", "test.user")}
	}
	if !isKept {
		return show(ctx, source, source.Region)
	}

	m, err := chaim.NewMonitor(ctx, source, chaim.MonitorOptions{})
	if err != nil {
		return err
	}
	defer m.Close()
	if err := show(ctx, m, source.Region); err != nil {
		return err
	}
	fmt.Println("waiting for the renewal, or for Ctrl-C")
	select {
	case <-m.Updated():
		fmt.Println("state:", m.State())
		return show(ctx, m, source.Region)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// show prints a provider's keys. An AwsCreds prints without its secrets.
func show(ctx context.Context, provider aws.CredentialsProvider, region string) error {
	keys, err := provider.Retrieve(ctx)
	if err != nil {
		return err
	}
	creds := chaim.AwsCreds{
		Region:          region,
		AccountID:       keys.AccountID,
		AccessKeyID:     keys.AccessKeyID,
		SecretAccessKey: keys.SecretAccessKey,
		SessionToken:    keys.SessionToken,
		Expires:         keys.Expires,
	}
	fmt.Println(creds)
	fmt.Println("valid for", time.Until(creds.Expires).Round(time.Second))
	return nil
}
