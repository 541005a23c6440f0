//go:build interop

package interop

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
)

// likeOriginals is our own client in Python that works like the original clients. It sends the same fields, and writes
// the same files without a lock. It reads answers as they do: it replaces apostrophes by quotes, and parses the result as
// JSON.
const likeOriginals = `
import ast, base64, configparser, json, os, sys, urllib.parse, urllib.request

def load(path):
    ini = configparser.ConfigParser()
    ini.read(path)
    return ini

def save(ini, path):
    with open(path, "w") as f:
        ini.write(f)

def post(url, fields):
    with urllib.request.urlopen(url, urllib.parse.urlencode(fields).encode()) as answer:
        envelope = json.load(answer)
    if int(envelope["statusCode"]) > 399:
        sys.exit(envelope["text"])
    return envelope["text"]

def who(settings):
    return {"user_name": settings["username"], "token": settings["usertoken"], "response_url": "ignoreme", "useragent": "like 1.0"}

held, url, what, *args = sys.argv[1:]
ini = load(held)
if what == "init":
    text = base64.urlsafe_b64decode(args[0]).decode()
    if not ini.has_section("default"):
        ini.add_section("default")
    for key, value in (pair.split("=") for pair in text.split("&")):
        ini["default"]["tokenexpires" if key == "expires" else key] = value
    save(ini, held)
elif what == "list":
    for row in ast.literal_eval(post(url, dict(who(ini["default"]), text="--list")))["accountlist"]:
        print(*row[:2])
elif what == "keys":
    account, role, duration, section = args
    settings = ini["default"]
    fields = dict(who(settings), text=",".join([account, role, duration]), user_id=settings["slackid"], team_id=settings["workspaceid"])
    keys = json.loads(post(url, fields).replace("'", '"'))
    ini = load(held)
    if not ini.has_section(section):
        ini.add_section(section)
    ini[section].update({
        "aws_access_key_id": keys["accesskeyid"], "aws_secret_access_key": keys["secretkey"], "aws_session_token": keys["sessiontoken"],
        "region": settings["region"], "expires": str(keys["expires"]), "expstr": keys["expiresstr"], "duration": duration,
        "gui_url": keys["url"].replace("%", "%%"), "role": role, "accountname": keys["sectionname"],
    })
    save(ini, held)
elif what == "link":
    section = ini[args[0]]
    print(json.loads(post(url + "gui", {
        "accesskey": section["aws_access_key_id"], "secret": section["aws_secret_access_key"], "session": section["aws_session_token"],
        "duration": "900", "username": ini["default"]["username"], "account": section["accountname"], "useragent": "like 1.0",
    }).replace("'", '"'))["url"])
`

// originalClient returns a function that runs likeOriginals.
func originalClient(t *testing.T, srv *chaimtest.Server, file string) func(args ...string) (string, error) {
	t.Helper()
	return func(args ...string) (string, error) {
		args = append([]string{"-c", likeOriginals, file, srv.GatewayURL()}, args...)
		cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", args...)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
}

// ownerOf asks STS for the identity of keys.
func ownerOf(t *testing.T, srv *chaimtest.Server, creds chaim.AwsCreds) string {
	t.Helper()
	id, err := sts.New(sts.Options{Region: "eu-west-1", Credentials: creds, HTTPClient: srv.HTTPClient()}).GetCallerIdentity(t.Context(), nil)
	require.NoError(t, err)
	return aws.ToString(id.Arn)
}

// TestInteropOriginals has a client like the originals use the same gateway and the same file as ours.
func TestInteropOriginals(t *testing.T) {
	srv := chaimtest.NewServer(t)
	srv.SetOriginal(chaimtest.Original{Columns: []string{"active"}})
	srv.GatewayURL()
	dir := t.TempDir()
	file := filepath.Join(dir, "credentials")
	like := originalClient(t, srv, file)
	run := func(args ...string) string {
		t.Helper()
		out, err := like(args...)
		require.NoError(t, err, out)
		return out
	}
	s := srv.Settings()
	ends := time.Now().Add(time.Hour).Unix()
	run("init", base64.URLEncoding.EncodeToString(fmt.Appendf(nil, "endpoint=%s&api=abc123&slackid=%s&workspaceid=%s&username=%s&usertoken=%s&expires=%d&stage=prod&region=eu-west-1",
		s.Endpoint, s.SlackID, s.WorkspaceID, s.Username, s.UserToken, ends)))
	assert.Equal(t, "222222222222 Connected Homes\n333333333333 O'Brien\n111111111111 sredev", run("list"))

	// Our client uses the settings and manages the profiles that the other client has written.
	run("keys", "sredev", "mpu", "2", "dev")
	run("keys", "222222222222", "mpu", "2", "Connected Homes")
	c, err := chaim.New(chaim.Options{Dir: dir})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.CheckToken(t.Context()))
	profiles, err := c.MyAccountList(t.Context())
	require.NoError(t, err)
	require.Len(t, profiles, 2)
	for i, want := range []string{"sredev", "Connected Homes"} {
		assert.Equal(t, []any{want, "mpu", 2 * time.Hour}, []any{profiles[i].Account, profiles[i].Role, profiles[i].Duration})
		creds, err := c.RenewSection(t.Context(), profiles[i].Name)
		require.NoError(t, err)
		assert.Contains(t, ownerOf(t, srv, creds), ":assumed-role/CrossAccountPowerUser/")
		assert.InDelta(t, 2*time.Hour, time.Until(creds.Expires), float64(time.Minute))
	}

	// The other client goes on with the profiles that ours has written.
	assert.Contains(t, run("link", "dev"), "https://signin.aws.amazon.com/")
	run("keys", "sredev", "rro", "1", "dev")
	require.NoError(t, c.ParkAccount(t.Context(), "dev"))
	_, err = c.UnparkAccount(t.Context(), "dev")
	require.NoError(t, err)

	// Our client gets keys that the other client cannot get.
	out, err := like("keys", "Connected Homes", "mpu", "4", "homes")
	require.NoError(t, err, out)
	out, err = like("keys", "O'Brien", "mpu", "4", "brien")
	require.Error(t, err)
	assert.Contains(t, out, "SQL syntax")
	for _, account := range []string{"Connected Homes", "O'Brien"} {
		opts := chaim.Options{Account: account, Role: "mpu", Duration: 4 * time.Hour, Dir: dir, NoProfile: true}
		c, err := chaim.New(opts)
		require.NoError(t, err)
		defer c.Close()
		creds, err := c.RequestKeys(t.Context())
		require.NoError(t, err)
		assert.Contains(t, ownerOf(t, srv, creds), ":assumed-role/CrossAccountPowerUser/")
	}

	// The profile that the other client writes during a scope of ours stays.
	err = chaim.WithContext(t.Context(), chaim.Options{Account: "sredev", Dir: dir}, func(context.Context, *chaim.Client) error {
		run("keys", "sredev", "spu", "1", "beside")
		return nil
	})
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), "[beside]")
	assert.NotContains(t, string(text), "chaim_scope")
}
