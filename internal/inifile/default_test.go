package inifile

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// copyPairs are what a scope writes into [default].
func copyPairs(id string) []Pair {
	return []Pair{{"aws_access_key_id", id}, {SectionKey, "dev"}, {ScopeKey, "S-" + id}}
}

const (
	settings = "[default]\napi = 8xx\nregion = us-east-1\nusertoken = t=1\n"
	copied   = "aws_access_key_id = A1\nsection = dev\nchaim_scope = S-A1"
	stood    = copied + ".\n" // where a header stood
)

func TestDefaultCopy(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"empty file", "", "[default]\n" + copied + "\n"},
		{"missing", "[a]\nk = v\n", "[a]\nk = v\n\n[default]\n" + copied + "\n"},
		{"missing, last line incomplete", "[a]\nk = v", "[a]\nk = v\n[default]\n" + copied + "+\n"},
		{"missing below a BOM", "\ufeff[a]\nk = v\n", "\ufeff[a]\nk = v\n\n[default]\n" + copied + "\n"},
		{"only a BOM", "\ufeff", "\ufeff\n[default]\n" + copied + "\n"},
		{"only a header", "[default]\n", "[default]\n" + stood},
		{"incomplete header", "[default]", "[default]\n" + strings.TrimSuffix(stood, "\n")},
		{"incomplete header, CRLF", "[a]\r\n[default] # c", "[a]\r\n[default] # c\r\n" + strings.ReplaceAll(strings.TrimSuffix(stood, "\n"), "\n", "\r\n")},
		{"header of another ending", "[a]\r\n[default]\nk = v\r\n", "[a]\r\n[default]\n" + strings.ReplaceAll(stood, "\n", "\r\n") + "k = v\r\n"},
		{"only comments", "[default]\n# mine\n\n[a]\n", "[default]\n" + stood + "# mine\n\n[a]\n"},
		{"settings, first", settings + "\n[a]\nk = v\n", "[default]\n" + stood + strings.TrimPrefix(settings, "[default]\n") + "\n[a]\nk = v\n"},
		{"settings, last and incomplete", "[a]\n[default]\napi = x", "[a]\n[default]\n" + stood + "api = x"},
		{"nested settings", "[default]\ns3 =\n  section = x\n\n", "[default]\n" + stood + "s3 =\n  section = x\n\n"},
		{"nested, as if put aside", "[default]\ns3 =\n  chaim_was_section = x\n", "[default]\n" + stood + "s3 =\n  chaim_was_section = x\n"},
		{"keys of other sections", "[default]\nrole = r\naccountname = x\nduration = 1\ngui_url = u\nexpstr = e\n", "[default]\n" + stood + "role = r\naccountname = x\nduration = 1\ngui_url = u\nexpstr = e\n"},
		{
			"somebody was first", "[default]\napi = x\nsection=old\nAlias : dev\n# c\nAWS_Access_Key_Id = AKIA\nexpires = 1",
			"[default]\n" + stood + "api = x\nchaim_was_section=old\nchaim_was_Alias : dev\n# c\nchaim_was_AWS_Access_Key_Id = AKIA\nchaim_was_expires = 1",
		},
		{
			"somebody was first, CRLF", "[default]\r\nsection=old\r\n\r\n[a]\r\n",
			"[default]\r\n" + strings.ReplaceAll(stood, "\n", "\r\n") + "chaim_was_section=old\r\n\r\n[a]\r\n",
		},
		{
			"processes of a scope and of the user", "[default]\ncredential_process = cat '/h/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'\n[a]\ncredential_process = mine\n",
			"[default]\n" + stood + "chaim_was_credential_process = cat '/h/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'\n[a]\ncredential_process = mine\n",
		},
		{"process of the user", "[default]\ncredential_process = mine\n", "[default]\n" + stood + "credential_process = mine\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Set([]byte(tt.doc), DefaultSection, copyPairs("A1"))
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))

			pairs, exists, err := ReadManaged(got, DefaultSection)
			require.NoError(t, err)
			assert.True(t, exists)
			assert.Equal(t, map[string]string{"aws_access_key_id": "A1", "section": "dev", "chaim_scope": "S-A1"}, pairs)

			again, err := Set(got, DefaultSection, copyPairs("A1"))
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(again), "the same values change nothing")

			renewed, err := Set(got, DefaultSection, copyPairs("B2"))
			require.NoError(t, err)
			assert.Equal(t, strings.ReplaceAll(tt.want, "A1", "B2"), string(renewed))

			back, err := Delete(renewed, DefaultSection)
			require.NoError(t, err)
			assert.Equal(t, tt.doc, string(back))
		})
	}
}

