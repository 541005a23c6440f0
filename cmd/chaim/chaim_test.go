package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chaim-go/chaim/chaimtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"chaim": main, "sdk": sdk, "listening": listening, "browser": browserMain, "signer-in": signerIn, "who": who})
}

// listening is a program that says whether there is a server where AWS_CONTAINER_CREDENTIALS_FULL_URI points.
func listening() {
	u, err := url.Parse(os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := net.Dial("tcp", u.Host); err == nil {
		fmt.Println("somebody listens")
	} else {
		fmt.Println("nobody listens")
	}
}

// sdk is a program that says where the AWS SDK for Go finds keys, and which.
func sdk() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	keys, err := cfg.Credentials.Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(keys.Source, keys.AccessKeyID, cfg.Region)
}

// script is a test that does not log what went well: that is also, with -v, the environment and the user token in it.
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
			"gateway":  gateway,
			"nosecret": noSecret,
			"v1":       v1,
		},
	})
}

type serverKey struct{}

// setUp gives each script a gateway and an STS of its own, and the folder $AWS with the credentials file.
func setUp(env *testscript.Env) error {
	srv := chaimtest.NewServer(env.T().(testing.TB))
	env.Values[serverKey{}] = srv
	env.Values[v1Key{}] = new(v1Gateway)
	home := filepath.Join(env.WorkDir, "home")
	aws := filepath.Join(home, ".aws")
	if err := os.MkdirAll(aws, 0o700); err != nil {
		return err
	}
	for _, variable := range srv.Environ(aws) {
		name, value, _ := strings.Cut(variable, "=")
		env.Setenv(name, value)
	}
	env.Setenv("AWS_REGION", "") // or it would come before the region of each profile
	env.Setenv("AWS_DEFAULT_REGION", "")
	env.Setenv("HOME", home)
	env.Setenv("AWS", aws)
	env.Setenv("NO_COLOR", "1")
	env.Setenv("GORACE", "atexit_sleep_ms=0") // or each run under the race detector ends with a pause
	return nil
}

