package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim/chaimtest"
)

const (
	theirKeys = "aws_access_key_id = ASIATHEIRS0000000001\naws_secret_access_key = CANARYOLD\naws_session_token = CANARYOLD\n"
	theirRest = "expires = 4102444800\nduration = 1\nrole = rro\nregion = eu-west-1\naccountname = sredev\n"
	staleMark = "chaim_scope = ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789abcdef-0123456789abcdef\n"
)

// stateOfOriginals is a credentials file that the original clients wrote, and a profile in it.
type stateOfOriginals struct {
	profile, text string
	parked        string // text of chaim-parked
	refuses       string // the commands that fail, and change nothing
}

func statesOfOriginals() map[string]stateOfOriginals {
	section := func(name string, changes ...string) string {
		return "[" + name + "]\n" + theirKeys + strings.NewReplacer(changes...).Replace(theirRest)
	}
	inDefault := "[default]\nregion = eu-west-1\n" + theirKeys + "section = sredev\nalias = sredev\nexpires = 4102444800\n"
	return map[string]stateOfOriginals{
		"living":                   {"sredev", section("sredev"), "", "unpark"},
		"living, fractions":        {"sredev", section("sredev", "4102444800", "4102444800.25"), "", "unpark"},
		"living, no end":           {"sredev", section("sredev", "4102444800", ""), "", "unpark"},
		"expired":                  {"sredev", section("sredev", "4102444800", "1536139015"), "", "unpark"},
		"expired, no duration":     {"sredev", section("sredev", "4102444800", "1536139015", "duration = 1", "duration ="), "", "unpark"},
		"name with a space":        {"Connected Homes", section("Connected Homes", "sredev", "Connected Homes"), "", "unpark"},
		"quote in the name":        {"O'Brien", section("O'Brien", "sredev", "O'Brien"), "", "unpark"},
		"alias":                    {"work", section("work"), "", "unpark"},
		"tempname of a dead one":   {"tempname", section("tempname"), "", "unpark"},
		"terrible":                 {"sredev", section("sredev") + "aws_security_token = CANARYOLD\n", "", "unpark"},
		"with a setting of theirs": {"sredev", section("sredev") + "output = json\n", "", "unpark"},
		"renewed over our mark":    {"sredev", section("sredev") + staleMark, "", "unpark renew park delete account"},
		"default":                  {"sredev", inDefault + "\n" + section("sredev"), "", "unpark"},
		"default, our copy":        {"sredev", inDefault + "chaim_copy = 0123456789abcdef\n\n" + section("sredev"), "", "unpark"},
		"also parked":              {"sredev", section("sredev"), section("sredev"), ""},
		"parked with keys":         {"sredev", "[other]\nregion = r\n", section("sredev"), "renew"},
		"long-lived keys":          {"sredev", strings.Replace(section("sredev"), "ASIA", "AKIA", 1), "", "unpark renew park delete account"},
	}
}

// TestStatesOfTheOriginals has every command meet every state in which the original clients leave a profile. It does what it
// says, or fails and changes nothing: nothing is said to be deleted or parked while keys stay.
func TestStatesOfTheOriginals(t *testing.T) {
	srv := chaimtest.NewServer(t)
	for name, state := range statesOfOriginals() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for command, args := range map[string][]string{
				"list":    {"list"},
				"sweep":   {"sweep"},
				"exec":    {"exec", state.profile, "--", "sh", "-c", "echo $CHAIM_ROLE"},
				"delete":  {"delete", state.profile},
				"park":    {"park", state.profile},
				"unpark":  {"unpark", state.profile},
				"renew":   {"renew", state.profile},
				"account": {"account", state.profile, "-a", state.profile, "-D"},
			} {
				state.try(t, srv, command, args)
			}
		})
	}
}

// try runs a command in a state, and looks at what it did.
func (s stateOfOriginals) try(t *testing.T, srv *chaimtest.Server, command string, args []string) {
	t.Helper()
	if strings.ContainsAny(s.profile, " '") && command == "account" {
		return // chaim gives no such names
	}
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "credentials"), filepath.Join(dir, "chaim-parked")}
	before := []string{s.text, s.parked}
	for i, path := range files {
		require.NoError(t, os.WriteFile(path, []byte(before[i]), 0o600))
	}
	cmd := exec.CommandContext(t.Context(), "chaim", args...)
	cmd.Env = append(append(os.Environ(), srv.Environ(dir)...), "HOME="+dir)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	said := command + ": " + out.String() + talk.String()
	var after []string
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		after = append(after, string(text))
	}
	assert.NotContains(t, said, "CANARY", command)
	refuses := strings.Contains(" "+s.refuses+" ", " "+command+" ")
	if !assert.Equal(t, refuses, err != nil, said) {
		return
	}
	if refuses || command == "list" || command == "exec" || command == "sweep" {
		assert.Equal(t, before, after, said)
	}
	if refuses {
		assert.NotEmpty(t, talk.String(), said)
		return
	}
	s.checkDone(t, command, after, out.String(), talk.String())
}

// checkDone looks at what a command did that succeeded.
func (s stateOfOriginals) checkDone(t *testing.T, command string, after []string, out, talk string) {
	t.Helper()
	said := command + ": " + out + talk
	isHeld := strings.Contains(s.text, "["+s.profile+"]")
	switch {
	case command == "list":
		assert.Equal(t, isHeld, strings.Contains(out, s.profile), said)
	case command == "exec":
		assert.NotEmpty(t, out, said)
	case command == "delete", command == "park":
		assert.NotContains(t, after[0]+after[1], "CANARYOLD", said)
		assert.NotContains(t, after[0], "accountname", said)
		assert.Equal(t, command == "park", strings.Contains(after[1], "["+s.profile+"]"), said)
		assert.Contains(t, talk, "is "+command, said)
	case command == "unpark", command == "renew", command == "account":
		assert.NotContains(t, after[0], "CANARYOLD", said)
		assert.Contains(t, after[0], "["+s.profile+"]\n", said)
		assert.Contains(t, after[0], "aws_session_token = CANARY", said)
		assert.NotEmpty(t, out, said)
	}
}
