package inifile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var testPairs = []Pair{
	{"aws_access_key_id", "ASIAEXAMPLE000000001"},
	{"aws_secret_access_key", "secret+/=1"},
	{"accountname", "sredev"},
	{"chaim_scope", "S"},
}

const testBody = "aws_access_key_id = ASIAEXAMPLE000000001\naws_secret_access_key = secret+/=1\naccountname = sredev\nchaim_scope = S\n"

func TestSetAndDeleteSection(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"empty file", "", "[p]\n" + testBody},
		{"after a section", "[a]\nk = v\n", "[a]\nk = v\n\n[p]\n" + testBody},
		{"last line without newline", "[a]\nk = v", "[a]\nk = v\n[p]\n" + testBody[:len(testBody)-1] + "+\n"},
		{"blank line at the end", "[a]\nk = v\n\n", "[a]\nk = v\n\n\n[p]\n" + testBody},
		{"only a comment", "# mine", "# mine\n[p]\n" + testBody[:len(testBody)-1] + "+\n"},
		{"only a blank line", "\n", "\n\n[p]\n" + testBody},
		{"CRLF", "[a]\r\nk = v\r\n", "[a]\r\nk = v\r\n\r\n[p]\r\n" + strings.ReplaceAll(testBody, "\n", "\r\n")},
		{"only a BOM", "\ufeff", "\ufeff\n[p]\n" + testBody},
		{"BOM and section", "\ufeff[a]\nk=v\n", "\ufeff[a]\nk=v\n\n[p]\n" + testBody},
		{"a dot is no hierarchy", "[p.eu]\nk = v\n", "[p.eu]\nk = v\n\n[p]\n" + testBody},
		{"damage elsewhere", "junk\n[\n= x\n[a]\nk\n[a]\n", "junk\n[\n= x\n[a]\nk\n[a]\n\n[p]\n" + testBody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := set([]byte(tt.doc), "p", testPairs)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))

			again, err := set(got, "p", testPairs)
			require.NoError(t, err)
			assert.Equal(t, string(got), string(again), "the same values change nothing")

			back, err := remove(got, "p")
			require.NoError(t, err)
			assert.Equal(t, tt.doc, string(back), "add and remove is the identity")
		})
	}
}

// keptPairs are the pairs of a kept profile, which has no mark of a scope.
var keptPairs = testPairs[:3]

func TestDeleteInAnyOrder(t *testing.T) {
	for _, doc := range []string{"", "\ufeff", "\n", "# top\n[a]\nk = v", "# top\r\n[a]\r\nk = v", "[a]\r\nk = v\r\n"} {
		for _, order := range [][]string{{"p", "q", "r"}, {"r", "q", "p"}, {"q", "p", "r"}, {"q", "r", "p"}} {
			for kept := range 8 { // a bit for each section
				text := []byte(doc)
				var err error
				for i, name := range []string{"p", "q", "r"} {
					pairs := testPairs
					if kept>>i&1 == 1 {
						pairs = keptPairs
					}
					text, err = set(text, name, pairs)
					require.NoError(t, err)
				}
				for _, name := range order {
					text, err = remove(text, name)
					require.NoError(t, err)
				}
				assert.Equal(t, doc, string(text), "%q, kept %b, removed in order %v", doc, kept, order)
			}
		}
	}
}

// TestKeptBehindAnIncompleteLine has a kept profile renewed, taken over by a scope and kept again, and then deleted.
func TestKeptBehindAnIncompleteLine(t *testing.T) {
	for _, doc := range []string{"[a]\nk = v", "\ufeff# mine", "# mine\r\n[a]"} {
		text := []byte(doc)
		for i, pairs := range [][]Pair{keptPairs, keptPairs, testPairs, keptPairs, keptPairs} {
			before := text
			var err error
			text, err = set(text, "p", pairs)
			require.NoError(t, err)
			assert.Equal(t, i == 1 || i == 4, bytes.Equal(before, text), "%d: the same values change nothing", i)
			left, _, err := Parse(text).Managed("p")
			require.NoError(t, err)
			assert.Equal(t, i == 2, left[ScopeKey] == "S")
			back, err := remove(text, "p")
			require.NoError(t, err)
			assert.Equal(t, doc, string(back))
		}
	}
}

func TestSetSectionInPlace(t *testing.T) {
	doc := "[a]\nk = v\n\n[p]\n# about p\naws_access_key_id = old\nAWS_Secret_Access_Key: old\nmine = kept\naws_security_token = stale\n\n# about b\n[b]\nk = v\n"
	want := "[a]\nk = v\n\n[p]\n# about p\naws_access_key_id = ASIAEXAMPLE000000001\naws_secret_access_key = secret+/=1\naccountname = sredev\nchaim_scope = S\nmine = kept\n\n# about b\n[b]\nk = v\n"
	got, err := set([]byte(doc), "p", testPairs)
	require.NoError(t, err)
	assert.Equal(t, want, string(got))
}