func TestDefaultSetForGood(t *testing.T) {
	pairs := []Pair{{"aws_access_key_id", "A"}, {AliasKey, "dev"}}
	doc := "[default]\nregion = r\nSection=old\nAWS_Access_Key_Id: old\naccountname = mine\n"
	got, err := Set([]byte(doc), DefaultSection, pairs)
	require.NoError(t, err)
	assert.Equal(t, "[default]\nregion = r\naws_access_key_id = A\nalias = dev\naccountname = mine\n", string(got))

	back, err := Delete(got, DefaultSection)
	require.NoError(t, err)
	assert.Equal(t, "[default]\nregion = r\naccountname = mine\n", string(back))

	got, err = Set([]byte("[a]\n"), DefaultSection, pairs)
	require.NoError(t, err)
	back, err = Delete(got, DefaultSection)
	require.NoError(t, err)
	assert.Equal(t, "[a]\n\n[default]\n", string(back), "for all that is known it was there")
}

func TestRelease(t *testing.T) {
	pairs := []Pair{{"aws_access_key_id", "ASIA"}, {"aws_secret_access_key", "lent"}, {"aws_session_token", "lent"}, {SectionKey, "a"}, {AliasKey, "t"}, {ScopeKey, "MARK"}}
	const before = "[default]\r\nregion = r\r\nSection=old\r\naws_access_key_id = kept\r\nexpires = 1\r\n# c\r\n[b]\r\nx = y\r\n"
	lent, err := Set([]byte(before), DefaultSection, pairs)
	require.NoError(t, err)
	edited := strings.NewReplacer("= ASIA", "= AKIA", "key = lent", "key = mine").Replace(string(lent))
	got, err := Release([]byte(edited), pairs)
	require.NoError(t, err)
	const want = "[default]\r\nregion = r\r\n# c\r\naws_access_key_id = AKIA\r\naws_secret_access_key = mine\r\n[b]\r\nx = y\r\n"
	assert.ElementsMatch(t, strings.SplitAfter(want, "\n"), strings.SplitAfter(string(got), "\n"))
	assert.True(t, strings.HasSuffix(string(got), "[b]\r\nx = y\r\n"))

	edited = strings.Replace(string(lent), "aws_access_key_id = ASIA\r\n", "", 1)
	got, err = Release([]byte(edited), pairs)
	require.NoError(t, err)
	assert.Equal(t, before, string(got), "nobody has put any in their place")
	got, err = Release([]byte("[a]\n"), pairs)
	require.NoError(t, err)
	assert.Equal(t, "[a]\n", string(got))
}

// TestDefaultEditedMeanwhile has the user write into [default] while a scope's copy is there.
func TestDefaultEditedMeanwhile(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"key added to the copy", "[default]\n" + copied + "\noutput = json\n", "[default]\noutput = json\n"},
		{
			"keys that only look put aside", "[default]\n" + stood + "chaim_was_region = r\nchaim_was_credential_process = mine\ns3 =\n  chaim_was_section = x\n",
			"[default]\nchaim_was_region = r\nchaim_was_credential_process = mine\ns3 =\n  chaim_was_section = x\n",
		},
		{"scope removed by hand", "[default]\nsection = dev\nchaim_was_section = old\n", "[default]\nsection = old\n"},
		{"file continued below an incomplete header", "[default]\n" + stood + "[b]\nk = v\n", "[default]\n[b]\nk = v\n"},
		{"carriage return at the end", "[default]\n" + stood + "k = v\r", "[default]\nk = v\r"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Delete([]byte(tt.doc), DefaultSection)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))
		})
	}
}