// gateway tells the script's double what to do, or looks at what it was asked:
//
//	gateway refuse TEXT | status CODE [N] | hang | clear | expire-user | deny ACCOUNT ROLE | lifetime DURATION
//	gateway rewrite OLD NEW [N] | latency DURATION | requests N | account ID NAME | role ALIAS NAME
//	gateway asked ACCOUNT ROLE DURATION (by the last request for keys)
//	gateway suspend ACCOUNT | end-sign-ins | original | keys ACCOUNT | signer ACCOUNT FILE | files ACCOUNT | mfa ACCOUNT SERIAL FILE | user | twice | close
func gateway(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gateway WHAT [ARG...]")
	}
	srv := ts.Value(serverKey{}).(*chaimtest.Server)
	arg := func(i int) string {
		if len(args) <= i {
			ts.Fatalf("gateway %s: too few arguments", args[0])
		}
		return args[i]
	}
	number := func(i int) int {
		n, err := strconv.Atoi(arg(i))
		ts.Check(err)
		return n
	}
	span := func(i int) time.Duration {
		d, err := time.ParseDuration(arg(i))
		ts.Check(err)
		return d
	}
	switch args[0] {
	case "refuse":
		srv.Inject(-1, chaimtest.Refuse(arg(1)))
	case "status":
		n := -1
		if len(args) > 2 {
			n = number(2)
		}
		srv.Inject(n, chaimtest.Status(number(1)))
	case "rewrite":
		n := -1
		if len(args) > 3 {
			n = number(3)
		}
		srv.Inject(n, chaimtest.Rewrite(func(body string) string { return strings.ReplaceAll(body, arg(1), arg(2)) }))
	case "hang":
		srv.Inject(-1, chaimtest.Hang())
	case "clear":
		srv.Clear()
	case "expire-user":
		srv.ExpireUser(srv.Settings().Username)
	case "deny":
		srv.Deny("", arg(1), arg(2))
	case "lifetime":
		srv.SetLifetime(span(1))
	case "latency":
		srv.SetLatency(span(1))
	case "account":
		srv.AddAccount(arg(1), arg(2))
	case "role":
		srv.AddRole(arg(1), arg(2))
	case "original": // one that behaves as the original does
		srv.SetOriginal(chaimtest.Original{})
		ts.Setenv("CHAIM_SLACKID", srv.Settings().SlackID)
		ts.Setenv("CHAIM_WORKSPACEID", srv.Settings().WorkspaceID)
	case "advance":
		srv.Advance(span(1))
	case "keys": // of a user, that sign what STS is asked, in place of the gateway
		keys := srv.AddKeys(arg(1), "me")
		ts.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
		ts.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
		for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN"} {
			ts.Setenv(name, "")
		}
	case "files": // the AWS config file of a user of the account, and keys for its profile "user", in place of the gateway
		keys := srv.AddKeys(arg(1), "me")
		text := fmt.Sprintf("[user]\naws_access_key_id = %s\naws_secret_access_key = %s\n", keys.AccessKeyID, keys.SecretAccessKey)
		ts.Check(os.WriteFile(filepath.Join(ts.Getenv("AWS"), "credentials"), []byte(text), 0o600))
		config, err := os.ReadFile(ts.MkAbs("config"))
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(ts.Getenv("AWS"), "config"), []byte(os.Expand(string(config), ts.Getenv)), 0o600))
		for _, name := range []string{"CHAIM_URL", "CHAIM_USER", "CHAIM_TOKEN"} {
			ts.Setenv(name, "")
		}
	case "mfa": // a device of that user, which the account requires; a file gets its next code
		srv.AddMFADevice("me", arg(2))
		srv.RequireMFA(arg(1), arg(2), "")
		ts.Check(os.WriteFile(ts.MkAbs(arg(3)), []byte(srv.MFACode(arg(2))+"\n"), 0o600))
	case "suspend": // at AWS Organizations
		srv.Suspend(arg(1))
	case "end-sign-ins": // to the Identity Center
		srv.EndSignIns()
	case "signer": // a file with such keys, as a credential_process prints them
		keys := srv.AddKeys(arg(1), "me")
		text, err := json.Marshal(map[string]any{"Version": 1, "AccessKeyId": keys.AccessKeyID, "SecretAccessKey": keys.SecretAccessKey})
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(arg(2)), text, 0o600))
	case "user": // that asks from here on
		srv.AddUser("other.user", "ca9a12e5-other")
		ts.Setenv("CHAIM_USER", "other.user")
		ts.Setenv("CHAIM_TOKEN", "ca9a12e5-other")
	case "twice": // what it answers
		sayTwice(ts, srv)
	case "close":
		srv.Close()
	case "requests":
		if got := len(srv.Requests()); got != number(1) {
			ts.Fatalf("%d requests, want %s: %v", got, args[1], srv.Requests())
		}
	case "asked":
		var asked chaimtest.Request
		for _, r := range srv.Requests() {
			if r.Action == "Keys" {
				asked = r
			}
		}
		if asked.Account != arg(1) || asked.Role != arg(2) || asked.Duration != span(3) {
			ts.Fatalf("asked for %q as %q for %s, want %q", asked.Account, asked.Role, asked.Duration, args[1:])
		}
	default:
		ts.Fatalf("gateway does not know %q", args[0])
	}
}

// noSecret fails if there is a secret of the double in what the last command printed, or in one of the files.
func noSecret(ts *testscript.TestScript, neg bool, files []string) {
	for _, name := range append([]string{"stdout", "stderr"}, files...) {
		text := ts.ReadFile(name)
		for _, mark := range []string{"CANARY", "ca9a12e5-"} {
			if has := strings.Contains(text, mark); has && !neg {
				ts.Fatalf("a secret is in %s", name)
			}
		}
	}
	if neg {
		ts.Fatalf("nosecret cannot be negated")
	}
}