func TestNestedSettingsStay(t *testing.T) {
	const doc = "[p]\nregion = x\ns3 =\n  region = y\n\trole_arn = z\n  # note\n"
	got, err := set([]byte(doc), "p", []Pair{{"region", "new"}})
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(doc, "region = x", "region = new", 1), string(got))
}

func TestDeleteSectionKeepsWhatIsNotOurs(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"comment for the next section", "[p]\nregion = x\n\n# about b\n[b]\n", "\n# about b\n[b]\n"},
		{"parked as a comment", "[a]\n\n[p]\nregion = x\n#[old]\n#k = v\n", "[a]\n#[old]\n#k = v\n"},
		{"key of the user", "[a]\n\n[p]\nregion = x\noutput = json\n", "[a]\n\n[p]\noutput = json\n"},
		{"no blank line above a kept section", "[a]\nk = v\n[p]\nregion = x\n", "[a]\nk = v\n"},
		{"header that is not closed", "[p]\nregion = x\n[mine\naws_access_key_id = mine\n", "[mine\naws_access_key_id = mine\n"},
		{"header behind a no-break space", "[p]\nregion = x\n\u00a0[mine]\naws_access_key_id = mine\n", "\u00a0[mine]\naws_access_key_id = mine\n"},
		{"bare carriage return elsewhere", "# a\rb\n\n[p]\nregion = x\n", "# a\rb\n"},
		{"section moved up to ours", "[a]\nk = v\n[p]\nregion = x\n[b]\n", "[a]\nk = v\n[b]\n"},
		{"nested under a key of the user", "[a]\n\n[p]\nregion = x\ns3 =\n  region = y\n", "[a]\n\n[p]\ns3 =\n  region = y\n"},
		{"more of a value of ours", "[a]\n\n[p]\nregion = x\n  junk\n  # note\n[b]\n", "[a]\n  # note\n[b]\n"},
		{"key indented under ours", "[a]\n\n[p]\nregion = x\n  output = json\n", "[a]\n\n[p]\n  output = json\n"},
		{"blank line removed above a scope", "[a]\nk = v\n[p]\nregion = x\nchaim_scope = S\n", "[a]\nk = v\n"},
		{"indented by somebody", "[a]\n\n[p]\n  region = x\n  output = json\n", "[a]\n\n[p]\n  output = json\n"},
		{"absent", "[a]\n", "[a]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := remove([]byte(tt.doc), "p")
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))
		})
	}
}

func TestFindMatchesWhatAnyReaderMatches(t *testing.T) {
	for _, header := range []string{"[p]", "  [p]", "[ p ]", "[p] # note", "[p]\t; note", "[p]#note", "\ufeff[p]"} {
		s, err := Parse([]byte(header + "\nk = v\n")).Section("p")
		require.NoError(t, err)
		assert.NotNil(t, s, "%q", header)
	}
	for _, header := range []string{"[p", "#[p]", "[P]", "[pp]", "[p.q]", "x[p]"} {
		s, err := Parse([]byte(header + "\nk = v\n")).Section("p")
		require.NoError(t, err)
		assert.Nil(t, s, "%q", header)
	}
}

func TestSectionRefusals(t *testing.T) {
	for name, doc := range map[string]string{
		"bare carriage return": "[a]\rk = v\r",
		"UTF-16":               "\xff\xfe[\x00a\x00]\x00\n\x00",
		"NUL":                  "[a]\nk = \x00\n",
		"section twice":        "[p]\n[a]\n[p]\n",
		"assumes a role":       "[p]\naccountname = x\nrole_arn = y\n",
		"logs in by SSO":       "[p]\nSSO_session: x\n",
		"scope of a service":   "[p]\naws_credential_scope = s3\n",
		"padded header":        "[ p ]\nregion = x\n",
		"text after header":    "[p] mine\nregion = x\n",
		"brackets in comment":  "[p] # [x]\nregion = x\n",
		"indented by somebody": "[p]\n  region = x\n",
		"indented under ours":  "[p]\nregion = x\n  output = json\n",
		"indented by a NBSP":   "[p]\nregion = x\n\u00a0output = json\n",
		"keys under a value":   "[p]\noutput = json\n  aws_access_key_id = other\n  role_arn = y\n",
	} {
		_, err := set([]byte(doc), "p", testPairs)
		assert.ErrorContains(t, err, "line", name)
	}
	_, err := remove([]byte("[p]\n[a]\n[p]\n"), "p")
	assert.ErrorContains(t, err, "lines 1 and 3")
}