func TestAside(t *testing.T) {
	const doc = "[default]\n" + stood + "chaim_was_Section=old\nk = v\nchaim_was_aws_access_key_id = O\nchaim_was_region = r\ns3 =\n  chaim_was_alias = n\n"
	aside, err := ReadAside([]byte(doc))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"section": "old", "aws_access_key_id": "O"}, aside)
	for _, tt := range []struct {
		pairs []Pair
		after string
	}{
		{[]Pair{{"aws_access_key_id", "N"}, {SectionKey, "old"}, {"expires", "1"}}, "section = old\nk = v\naws_access_key_id = N\nexpires = 1\n"},
		{nil, "k = v\n"},
	} {
		got, err := SetAside([]byte(doc), tt.pairs)
		require.NoError(t, err)
		managed, _, err := ReadManaged(got, DefaultSection)
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"aws_access_key_id": "A1", "section": "dev", "chaim_scope": "S-A1"}, managed)
		got, err = Delete(got, DefaultSection)
		require.NoError(t, err)
		assert.Equal(t, "[default]\n"+tt.after+"chaim_was_region = r\ns3 =\n  chaim_was_alias = n\n", string(got))
	}
	aside, err = ReadAside([]byte("[a]\nchaim_was_section = x\n"))
	assert.NoError(t, err)
	assert.Empty(t, aside)
}

func TestDefaultRefusals(t *testing.T) {
	forGood := []Pair{{SectionKey, "dev"}}
	for name, tt := range map[string]struct {
		doc   string
		pairs []Pair
		says  string
	}{
		"put aside, without a scope":       {"[a]\n[default]\n\nchaim_was_section = x\n", copyPairs("A"), "chaim_was_section at line 4"},
		"put aside in capitals":            {"[default]\nChaim_Was_Section = x\n", copyPairs("A"), "chaim_was_section at line 2"},
		"put aside, beside managed lines":  {"[default]\nsection = y\nchaim_was_section = x\n", copyPairs("A"), "remove the line or rename its key to section"},
		"put aside, and then set for good": {"[default]\nchaim_scope = S\nchaim_was_section = x\n", forGood, "chaim_was_section at line 3"},
		"assumes a role":                   {"[default]\nrole_arn = y\n", copyPairs("A"), "has role_arn"},
		"process in place of a process":    {"[default]\ncredential_process = mine\n", []Pair{{ProcessKey, "cat '/h/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'"}}, "has credential_process"},
		"indented by somebody":             {"[default]\n  section = x\n", copyPairs("A"), "indented"},
		"indented under ours":              {"[default]\nsection =\n  x = y\n", copyPairs("A"), "indented"},
		"BOM above":                        {"\ufeff[default]\n", copyPairs("A"), "header"},
		"key twice":                        {"", []Pair{{SectionKey, "a"}, {SectionKey, "b"}}, "twice"},
	} {
		_, err := Set([]byte(tt.doc), DefaultSection, tt.pairs)
		assert.ErrorContains(t, err, tt.says, name)
	}
	for _, key := range []string{"region", "role", MarkerKey, "duration", "gui_url", "expstr", "api", ""} {
		_, err := Set(nil, DefaultSection, []Pair{{key, "x"}})
		assert.ErrorContains(t, err, "not a key", key)
	}
}

// TestDefaultIsOneSection has what is special of [default] in another.
func TestDefaultIsOneSection(t *testing.T) {
	for _, name := range []string{"p", "Default", "DEFAULT"} {
		for _, key := range []string{SectionKey, AliasKey, "chaim_was_section"} {
			_, err := Set(nil, name, []Pair{{key, "x"}})
			assert.ErrorContains(t, err, "not a key", key)
			got, err := Delete([]byte("["+name+"]\nregion = r\n"+key+" = x\n"), name)
			require.NoError(t, err)
			assert.Equal(t, "["+name+"]\n"+key+" = x\n", string(got))
		}
		got, err := Delete([]byte("["+name+"]\naccountname = x\nchaim_scope = S.\n"), name)
		require.NoError(t, err)
		assert.Empty(t, string(got))
	}
}

