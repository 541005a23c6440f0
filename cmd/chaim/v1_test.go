package main

import (
	"context"
	"encoding/base64"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/gatewaytest"
)

type v1Key struct{}

// v1 tells the script's gateway with protocol v1 what to do, or looks at what it was asked:
//
//	v1 start (its URL becomes $GATEWAY, and the environment names no gateway)
//	v1 expire | revoke (all sessions) | no-device | settings LIFETIME | init FILE | asked METHOD PATH
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
		*ts.Value(v1Key{}).(**gatewaytest.Gateway) = g
		return
	}
	g := *ts.Value(v1Key{}).(**gatewaytest.Gateway)
	switch args[0] {
	case "expire", "revoke":
		g.EndAll(args[0] == "expire")
	case "no-device":
		g.Logins().ForbidDevice()
	case "init": // writes an init string to a file
		pairs := url.Values{"endpoint": {g.URL() + "/"}, "protocol": {"v1"}, "username": {gatewaytest.User}, "usertoken": {g.NewToken(time.Hour)}}
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(base64.URLEncoding.EncodeToString([]byte(pairs.Encode()))), 0o600))
	case "settings": // stores settings with a token of that lifetime
		lifetime, err := time.ParseDuration(args[1])
		ts.Check(err)
		s := chaim.Settings{Endpoint: g.URL(), Protocol: "v1", Username: gatewaytest.User, UserToken: g.NewToken(lifetime), TokenExpires: time.Now().Add(lifetime)}
		ts.Check(s.Store(context.Background(), ts.Getenv("AWS")))
	case "asked":
		if has := slices.Contains(g.Asked(), strings.Join(args[1:], " ")); has == neg {
			ts.Fatalf("asked: %q", g.Asked())
		}
	default:
		ts.Fatalf("v1 does not know %q", args[0])
	}
}
