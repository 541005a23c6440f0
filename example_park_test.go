package chaim_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chaim-go/chaim"
)

// kept is a client for none of its own, beside the profile "dev" that another has put into the credentials file to stay
// there, with those keys.
func kept() (c *chaim.Client, keys chaim.AwsCreds, opts chaim.Options, done func()) {
	opts, end := demo()
	opts.TempName, opts.Keep = "dev", true
	err := chaim.WithContext(context.Background(), opts, func(_ context.Context, first *chaim.Client) error {
		keys = first.Creds()
		return nil
	})
	if err == nil {
		c, err = chaim.New(chaim.Options{Settings: opts.Settings, HTTPClient: opts.HTTPClient, Dir: opts.Dir})
	}
	if err != nil {
		panic(err)
	}
	return c, keys, opts, func() {
		_ = c.Close()
		end()
	}
}

// A parked account has no keys. What tells how to get new ones stands in a file beside the credentials file.
func ExampleClient_ParkAccount() {
	c, _, opts, done := kept()
	defer done()
	fmt.Println(profiles(opts))
	fmt.Println(c.ParkAccount(context.Background(), "dev"))
	fmt.Println(profiles(opts))
	definition, err := os.ReadFile(filepath.Join(opts.Dir, "chaim-parked"))
	fmt.Print(string(definition))
	fmt.Println(err)
	// Output:
	// [[dev]]
	// <nil>
	// []
	// [dev]
	// duration = 1
	// role = rro
	// accountname = sredev
	// accountid = 111111111111
	// region = eu-west-1
	// <nil>
}

func ExampleClient_UnparkAccount() {
	c, old, opts, done := kept()
	defer done()
	fmt.Println(c.ParkAccount(context.Background(), "dev"))
	creds, err := c.UnparkAccount(context.Background(), "dev")
	fmt.Println(profiles(opts), creds.AccessKeyID != old.AccessKeyID, err)
	// Output:
	// <nil>
	// [[dev]] true <nil>
}

func ExampleClient_ListParkAccounts() {
	c, _, _, done := kept()
	defer done()
	fmt.Println(c.ListParkAccounts(context.Background()))
	fmt.Println(c.ParkAccount(context.Background(), "dev"))
	fmt.Println(c.ListParkAccounts(context.Background()))
	// Output:
	// [] <nil>
	// <nil>
	// [dev] <nil>
}

// Keys that somebody was given who asked the gateway in another way.
func ExampleClient_StoreKeys() {
	opts, done := demo()
	defer done()
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	text := fmt.Sprintf("{'accountid': '111111111111', 'sectionname': 'sredev', 'accesskeyid': 'ASIAIOSFODNN7EXAMPLE', "+
		"'secretkey': 'wJalrXUtnFEMI', 'sessiontoken': 'AQoDYXdzEJr', 'expires': %d}", time.Now().Add(time.Hour).Unix())
	creds, err := c.StoreKeys(context.Background(), []byte(text))
	fmt.Println(profiles(opts), creds.AccessKeyID, err)

	_, err = c.StoreKeys(context.Background(), []byte(strings.ReplaceAll(text, "sredev", "other account")))
	fmt.Println(err)
	// Output:
	// [[tempname]] ASIAIOSFODNN7EXAMPLE <nil>
	// chaim: storing keys for account "sredev": gateway answered 200: reply has keys for another account, or does not say for which
}

// Any client can renew what another program has left: the section itself tells of which account and role it is.
func ExampleClient_RenewSection() {
	c, old, _, done := kept()
	defer done()
	creds, err := c.RenewSection(context.Background(), "dev")
	fmt.Println(creds.AccessKeyID != old.AccessKeyID, err)
	// Output:
	// true <nil>
}

func ExampleClient_DeleteAccount() {
	c, _, opts, done := kept()
	defer done()
	fmt.Println(profiles(opts))
	fmt.Println(c.DeleteAccount(context.Background(), "dev"))
	fmt.Println(profiles(opts))
	// Output:
	// [[dev]]
	// <nil>
	// []
}
