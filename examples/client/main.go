// Command client holds the keys of two accounts at once, by hand: RequestKeys when they are needed, DeleteAccount, which
// closes the client, when they are not.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/chaim-go/chaim"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	for _, account := range []string{"sredev", "Connected Homes"} {
		c, err := chaim.New(chaim.Options{Account: account, Duration: 2 * time.Hour})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()

		creds, err := c.RequestKeys(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%-16s profile %-22s for %s\n", account, c.Profile(), time.Until(creds.Expires).Round(time.Minute))
		if account == "sredev" {
			if err := c.DeleteAccount(ctx, c.Profile()); err != nil {
				return err
			}
			fmt.Printf("%-16s profile %-22s deleted\n", account, c.Profile())
		}
	}
	return nil
}
