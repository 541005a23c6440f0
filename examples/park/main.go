// Command park keeps the profiles of two accounts, parks one of them, and brings it back with new keys. It uses a gateway of
// its own and a scratch folder.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal("park: ", err)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "chaim-park-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	srv := chaimtest.NewServer(nil)
	defer srv.Close()
	// Without Settings, HTTPClient and Dir the client would use your own gateway and ~/.aws/credentials.
	opts := chaim.Options{Settings: srv.Settings(), HTTPClient: srv.HTTPClient(), Dir: dir}
	fmt.Printf("folder    %s (scratch)\n", dir)

	for _, kept := range [][2]string{{"dev", "sredev"}, {"homes", "Connected Homes"}} {
		if err := keep(ctx, opts, kept[0], kept[1]); err != nil {
			return err
		}
	}
	c, err := chaim.New(opts) // without an account of its own
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()

	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"kept", func() error { return nil }},
		{"parked", func() error { return c.ParkAccount(ctx, "homes") }},
		{"renewed", func() error { return told(c.RenewSection(ctx, "dev")) }},
		{"back", func() error { return told(c.UnparkAccount(ctx, "homes")) }},
		{"deleted", func() error { return c.DeleteAccount(ctx, "dev") }},
	} {
		if err := step.do(); err != nil {
			return err
		}
		if err := show(ctx, c, step.what); err != nil {
			return err
		}
	}
	return nil
}

// keep writes the keys of an account into a profile that stays.
func keep(ctx context.Context, opts chaim.Options, name, account string) (err error) {
	opts.Account, opts.TempName, opts.Keep = account, name, true
	c, err := chaim.New(opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	_, err = c.RequestKeys(ctx)
	return err
}

// told prints new keys without their secrets.
func told(creds chaim.AwsCreds, err error) error {
	if err == nil {
		fmt.Printf("%-9s %s\n", "new keys", creds)
	}
	return err
}

// show prints the accounts in both files.
func show(ctx context.Context, c *chaim.Client, what string) error {
	profiles, err := c.MyAccountList(ctx)
	if err != nil {
		return err
	}
	var held []string
	for _, p := range profiles {
		held = append(held, p.Name)
	}
	parked, err := c.ListParkAccounts(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%-9s credentials: %s; chaim-parked: %s\n", what, list(held), list(parked))
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
