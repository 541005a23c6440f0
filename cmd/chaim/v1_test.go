package main

import (
	"context"
	"encoding/base64"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/gatewaytest"
)

type v1Key struct{}

// v1Gateway is the gateway of a script, and how it makes tokens by hand.
type v1Gateway struct {
	*gatewaytest.Gateway
	newByHand func(time.Duration) string
	started   int // gateways of the script
}

// v1 tells the script's gateway with protocol v1 what to do, or looks at what it was asked:
//
//	v1 start (its URL becomes $GATEWAY, and the environment names no gateway; more than one may be started)
//	v1 expire | revoke (all sessions) | no-device | settings LIFETIME | init FILE | asked METHOD PATH
//	v1 live N (sessions and other tokens)
func v1(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: v1 WHAT [ARG...]")
	}
	if args[0] == "start" {
		g, stop := gatewaytest.New()
		ts.Defer(stop)
		ts.Setenv("GATEWAY", g.URL())
		for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN"} {
			ts.Setenv(name, "")
		}
		own := ts.Value(v1Key{}).(*v1Gateway)
		own.Gateway, own.newByHand = g, g.TellKinds()
		for range own.started { // so that no two gateways make the same token
			g.NewToken(0)
		}
		own.started++
		return
	}
	g := *ts.Value(v1Key{}).(*v1Gateway)
	switch args[0] {
	case "expire", "revoke":
		g.EndAll(args[0] == "expire")
	case "no-device":
		g.Logins().ForbidDevice()
	case "init": // writes an init string to a file
		pairs := url.Values{"endpoint": {g.URL() + "/"}, "protocol": {"v1"}, "username": {gatewaytest.User}, "usertoken": {g.newByHand(time.Hour)}, "expires": {strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)}}
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(base64.URLEncoding.EncodeToString([]byte(pairs.Encode()))), 0o600))
	case "settings": // stores settings with a token of that lifetime
		lifetime, err := time.ParseDuration(args[1])
		ts.Check(err)
		s := chaim.Settings{Endpoint: g.URL(), Protocol: "v1", Username: gatewaytest.User, UserToken: g.NewToken(lifetime), TokenExpires: time.Now().Add(lifetime)}
		ts.Check(s.Store(context.Background(), ts.Getenv("AWS")))
	case "live":
		want, err := strconv.Atoi(args[1])
		ts.Check(err)
		if got := g.Live(); got != want {
			ts.Fatalf("%d tokens are valid, not %d; asked: %q", got, want, g.Asked())
		}
	case "asked":
		if has := slices.Contains(g.Asked(), strings.Join(args[1:], " ")); has == neg {
			ts.Fatalf("asked: %q", g.Asked())
		}
	default:
		ts.Fatalf("v1 does not know %q", args[0])
	}
}
