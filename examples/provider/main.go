// Command provider gives credentials to AWS clients directly: a Client, whose keys stay valid for as long as the
// program runs, and an AwsCreds, which is one set of keys.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/chaim-go/chaim"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	c, err := chaim.New(chaim.Options{Account: "sredev", Role: "mpu"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	creds, err := c.RequestKeys(ctx)
	if err != nil {
		return err
	}
	for name, provider := range map[string]aws.CredentialsProvider{"Client": c, "AwsCreds": creds} {
		cfg, err := config.LoadDefaultConfig(ctx, config.WithCredentialsProvider(provider), config.WithRegion(creds.Region))
		if err != nil {
			return err
		}
		id, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
		if err != nil {
			return err
		}
		fmt.Println(name, "is", aws.ToString(id.Arn))
	}
	return nil
}
