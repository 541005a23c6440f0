// Command center finds buckets by a name pattern in all accounts of an IAM Identity Center, eight accounts at a time. Sign
// in with "chaim login" or "aws sso login" before:
//
//	go run ./examples/center -role ReadOnly -bucket '*-logs'
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/chaim-go/chaim"
)

func main() {
	session := flag.String("session", "", "sso-session of the AWS config file, if there are several")
	role := flag.String("role", "ReadOnly", "name of a permission set")
	bucket := flag.String("bucket", "*-logs", "pattern of bucket names")
	flag.Parse()
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := find(ctx, os.Stdout, chaim.IdentityCenter{Session: *session}, *role, *bucket, s3.Options{}); err != nil {
		log.Fatal("center: ", err)
	}
}

func find(ctx context.Context, out io.Writer, center chaim.IdentityCenter, role, bucket string, s3Options s3.Options) error {
	if _, err := path.Match(bucket, ""); err != nil {
		return err
	}
	accounts, err := center.Accounts(ctx)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var found []string
	opts := chaim.EachOptions{Options: chaim.Options{Role: role, Broker: center}}
	err = chaim.Each(ctx, accounts, opts, func(ctx context.Context, a chaim.Account, c *chaim.Client) error {
		o := s3Options
		o.Credentials, o.Region = c, c.Region()
		pages := s3.NewListBucketsPaginator(s3.New(o), &s3.ListBucketsInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, b := range page.Buckets {
				if isNamed, _ := path.Match(bucket, aws.ToString(b.Name)); isNamed {
					mu.Lock()
					found = append(found, fmt.Sprintln(a.ID, a.Name, aws.ToString(b.Name)))
					mu.Unlock()
				}
			}
		}
		return nil
	})
	slices.Sort(found)
	_, printErr := io.WriteString(out, strings.Join(found, "")) // even if some accounts failed
	return errors.Join(withoutDenied(err), printErr)
}

// withoutDenied returns the error of an Each without the accounts in which the user does not have the permission set.
func withoutDenied(err error) error {
	failed := (*chaim.EachError)(nil)
	if !errors.As(err, &failed) {
		return err
	}
	failed.Accounts = slices.DeleteFunc(failed.Accounts, func(a *chaim.AccountError) bool {
		return !a.Began && errors.Is(a, chaim.ErrDenied) && !errors.Is(a, chaim.ErrSignedOut)
	})
	if len(failed.Accounts) == 0 {
		return nil
	}
	return failed
}
