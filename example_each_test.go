package chaim_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/chaim-go/chaim"
)

// Who am I in each account? The keys are in memory only; a client of the AWS SDK gets them from c.
func ExampleEach() {
	opts, done := demo()
	defer done()
	opts.Account = ""
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	accounts, err := c.RequestList(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	each := chaim.EachOptions{
		Options:  opts,
		Parallel: 1, // the order of the output
		Progress: func(p chaim.EachProgress) { fmt.Printf("%d of %d\n", p.Done, p.Total) },
	}
	err = chaim.Each(context.Background(), accounts, each, func(ctx context.Context, a chaim.Account, c *chaim.Client) error {
		id, err := sts.New(sts.Options{Region: c.Creds().Region, Credentials: c, HTTPClient: opts.HTTPClient}).GetCallerIdentity(ctx, nil)
		if err != nil {
			return err
		}
		fmt.Println(a.Name, "has", aws.ToString(id.Account))
		return nil
	})
	fmt.Println(err)
	// Output:
	// sredev has 111111111111
	// 1 of 3
	// Connected Homes has 222222222222
	// 2 of 3
	// O'Brien has 333333333333
	// 3 of 3
	// <nil>
}

func ExampleFilterAccounts() {
	accounts := []chaim.Account{
		{ID: "111111111111", Name: "team-a-prod"}, {ID: "222222222222", Name: "team-a-dev"}, {ID: "333333333333", Name: "team-b-prod"},
	}
	prod, err := chaim.FilterAccounts(accounts, "*-prod")
	fmt.Println(prod, err)
	// Output: [{111111111111 team-a-prod} {333333333333 team-b-prod}] <nil>
}

// The accounts that failed can be tried again, here those for which there were no keys.
func ExampleEachError() {
	opts, done := demo()
	defer done()
	opts.Account = ""
	accounts := []chaim.Account{{Name: "sredev"}, {ID: "999999999999"}, {Name: "Connected Homes"}}
	err := chaim.Each(context.Background(), accounts, chaim.EachOptions{Options: opts}, func(_ context.Context, a chaim.Account, _ *chaim.Client) error {
		if a.Name == "sredev" {
			return errors.New("no such bucket")
		}
		return nil
	})
	var again []chaim.Account
	var failed *chaim.EachError
	if errors.As(err, &failed) {
		for _, a := range failed.Accounts {
			if !a.Began {
				again = append(again, a.Account)
			}
		}
		fmt.Println(len(failed.Accounts), "of", failed.Total, "failed, to be tried again:", again)
	}
	// Output: 2 of 3 failed, to be tried again: [{999999999999 }]
}
