package chaim_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chaim-go/chaim"
)

// Keys by hand. Until Close they are in a profile, and are renewed.
func ExampleClient_RequestKeys() {
	opts, done := demo()
	defer done()
	c, err := chaim.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	creds, err := c.RequestKeys(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Profile(), creds.Region, creds.Expired(0))
	// Output: tempname eu-west-1 false
}

// What a gateway's init string says, where all clients find it.
func ExampleSettings_Store() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) // in place of ~/.aws
	settings, err := chaim.ParseInit("YXBpPTh4eHNzdThmczcmc3RhZ2U9cHJvZCZyZWdpb249ZXUtd2VzdC0xJnVzZXJuYW1lPWNocmlzJnVzZXJ0b2tlbj1hYj09")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := settings.Store(context.Background(), dir); err != nil {
		fmt.Println(err)
		return
	}
	text, err := os.ReadFile(filepath.Join(dir, "credentials"))
	fmt.Print(string(text), err)
	// Output:
	// [default]
	// api = 8xxssu8fs7
	// stage = prod
	// region = eu-west-1
	// username = chris
	// usertoken = ab==
	// <nil>
}
