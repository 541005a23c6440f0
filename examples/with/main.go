// Command with prints who it is in the account "sredev", with credentials that are gone when it ends, on Ctrl-C too.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/chaim-go/chaim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := chaim.WithContext(ctx, chaim.Options{Account: "sredev", Role: "rro"}, work)
	if err != nil {
		stop()
		log.Fatal(err)
	}
}

func work(ctx context.Context, c *chaim.Client) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(c.Profile()))
	if err != nil {
		return err
	}
	id, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Println(aws.ToString(id.Arn))
	return nil
}