// TestDefaultBelowIncompleteLine has the user add [default] below a profile that ended the line above it.
func TestDefaultBelowIncompleteLine(t *testing.T) {
	text, err := Set([]byte("[a]\nk = v"), "p", testPairs)
	require.NoError(t, err)
	text, err = Set(append(text, "[default]\napi = x\n"...), DefaultSection, copyPairs("A1"))
	require.NoError(t, err)
	for _, name := range []string{"p", DefaultSection} {
		text, err = Delete(text, name)
		require.NoError(t, err)
	}
	assert.Equal(t, "[a]\nk = v\n[default]\napi = x\n", string(text))
}

// defaultLines are what matters in and around [default].
var defaultLines = []string{
	"[default]\n", "[default]", "[default] # c\r\n", "[a]\n", "[b]\r\n", "# c\n", "\n", "\r\n", "  # c\n", "api = x\n", "api = x", "api = x\r\n", "region = r\n",
	"section = old\n", "Section=old", "alias : old\r\n", "aws_access_key_id=AKIA\n", "aws_session_token = T\n", "expires = 1\n", "s3 =\n", "  section = n\n",
	"credential_process = cat '/h/chaim/credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ.json'\n", "credential_process = mine\n", "junk\n", "accountname = x\n", "chaim_was_section = z\n", "\ufeff",
}

// FuzzDefaultCopy writes and removes a copy in [default] among profiles of other scopes, in any order. Once all are gone
// the document must be what it was, and meanwhile every line of somebody else must be there.
func FuzzDefaultCopy(f *testing.F) {
	for i := range defaultLines {
		for j := range defaultLines {
			f.Add([]byte(nil), []byte{byte(i), byte(j)}, []byte{0, 1, 0, 2, 1, 0, 2})
			f.Add([]byte(nil), []byte{0, byte(i), byte(j)}, []byte{1, 0, 2, 1, 0, 1, 0})
			f.Add([]byte(nil), []byte{byte(j), 1, byte(i)}, []byte{0, 3, 0, 2, 4, 0})
		}
	}
	f.Fuzz(func(t *testing.T, doc, lines, edits []byte) {
		if len(doc) > 1<<10 || len(lines) > 8 || len(edits) > 8 {
			return
		}
		for _, i := range lines {
			doc = append(doc, defaultLines[int(i)%len(defaultLines)]...)
		}
		names := []string{DefaultSection, "p", "q"}
		if slices.ContainsFunc(Scan(doc), func(s Section) bool { return s.Name() == "p" || s.Name() == "q" || s.HasScope(doc) }) {
			return
		}
		text, written := doc, map[string]bool{}
		remove := func(name string) {
			var err error
			text, err = Delete(text, name)
			require.NoError(t, err)
			delete(written, name)
		}
		for i, edit := range edits {
			name := names[int(edit)%len(names)]
			if written[name] && edit/3%2 == 0 {
				remove(name)
				continue
			}
			pairs := copyPairs(strings.Repeat("A", i+1))
			if name != DefaultSection {
				pairs = testPairs
			}
			out, err := Set(text, name, pairs)
			if err != nil {
				require.False(t, written[name], "%s in %q", err, text)
				continue
			}
			written[name], text = true, out
			for line := range bytes.Lines(doc) {
				require.Contains(t, string(text), strings.TrimRight(string(line), "\r\n"))
			}
			got, _, err := ReadManaged(text, name)
			require.NoError(t, err)
			for _, p := range pairs {
				require.Equal(t, p.Value, got[p.Key])
			}
			again, err := Set(text, name, pairs)
			require.NoError(t, err)
			require.Equal(t, string(text), string(again), "the same values change the text")
		}
		for _, name := range names {
			if written[name] {
				remove(name)
			}
		}
		require.Equal(t, string(doc), string(text))
	})
}
