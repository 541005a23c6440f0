// Command each finds buckets by a name pattern in all accounts of a gateway, eight accounts at a time. It uses a gateway and
// an S3 of its own in memory. With -real it uses your configured gateway and AWS:
//
//	go run ./examples/each -real -bucket '*-logs' -accounts 'team-*'
package main

import (
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func main() {
	real := flag.Bool("real", false, "use your configured gateway and the real AWS")
	bucket := flag.String("bucket", "*-logs", "pattern of bucket names")
	pattern := flag.String("accounts", "*", "pattern of account names")
	flag.Parse()
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var opts chaim.Options
	var s3Options s3.Options
	if !*real {
		gateway := chaimtest.NewServer(nil)
		defer gateway.Close()
		buckets := httptest.NewServer(http.HandlerFunc(listBuckets))
		defer buckets.Close()
		opts.Settings, opts.HTTPClient = gateway.Settings(), gateway.HTTPClient()
		s3Options.BaseEndpoint = aws.String(buckets.URL)
	}
	if err := find(ctx, os.Stdout, opts, s3Options, *pattern, *bucket); err != nil {
		log.Fatal("each: ", err)
	}
}

func find(ctx context.Context, out io.Writer, opts chaim.Options, s3Options s3.Options, pattern, bucket string) error {
	accounts, err := list(ctx, opts)
	if err != nil {
		return err
	}
	if accounts, err = chaim.FilterAccounts(accounts, pattern); err != nil {
		return err
	}
	bar := progressbar.NewOptions(len(accounts), progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	progress := func(chaim.EachProgress) { _ = bar.Add(1) }
	var mu sync.Mutex
	var found []string
	err = chaim.Each(ctx, accounts, chaim.EachOptions{Options: opts, Progress: progress}, func(ctx context.Context, a chaim.Account, c *chaim.Client) error {
		o := s3Options
		o.Credentials, o.Region = c, c.Creds().Region
		pages := s3.NewListBucketsPaginator(s3.New(o), &s3.ListBucketsInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, b := range page.Buckets {
				isNamed, err := path.Match(bucket, aws.ToString(b.Name))
				if err != nil {
					return err
				}
				if isNamed {
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
	return errors.Join(err, printErr)
}

func list(ctx context.Context, opts chaim.Options) ([]chaim.Account, error) {
	c, err := chaim.New(opts)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.RequestList(ctx)
}

// listBuckets is an S3 in which every account has the same two buckets.
func listBuckets(w http.ResponseWriter, _ *http.Request) {
	type bucket struct{ Name string }
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
		Buckets []bucket `xml:"Buckets>Bucket"`
	}{Buckets: []bucket{{"web-logs"}, {"web-pages"}}})
}
