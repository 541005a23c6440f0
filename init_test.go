package chaim_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

func initString(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestStoreOfInitString(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	settings, err := chaim.ParseInit(initString("api=abc123&slackid=U1&username=chris&usertoken=CANARY%3Dab==&expires=1536139015&stage=prod&region=eu-west-2&Colour=a=b"))
	require.NoError(t, err)
	require.NoError(t, settings.Store(t.Context(), dir))
	const want = "[default]\napi = abc123\nstage = prod\nregion = eu-west-2\nusername = chris\nusertoken = CANARY=ab==\nslackid = U1\ntokenexpires = 1536139015\ncolour = a=b\n"
	assert.Equal(t, want, read(t, filepath.Join(dir, "credentials")))
	info, err := os.Stat(filepath.Join(dir, "credentials"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	c, err := chaim.New(chaim.Options{Account: "sredev", Dir: dir})
	require.NoError(t, err)
	defer c.Close()
	endpoint, err := c.Endpoint(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "https://abc123.execute-api.eu-west-2.amazonaws.com/prod/", endpoint)
}

func TestStoreKeepsWhatIsNotASetting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	const before = "# mine\r\n[other]\r\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\r\n\r\n[default]\r\nAPI: old\r\nslackid = U0 ; kept by Slack\r\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\r\nregion = us-east-1\r\noutput=json\r\n# end"
	write(t, path, before)
	s := chaim.Settings{Endpoint: "https://gateway.example/prod", Username: "chris", UserToken: "CANARY", TokenExpires: time.Unix(1536139015, 0)}
	require.NoError(t, s.Store(t.Context(), filepath.Dir(path)))
	const after = "# mine\r\n[other]\r\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\r\n\r\n[default]\r\nendpoint = https://gateway.example/prod\r\nusername = chris\r\nusertoken = CANARY\r\ntokenexpires = 1536139015\r\nAPI: old\r\nslackid = U0 ; kept by Slack\r\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\r\nregion = us-east-1\r\noutput=json\r\n# end"
	assert.Equal(t, after, read(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, s.Store(t.Context(), filepath.Dir(path)))
	again, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(info, again), "nothing to change, nothing written")
}

// TestStoreRefusesWhatCannotBeUsed also has settings by which somebody could run a command on the machine, or read along.
func TestStoreRefusesWhatCannotBeUsed(t *testing.T) {
	good := chaim.Settings{Endpoint: "https://gateway.example/", Username: "chris", UserToken: "CANARY"}
	for name, change := range map[string]func(*chaim.Settings){
		"no token":           func(s *chaim.Settings) { s.UserToken = "" },
		"no gateway":         func(s *chaim.Settings) { s.Endpoint = "" },
		"plain http":         func(s *chaim.Settings) { s.Endpoint = "http://gateway.example/" },
		"newline":            func(s *chaim.Settings) { s.SlackID = "CANARY\n[default]" },
		"token as comment":   func(s *chaim.Settings) { s.UserToken = "#CANARY" },
		"spaces around":      func(s *chaim.Settings) { s.UserToken = " CANARY" },
		"not ASCII":          func(s *chaim.Settings) { s.Username = "jürgen" },
		"a process":          func(s *chaim.Settings) { s.Extra = map[string]string{"credential_process": "CANARY"} },
		"a process, shouted": func(s *chaim.Settings) { s.Extra = map[string]string{"Credential_Process": "CANARY"} },
		"keys":               func(s *chaim.Settings) { s.Extra = map[string]string{"aws_access_key_id": "CANARY"} },
		"another AWS":        func(s *chaim.Settings) { s.Extra = map[string]string{"endpoint_url": "CANARY"} },
		"another region":     func(s *chaim.Settings) { s.Extra = map[string]string{"Region": "CANARY"} },
		"another output":     func(s *chaim.Settings) { s.Extra = map[string]string{"output": "CANARY"} },
		"other retries":      func(s *chaim.Settings) { s.Extra = map[string]string{"max_attempts": "CANARY"} },
		"another gateway":    func(s *chaim.Settings) { s.Extra = map[string]string{"API": "CANARY"} },
		"another CA":         func(s *chaim.Settings) { s.Extra = map[string]string{"ca_bundle": "CANARY"} },
		"marks a section":    func(s *chaim.Settings) { s.Extra = map[string]string{"accountname": "CANARY"} },
		"a setting again":    func(s *chaim.Settings) { s.Extra = map[string]string{"Username": "CANARY"} },
		"no key":             func(s *chaim.Settings) { s.Extra = map[string]string{"": "CANARY"} },
		"a key and more":     func(s *chaim.Settings) { s.Extra = map[string]string{"a = b\nc": "CANARY"} },
		"a section":          func(s *chaim.Settings) { s.Extra = map[string]string{"[other]": "CANARY"} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			s := good
			change(&s)
			err := s.Store(t.Context(), dir)
			if assert.Error(t, err) {
				assert.NotContains(t, err.Error(), "CANARY")
			}
			assert.NoDirExists(t, dir)
		})
	}
}

// TestInitStringInItsMessage has what people copy from Slack: a command, or all of the message.
func TestInitStringInItsMessage(t *testing.T) {
	const pairs = "api=abc123&slackid=U1&workspaceid=W1&username=chris&usertoken=ca9a12e5-0000-4000-8000-000000000000&expires=1536139015&stage=prod&region=eu-west-1"
	plain := base64.URLEncoding.EncodeToString([]byte(pairs)) // padded, as the original's
	want, err := chaim.ParseInit(plain)
	require.NoError(t, err)
	message := "New Chaim Credentials Expire Wed Sep  5 09:10:15 2018\n```\napi: abc123\nslackid: U1\nworkspaceid: W1\nusername: chris\n" +
		"usertoken: ca9a12e5-0000-4000-8000-000000000000\nexpires: 1536139015\nstage: prod\nregion: eu-west-1\n```\n" +
		"\n```chaim -j " + plain + "```\n```cca init " + plain + "```"
	for _, text := range []string{"cca init " + plain, " `cca init " + plain + "` ", "$ cca init '" + plain + "'\r\n", "chaim init\t" + plain, "\u00ab" + plain + "\u00bb", message} {
		got, err := chaim.ParseInit(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	fold := func(text string, width int, end string) (folded string) {
		for ; len(text) > width; text = text[width:] {
			folded += text[:width] + end
		}
		return folded + text
	}
	var utf16 string
	for _, char := range []byte("cca init " + plain + "\r\n") {
		utf16 += string([]byte{char, 0})
	}
	for _, text := range []string{
		fold("cca init "+plain, 76, "\n"), fold("cca init "+plain, 80, "\r\n") + "\n\nthank you\n", fold("cca init "+plain, 60, "\\\n"),
		fold("cca init "+plain, 40, "\n  "), "> " + fold("cca init "+plain, 70, "\n> "), fold(plain, 72, "\n"), fold(message, 100, "\n"),
		"token=" + plain, "--string=" + plain, "chaim init --string=" + strings.TrimRight(plain, "="), "https://example.com/init?string=" + plain + "&x=y",
		"_" + plain + "_", "*_" + plain + "_*", "cca init " + plain[:50] + "\u200b" + plain[50:], "\ufeff" + plain + "\n", plain[:30] + "\u00ad" + plain[30:],
		"\xff\xfe" + utf16,
	} {
		got, err := chaim.ParseInit(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	other := initString(strings.Replace(pairs, "chris", "anna", 1))
	for _, text := range []string{"", "cca init", "cca init ", "cca init " + plain[:60], message + other, fold("cca init "+plain, 76, "\n") + "``` ```" + fold(other, 76, "\n"), fold("cca init "+plain[:150], 76, "\n"), strings.ReplaceAll(message, plain, plain[1:])} {
		_, err := chaim.ParseInit(text)
		require.Error(t, err, text)
		assert.NotContains(t, err.Error(), "ca9a12e5")
		assert.NotContains(t, err.Error(), plain[:20])
	}
}

// TestStoreKeepsWhatFits has settings of before, and new ones that say less.
func TestStoreKeepsWhatFits(t *testing.T) {
	const before = "[default]\nendpoint = https://old.example/\napi = abc123\nstage = prod\nregion = us-east-1\nusername = chris\nusertoken = CANARY\nslackid = U1\nworkspaceid = W1\ntokenexpires = 1536139015\nteam = blue\n"
	for name, tt := range map[string]struct {
		s             chaim.Settings
		gone, changed string // lines, of which the latter are new
	}{
		"new token":    {chaim.Settings{Endpoint: "https://old.example/", Username: "chris", UserToken: "NEW"}, "usertoken = CANARY\ntokenexpires = 1536139015\n", "usertoken = NEW\n"},
		"same":         {chaim.Settings{Endpoint: "https://old.example/", Username: "chris", UserToken: "CANARY"}, "", ""},
		"other user":   {chaim.Settings{Endpoint: "https://old.example/", Username: "anna", UserToken: "CANARY"}, "username = chris\nslackid = U1\nworkspaceid = W1\n", "username = anna\n"},
		"by API":       {chaim.Settings{API: "new123", Stage: "dev", Username: "chris", UserToken: "CANARY"}, "endpoint = https://old.example/\napi = abc123\nstage = prod\n", "api = new123\nstage = dev\n"},
		"new endpoint": {chaim.Settings{Endpoint: "https://new.example/", Username: "chris", UserToken: "CANARY"}, "endpoint = https://old.example/\n", "endpoint = https://new.example/\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials")
			write(t, path, before)
			require.NoError(t, tt.s.Store(t.Context(), filepath.Dir(path)))
			want := slices.DeleteFunc(strings.SplitAfter(before+tt.changed, "\n"), func(line string) bool { return line != "" && strings.Contains(tt.gone, line) })
			assert.ElementsMatch(t, want, strings.SplitAfter(read(t, path), "\n"))
		})
	}
}
