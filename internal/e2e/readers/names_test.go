//go:build readers

package readers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// goodNames are allowed, though some look like a section of another kind or like a value of another type. Together they use
// every character that is allowed.
var goodNames = []string{
	"dev-1_a", "Foo", "Default", "a.b", "a", "a/b", "a:b", "a@b", "a+b", "a%b", "%", "-", "_", ".", "..", "0", "123", "true", "null",
	"no", "none", "yes", "on", "profile", "profilefoo", "sso-session", "services", "preview", "plugins", "org/acct:role@eu+x%y",
	strings.Repeat("x", 64), strings.Repeat("y", 128),
}

// badNames are misread by some SDK, make it misread other names, or are read by all programs.
var badNames = []string{
	"a,b", "a=b", "a!b", "a(b)", "a{b}", "a$b", "a*b", "a?b", "a~b", "a&b", "a^b", "a|b", "a<b>", `a\b`, "a'b", `a"b`, `"ab"`, "'ab'", "a`b",
	"\u00e9", "\u65e5\u672c", "\ufb01", "\u0130", "a\u200bb", "e\u0301", "\U0001f600", "a\x1bb", "a\x7fb", "a\u0085b", "a b", "sso-session x", "services x",
	"a\u00a0b", "a\fb", "a\vb", "a\u2028b", "a\tb", "profile foo", "profile default", `profile "x"`, "__proto__", "constructor", "toString",
	"toLocaleString", "valueOf", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "__defineGetter__", "__lookupSetter__",
	"\u00a0ab", " a", "a ", "\ta", "a[b", "[a", "=a", "a#b", "a;b", "a #b", "a ;b", "a]b", "a]", "#a", ";a", "a  b", "a\x00b", "DEFAULT", "default",
	"x]\n[admin]\naws_access_key_id = y", "a\n", "\na", "a\rb", strings.Repeat("x", 129),
}

func TestNames(t *testing.T) {
	doc := []byte("[mine]\naws_access_key_id = A\naws_secret_access_key = B\n")
	want := map[string]keys{"mine": {"A", "B"}}
	before := readAll(t, doc, []string{"mine"}, "botocore", "JS v3", "Go v2")
	for _, name := range goodNames {
		_, err := chaim.New(chaim.Options{Account: "sredev", TempName: name, Dir: t.TempDir(), Source: source(firstKeys)})
		require.NoError(t, err)

		alone, err := set(t, nil, name, pairsOf(firstKeys))
		require.NoError(t, err)
		requireUnbroken(t, nil, readAll(t, alone, []string{name}, "botocore", "JS v3", "Go v2"), []string{name}, map[string]keys{name: firstKeys})

		// With all names in one file, no reader takes one for another.
		k := keys{"ASIA" + name, firstKeys[1], firstKeys[2]}
		doc, err = set(t, doc, name, pairsOf(k))
		require.NoError(t, err)
		want[name] = k
	}
	requireUnbroken(t, before, readAll(t, doc, append(goodNames, "mine"), "botocore", "JS v3", "Go v2"), goodNames, want)

	for _, name := range badNames {
		_, err := chaim.New(chaim.Options{Account: "sredev", TempName: name, Dir: t.TempDir(), Source: source(firstKeys)})
		assert.ErrorContains(t, err, "profile name", "%q", name)
	}
}

// heldNames are names that other tools give to profiles. chaim renews such profiles in place.
var heldNames = []string{
	"Connected Homes", "O'Brien", "R&D (dev), EU", "a b c", `say "hi"`, "caf\u00e9", "Q=A", "profile", "a|b", "~x!",
}

// TestHeldNames demands that new keys under such a name change nothing for the profiles around it.
func TestHeldNames(t *testing.T) {
	for _, name := range heldNames {
		dir := t.TempDir()
		path := filepath.Join(dir, "credentials")
		user := "aws_access_key_id = A\naws_secret_access_key = B\n"
		managed := "aws_access_key_id = ASIAOLD\naws_secret_access_key = OLD\naws_session_token = OLD\naccountname = sredev\nrole = rro\n"
		doc := []byte("[above]\n" + user + "\n[" + name + "]\n" + managed + "\n[below]\n" + user)
		require.NoError(t, os.WriteFile(path, doc, 0o600))
		names := []string{"above", name, "below"}
		before := readAll(t, doc, names, "botocore", "JS v3", "Go v2")

		c, err := chaim.New(chaim.Options{Account: "sredev", Dir: dir, Source: source(firstKeys)})
		require.NoError(t, err)
		_, err = c.RenewSection(t.Context(), name)
		require.NoError(t, err, "%q", name)
		require.NoError(t, c.Close())

		renewed, err := os.ReadFile(path)
		require.NoError(t, err)
		after := readAll(t, renewed, names, "botocore", "JS v3", "Go v2")
		requireUnbroken(t, before, after, []string{name}, map[string]keys{"above": {"A", "B"}, "below": {"A", "B"}})
		require.Equal(t, firstKeys, after["botocore"].Profiles[name].Keys, "%q", name)
	}
}
