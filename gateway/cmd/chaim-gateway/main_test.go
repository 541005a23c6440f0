package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"chaim-gateway": main, "lent": lent, "accounts": accounts})
}

// lent is a program that borrows keys with the library of chaim, and says whose they are.
func lent() {
	ctx := context.Background()
	opts := chaim.Options{Account: os.Args[1], Role: os.Args[2], NoProfile: true}
	err := chaim.WithContext(ctx, opts, func(ctx context.Context, c *chaim.Client) error {
		cfg, err := config.LoadDefaultConfig(ctx, config.WithCredentialsProvider(c))
		if err != nil {
			return err
		}
		out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
		if err != nil {
			return err
		}
		fmt.Println(aws.ToString(out.Arn), c.Creds().AccessKeyID)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

// accounts is a program that lists the accounts of the gateway.
func accounts() {
	c, err := chaim.New(chaim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	list, err := c.RequestList(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range list {
		fmt.Println(a.ID, a.Name)
	}
}

// script is a test that does not log what went well: that is also, with -v, the tokens in it.
type script struct{ *testing.T }

func (script) Verbose() bool { return false }

func (s script) Run(name string, run func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { run(script{t}) })
}

func TestScripts(t *testing.T) {
	deadline, _ := t.Deadline()
	testscript.RunT(script{t}, testscript.Params{
		Deadline:            deadline,
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready":    ready,
			"flip":     flip,
			"nosecret": noSecret,
			"keep":     keep,
		},
	})
}

// setUp gives each script a home, and two free ports.
func setUp(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(filepath.Join(home, ".aws"), 0o700); err != nil {
		return err
	}
	for _, name := range []string{"PORT", "ADMIN"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return err
		}
		env.Setenv(name, port)
		if err := l.Close(); err != nil {
			return err
		}
	}
	env.Setenv("HOME", home)
	env.Setenv("USER", "tester")
	env.Setenv("GW", filepath.Join(env.WorkDir, "gw"))
	env.Setenv("CHAIM_GATEWAY_CONFIG", filepath.Join(env.WorkDir, "gw", "config.yaml"))
	env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	env.Setenv("GORACE", "atexit_sleep_ms=0") // or each run under the race detector ends with a pause
	return nil
}

// ready waits until a URL answers with 200:
//
//	ready URL
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready URL")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		resp, err := http.Get(args[0])
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is not ready: %v", args[0], err)
		}
		<-time.After(10 * time.Millisecond) // another process
	}
}

// flip replaces the first OLD in a file by NEW of the same length:
//
//	flip FILE OLD NEW
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: flip FILE OLD NEW, with texts of the same length")
	}
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	if !bytes.Contains(text, []byte(args[1])) {
		ts.Fatalf("%s does not have %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, bytes.Replace(text, []byte(args[1]), []byte(args[2]), 1), 0o600))
}

// keep puts the last line of stdout, or the word after a text in it, into a variable:
//
//	keep NAME [TEXT]
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: keep NAME [TEXT]")
	}
	out := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 1 {
		ts.Setenv(args[0], out[strings.LastIndexByte(out, '\n')+1:])
		return
	}
	_, rest, found := strings.Cut(out, args[1])
	if !found {
		ts.Fatalf("stdout does not have %q", args[1])
	}
	ts.Setenv(args[0], strings.Fields(rest)[0])
}

var (
	call = regexp.MustCompile("(?m)(?:^|[\\s(\"'`|])chaim(?:-| )gateway +([^;|&)`\\n]*)")
	span = regexp.MustCompile("(?m)^\\| ((?:`[^`]+`(?:, )?)+) \\|")
	word = regexp.MustCompile("`([^`]+)`")
)

// TestDocsNameCommandsThatExist looks at the calls in docs/gateway.md, and at its tables of commands.
func TestDocsNameCommandsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../../docs/gateway.md")
	require.NoError(t, err)
	var lines []string
	for _, found := range call.FindAllStringSubmatch(string(text), -1) {
		lines = append(lines, found[1])
	}
	commands, _, _ := strings.Cut(string(text), "## The configuration")
	for _, row := range span.FindAllStringSubmatch(commands, -1) {
		for _, found := range word.FindAllStringSubmatch(row[1], -1) {
			lines = append(lines, found[1])
		}
	}
	require.Greater(t, len(lines), 30)
	root := newRoot(&cli.App{})
	root.InitDefaultHelpCmd()
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) == 0 || !regexp.MustCompile(`^[a-z]`).MatchString(words[0]) {
			continue
		}
		cmd, _, err := root.Find(words)
		if !assert.NoError(t, err, line) || !assert.NotSame(t, root, cmd, line) {
			continue
		}
		if cmd.HasSubCommands() && len(words) > 1 {
			assert.NotRegexp(t, `^[a-z]`, words[1], line)
		}
		for _, w := range words {
			if w == "--" || strings.HasPrefix(w, "#") {
				break
			}
			name := strings.TrimLeft(w, "-")
			if name != w {
				assert.True(t, cmd.Flags().Lookup(name) != nil || len(name) == 1 && cmd.Flags().ShorthandLookup(name) != nil, "%s: %s", line, w)
			}
		}
	}
}

// noSecret fails if there is a user token, a key of a ring or a secret of the double in what the last command printed, or in
// one of the files.
func noSecret(ts *testscript.TestScript, neg bool, files []string) {
	if neg {
		ts.Fatalf("nosecret cannot be negated")
	}
	for _, name := range append([]string{"stdout", "stderr"}, files...) {
		text := ts.ReadFile(name)
		for _, mark := range []string{"CANARY", "chm1_", "PRIVATE+KEY"} {
			if strings.Contains(text, mark) {
				ts.Fatalf("a secret is in %s", name)
			}
		}
	}
}