func TestDamage(t *testing.T) {
	for doc, want := range map[string]int{
		"": 0,
		"# c\n\n[a]\nk = v\n  more\nK2: v\ns3 =\n  x = y\n\n[A]\nk = v\r\n;\n": 0,
		"\ufeff[a]\n":         1,
		"[a]\nk = \xff\n":     1,
		"[a]\n[b]\n[a]\n":     3,
		"[a]\nk = v\nK : w\n": 3,
		"\nk = v\n":           2,
		"[a]\njunk\n":         2,
		"[a]\n= v\n":          2,
		"[a]\nk = v\n[]\n":    3,
		"[a]\nk = v\n[open\n": 3,
	} {
		line, what := Damage([]byte(doc))
		assert.Equal(t, want, line, "%q: %s", doc, what)
		assert.Equal(t, want == 0, what == "", doc)
	}
}

func TestReadManaged(t *testing.T) {
	for doc, marked := range map[string]bool{
		"[p]\naccountname = x\n":                           true,
		"[p]\nAccountName: x\n":                            true,
		"[p]\n  accountname = x\n":                         false,
		"[p]\nregion = y\n  accountname = x\n":             false,
		"[p]\naccountname\n":                               false,
		"[p]\n\"accountname\" = x\n":                       false,
		"[p]\n# accountname = x\n":                         false,
		"[p]\ncredential_process = y\n  accountname = x\n": false,
		"[q]\naccountname = x\n[p]\n":                      false,
	} {
		pairs, exists, err := Parse([]byte(doc)).Managed("p")
		require.NoError(t, err)
		assert.True(t, exists)
		assert.Equal(t, marked, pairs[MarkerKey] != "", doc)
	}
}

func TestSetSectionRefusesValues(t *testing.T) {
	for _, value := range []string{
		"", " x", "x ", "a\nb", "a\rb", "a\x00b", "a\tb", "#x", ";x", "'x'", `"x"`, "`x`", "a;b", "a #b", "\u00e9", "\u2028",
		"x\n[admin]\naws_access_key_id = y", "x\x1b[31m",
	} {
		_, err := set(nil, "p", []Pair{{"aws_secret_access_key", value}})
		if assert.Error(t, err, "%q", value) && len(value) > 2 {
			assert.NotContains(t, err.Error(), value)
		}
	}
	_, err := set(nil, "p", []Pair{{"credential_process", "rm"}})
	assert.Error(t, err)
}

func TestReadSection(t *testing.T) {
	doc := "[a]\nk = v\n[p]\nAPI = 8xx\npercent = %(k)s\nequals = a=b==\nhash = a#b # c\nnested =\n  x = y\nquoted = \"q\"\nback = a\\\nflag\n[b]\nk = w\n"
	pairs, exists, err := Parse([]byte(doc)).All("p")
	require.NoError(t, err)
	require.True(t, exists)
	for key, want := range map[string]string{
		"api": "8xx", "percent": "%(k)s", "equals": "a=b==", "hash": "a#b # c", "quoted": `"q"`, "back": `a\`,
	} {
		assert.Equal(t, want, pairs[key], key)
	}
	assert.NotContains(t, pairs, "k")

	_, exists, err = Parse([]byte(doc)).All("q")
	require.NoError(t, err)
	assert.False(t, exists)
}

func TestReadSectionErrorHoldsNoValue(t *testing.T) {
	_, _, err := Parse([]byte("[p]\n= CANARY\n")).All("p")
	require.ErrorContains(t, err, "line 1")
	assert.NotContains(t, err.Error(), "CANARY")
}

func FuzzSetAndDeleteSection(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "x", "[a]\nk = v", "\ufeff[a]\r\nk = v\r\n", "[p]\nk = v\naws_access_key_id = x", "  [p] # c\n\n[b]", "[p\n", "\r\n", "a\n\r\n", "[ p ]\n= x\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, doc []byte, isKept bool) {
		s, err := Parse(doc).Section("p")
		if err != nil {
			return // ambiguous, so refused
		}
		pairs := testPairs
		if isKept {
			pairs = keptPairs
		}
		text, err := set(doc, "p", pairs)
		if err != nil {
			return // refused, with the document untouched
		}
		again, err := set(text, "p", pairs)
		if err != nil || !bytes.Equal(text, again) {
			t.Fatalf("setting the same values again changes the text: %v", err)
		}
		if before, after := Parse(doc).Sections(), Parse(text).Sections(); len(after)-len(before) > 1 || len(after) < len(before) {
			t.Fatalf("%d sections became %d", len(before), len(after))
		}
		if got, _, err := Parse(text).Managed("p"); err != nil {
			t.Fatal(err)
		} else {
			for _, p := range pairs {
				if got[p.Key] != p.Value {
					t.Fatalf("%s reads as %q", p.Key, got[p.Key])
				}
			}
		}
		back, err := remove(text, "p")
		if err != nil {
			t.Fatal(err)
		}
		if s == nil && !bytes.Equal(back, doc) {
			t.Fatalf("add and remove made %q of %q", back, doc)
		}
		if s != nil {
			if !bytes.HasPrefix(text, doc[:s.start]) || !bytes.HasSuffix(text, doc[s.end:]) {
				t.Fatalf("bytes outside the section changed: %q became %q", doc, text)
			}
		}
	})
}
